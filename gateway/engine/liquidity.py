"""The watch over our account in AÖS: at an interval, what is about to be paid is summed and the account is asked about.

The decision is the table's (`gateway.domain.liquidity`); this only looks at the payments and says that it is time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime

import structlog

from contracts.errors.refusal import RefusedError
from gateway.domain.clock import format_instant
from gateway.domain.dispatches import PaymentKind
from gateway.domain.liquidity import LookDue
from gateway.domain.money import ZERO, Money
from gateway.domain.payment_data import Payment, PaymentState
from gateway.engine import codec
from gateway.ports import Message, Receiver, Target
from gateway.store.errors import StoreError
from gateway.store.interface import Reader, Store

_log = structlog.get_logger(__name__)
_PAGE = 500
_ABOUT_TO_LEAVE = (PaymentState.ORDERED, PaymentState.ROUTED, PaymentState.UNKNOWN)  # what AÖS does not hold for sure


class LiquidityWatch:
    """Asks in a task of its own."""

    def __init__(
        self, store: Store, receiver: Receiver, account: str, *, clock: Callable[[], datetime], every_s: float
    ) -> None:
        self._store, self._receiver, self._account = store, receiver, account
        self._clock, self._every_s = clock, every_s

    async def run(self) -> None:
        """Ask until cancelled; a store that is away is asked again."""
        while True:
            try:
                await self.look()
            except (StoreError, RefusedError) as error:
                _log.warning("account not asked about", reason=str(error))
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Say once that it is time. Replicas asking in the same second say the same thing."""
        event = LookDue(expected=await self._store.read(lambda reader: sum(_open(reader), start=ZERO)))
        now = format_instant(self._clock().replace(microsecond=0))
        await self._receiver.receive(
            Message(
                source="liquidity",
                id=f"{self._account}.{now}",
                target=Target(noun="liquidity", id=self._account),
                event=event,
                digest="",
            )
        )


def _open(reader: Reader) -> Iterator[Money]:
    """Amounts of our own transfers that are on their way to AÖS."""
    for state in _ABOUT_TO_LEAVE:
        after = ""
        while rows := reader.list_nouns("payment", state=state, after=after, limit=_PAGE):
            after = rows[-1].id
            payments = (codec.decode(Payment, row.data) for row in rows)
            yield from (payment.amount for payment in payments if payment.kind is PaymentKind.TRANSFER)
