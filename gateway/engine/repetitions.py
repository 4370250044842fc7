"""The memory of answered requests, in the store: one row each, for as long as its signature would be accepted.

How many there are is bounded by the doors' quota: requests a second, times the greatest age and clock difference. What
is too old is forgotten in the background, a little later than it ends, because replicas' clocks differ.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from certs.trust import Once
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from gateway.engine.unavailable import store_unavailable
from gateway.store.errors import StoreError
from gateway.store.interface import Store
from gateway.store.turns import Turn

FORGET_AT_ONCE = 5_000  # rows of one transaction: below a tenth of a second
FORGET_EVERY_S = 30.0
KEPT_LONGER = timedelta(minutes=1)  # more than replicas' clocks ever differ

_log = structlog.get_logger(__name__)


class Repetitions:
    """One per process; `gateway.wire.repetition.Memory` over a store."""

    def __init__(self, store: Store, *, clock: Callable[[], datetime]) -> None:
        self._store, self._clock = store, clock

    async def remember(self, once: Once) -> None:
        """Remember a request that is about to be answered.

        Raises:
            RefusedError: SIGNATURE_REPEATED, it is remembered already, here or at another replica; `store_unavailable`.
        """
        try:
            first = await self._store.transact(lambda tx: tx.add_signature(once.mark, until=once.until))
        except StoreError as error:
            raise store_unavailable(error) from error
        if not first:
            raise refuse(ErrorCode.SIGNATURE_REPEATED)

    async def forget(self) -> int:
        """Forget what is too old to be accepted anywhere; how many rows went. Raises StoreError."""
        before, gone = self._clock() - KEPT_LONGER, 0
        while True:
            some = await self._store.transact(
                lambda tx: tx.forget_signatures(before=before, limit=FORGET_AT_ONCE), Turn.UNDER_WAY
            )
            gone += some
            if some < FORGET_AT_ONCE:
                return gone

    async def run(self) -> None:
        """Forget until cancelled."""
        while True:
            try:
                await self.forget()
            except StoreError as error:
                _log.warning("nothing forgotten", reason=str(error))
            await asyncio.sleep(FORGET_EVERY_S)
