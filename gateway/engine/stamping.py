"""Time-stamps over the journal, off the path of any message.

At an interval the lines written since the last stamp become the leaves of a Merkle tree, and its root is stamped by
an authority of time (RFC 3161). While the authority is away nothing waits for it: the lines are stamped when it is
back. How long that may go on is the grace; what is left of it is shown, and only when it has ended the house says that
it is not ready.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from contracts.errors.refusal import RefusedError
from gateway.engine.merkle import root_of
from gateway.errors import GatewayError
from gateway.store.errors import StoreError
from gateway.store.interface import Store
from gateway.store.rows import StampRow
from gateway.store.turns import Turn

BATCH_MAX = 10_000  # leaves under one root: 320 kB, and proofs of 14 digests

_log = structlog.get_logger(__name__)


class TimeStamper(Protocol):
    """An authority of time, asked over the network."""

    async def stamp(self, digest: bytes) -> tuple[bytes, datetime]:
        """A verified token over a SHA-256 digest, and the time it states.

        Raises:
            GatewayError, RefusedError: no token, or none that holds.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StampStanding:
    """How far stamping is behind: since when lines wait, and the grace left before the house is not ready."""

    waiting_since: datetime | None
    grace_left_s: float


class Stamping:
    """One per process; of several replicas the first to write a batch has stamped it.

    A line is stamped once nothing can come before it any more: a transaction under way has the numbers of its lines
    already, and they are seen when it is committed, however long that takes.

    Args:
        interval_s: between two batches.
        grace_s: how long lines may wait for their stamp.
    """

    def __init__(
        self,
        store: Store,
        stamper: TimeStamper,
        *,
        clock: Callable[[], datetime],
        interval_s: float,
        grace_s: float,
    ) -> None:
        self._store, self._stamper, self._clock = store, stamper, clock
        self._interval_s, self._grace_s = interval_s, grace_s
        self._waiting_since: datetime | None = None
        self._settled = self._seen = 0  # lines up to which nothing can come any more; that were there at the last look
        self._writers: frozenset[str] = frozenset()  # at work then

    @property
    def standing(self) -> StampStanding:
        """How it stands now."""
        since = self._waiting_since
        waited_s = 0.0 if since is None else (self._clock() - since).total_seconds()
        return StampStanding(waiting_since=since, grace_left_s=max(0.0, self._grace_s - max(0.0, waited_s)))

    async def ready(self) -> bool:
        """Whether the grace has not ended: a check of readiness."""
        return self.standing.grace_left_s > 0

    async def run(self) -> None:
        """Stamp until cancelled."""
        while True:
            try:
                while await self.stamp():
                    pass
            except StoreError as error:
                _log.warning("nothing stamped", reason=str(error))
            except (GatewayError, RefusedError) as error:
                left_s = round(self.standing.grace_left_s)
                _log.error("alarm", alarm="TIME_STAMP_MISSING", facts={"reason": str(error), "grace_left_s": left_s})
            await asyncio.sleep(self._interval_s)

    async def stamp(self) -> bool:
        """Stamp one batch; True if there is at once another whole one.

        Raises:
            GatewayError, RefusedError: the authority gave no token; the lines go on waiting.
            StoreError: the store is away.
        """
        await self._settle()
        found = await self._store.read(
            lambda reader: reader.journal_leaves(after=reader.last_stamped(), limit=BATCH_MAX), Turn.UNDER_WAY
        )
        leaves = [leaf for leaf in found if leaf.seq <= self._settled]
        self._waiting_since = found[0].at if found else None
        if not leaves:
            return False
        hashes = [leaf.hash for leaf in leaves]
        root = await asyncio.to_thread(root_of, hashes)
        token, stamped_at = await self._stamper.stamp(root)
        row = StampRow(
            first_seq=leaves[0].seq,
            last_seq=leaves[-1].seq,
            stamped_at=stamped_at,
            root=root,
            leaves=b"".join(hashes),
            token=token,
        )
        await self._store.transact(lambda tx: tx.add_stamp(row), Turn.UNDER_WAY)
        _log.info("stamped", first=row.first_seq, last=row.last_seq, root=root.hex())  # kept where the log is kept
        self._waiting_since = None
        return len(leaves) == BATCH_MAX

    async def _settle(self) -> None:
        """Whoever writes at this moment may come before what is seen; who begins later comes after it."""
        seen, writers = await self._store.read(
            lambda reader: (reader.last_line(), reader.journal_writers()), Turn.UNDER_WAY
        )
        if self._writers & writers:
            return
        self._settled, self._seen, self._writers = self._seen if writers else seen, seen, writers
