"""The dispatcher: claims outbox rows that are due, has adapters send them, and books the outcomes.

It holds nothing of its own: what it was doing when it died is claimed again after the lease, under the same ids.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

import structlog

from gateway.domain.dispatches import Channel
from gateway.domain.frozen import replace
from gateway.domain.recipient import Breaker, BreakerPolicy
from gateway.engine.breakers import Breakers
from gateway.engine.endings import Ended, Endings
from gateway.engine.engine import Engine
from gateway.engine.leasing import Grant
from gateway.engine.outcome import result_of
from gateway.engine.sending import Sending
from gateway.engine.tampered import is_as_ordered
from gateway.ports import Adapter, Outcome
from gateway.store.errors import StoreError, StoreUnavailableError
from gateway.store.interface import Lane, Transaction
from gateway.store.rows import LaneRow, LeasedRow, OutboxRow
from gateway.store.turns import Turn

_log = structlog.get_logger(__name__)
_STORE_PAUSE_S = 0.5
_INTERRUPTED_MAX = 5  # claims of one row that nobody booked; as many mean that something dies again and again


@dataclass(slots=True)
class _Unbooked:
    """An attempt that has ended; its row with the lease that it has now."""

    row: OutboxRow


class Dispatcher:
    """One worker over all channels it has adapters for, and the timers. One recipient's trouble delays no other.

    Args:
        worker: names the lease; unique among replicas.
        concurrency: attempts under way at once, per recipient of a channel; a `Wide` adapter may have more, and is
            given what may begin at the same moment together.
        breakers: when a recipient that does not answer is left alone, by channel, else `default`.
        lease_s: longer than any adapter may take.
        poll_s: how long to sleep at most, so that rows put in by other replicas are found.
        alone: whether no other process works on this store: what is leased at the start was in dead hands.
        observe: told of every finished attempt (channel, result), for metrics.
    """

    def __init__(
        self,
        engine: Engine,
        adapters: Mapping[str, Adapter],
        *,
        clock: Callable[[], datetime],
        worker: str,
        concurrency: int = 16,
        lease_s: float = 60.0,
        poll_s: float = 0.5,
        breakers: Mapping[str, BreakerPolicy] = MappingProxyType({}),
        alone: bool = False,
        observe: Callable[[str, str], None] = lambda channel, result: None,
    ) -> None:
        self._engine, self._clock = engine, clock
        self._sending, self._endings = Sending(engine.store, adapters), Endings(engine)
        self._worker, self._lease_s, self._poll_s = worker, lease_s, poll_s
        self._observe, self._alone = observe, alone
        self._channels = (*adapters, Channel.TIMER)
        places = {channel: adapter.places_per_recipient for channel, adapter in self._sending.wide.items()}
        self._widths = {channel: max(concurrency, places.get(channel, 0)) for channel in self._channels}
        self._breakers = Breakers(engine.silences, breakers, clock)
        self._busy: Counter[Lane] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._unbooked: dict[str, _Unbooked] = {}  # attempts that have ended, by delivery
        self._wake = asyncio.Event()
        self._held: defaultdict[Lane, deque[LeasedRow]] = defaultdict(deque)  # leased, without a place yet
        self._stale: list[LeasedRow] = []  # held too long to be begun; the next claim gives them back
        self._stopping = False
        self._looks_at = clock()
        self._idle = asyncio.Event()  # no claim is under way
        self._idle.set()

    def wake(self) -> None:
        """Something may be due: look now. Call on the loop's thread."""
        self._wake.set()

    async def run(self) -> None:
        """Work until `stop`; a store that is away or at fault is asked again, nothing else ends it."""
        await self._breakers.recall(self._channels)
        await self._inherit()  # before anything is leased for us
        self._idle.clear()
        try:
            while not self._stopping:
                self._wake.clear()
                pause_s = await self._look()
                self._looks_at = self._clock() + timedelta(seconds=pause_s)
                await self._sleep(pause_s)
        finally:
            self._idle.set()

    async def _look(self) -> float:
        """Claim and start what is due; how long to sleep then, seconds."""
        try:
            return self._pause_s(await self._claim())
        except StoreUnavailableError as error:
            _log.warning("store unavailable", reason=str(error))
        except Exception:
            _log.exception("cannot claim")
        return _STORE_PAUSE_S

    @property
    def breakers(self) -> Mapping[Lane, Breaker]:
        """The lanes whose last attempts had no answer, as this process knows them."""
        return dict(self._breakers.lanes)

    async def stop(self, grace_s: float = 10.0) -> None:
        """Claim no more, let attempts under way finish within `grace_s`, give back what was not begun."""
        self._stopping = True
        self._wake.set()
        await self._idle.wait()  # what a claim under way still leases is worked on too
        loop = asyncio.get_running_loop()
        until = loop.time() + grace_s
        while self._tasks and loop.time() < until:  # what was leased on a grant starts while we wait
            await asyncio.wait(self._tasks, timeout=until - loop.time())
        late = list(self._tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        await self._endings.finish()
        await self._give_back()

    async def _give_back(self) -> None:
        """Others, or the next process, need not wait for the end of a lease on which nothing was begun."""
        held = [*self._stale, *(row for rows in self._held.values() for row in rows)]
        self._held.clear()
        if not held:
            return
        try:
            await self._engine.store.transact(lambda tx: [tx.give_back(row) for row in held], Turn.UNDER_WAY)
        except StoreError as error:  # then they wait
            _log.warning("leases not given back", reason=str(error))

    def grant(self) -> Grant | None:
        """Leave for a step that is about to run to lease for us."""
        if self._stopping or self._idle.is_set():
            return None
        crowded = {lane for lane, busy in self._busy.items() if busy >= self._widths[lane[0]]}
        return Grant(
            worker=self._worker,
            lease_s=self._lease_s,
            channels=frozenset(self._channels),
            full=frozenset(crowded | self._breakers.lanes.keys() | self._held.keys()),
            crowded=frozenset(crowded - self._breakers.lanes.keys()),
            looks_by=self._looks_at,
        )

    def take(self, leased: Iterable[LeasedRow]) -> None:
        """Start what was leased for us; where several leased at once and there is no place, hold it until there is.

        What has ended and lost its lease before it could be booked is not begun again: it is booked under this one.
        """
        lanes: defaultdict[Lane, list[LeasedRow]] = defaultdict(list)
        for row in leased:
            ended = self._unbooked.get(row.id)
            if ended is not None and ended.row.booked == row.booked:
                ended.row = row
            else:
                lanes[row.channel, row.recipient].append(row)
        for lane, rows in lanes.items():
            free = max(0, self._places(lane) - self._busy[lane])
            self._start(lane, rows[:free])
            if rows[free:]:
                self._held[lane].extend(rows[free:])

    async def _inherit(self) -> None:
        """What the process before had in hand need not wait for its lease."""
        if not self._alone:
            return
        try:
            await self._engine.store.transact(lambda tx: tx.release())
        except StoreError as error:  # then it waits
            _log.warning("leases not taken over", reason=str(error))

    def _places(self, lane: Lane) -> int:
        return self._breakers.places(lane, self._widths[lane[0]])

    def _room(self, lane: Lane) -> int:
        """How many more attempts may begin."""
        return self._places(lane) - self._busy[lane] - len(self._held.get(lane, ()))

    async def _claim(self) -> list[LaneRow]:
        """Take and start all that is due and has a place; what each lane has next, as of the same transaction."""
        for lane in tuple(self._held):  # what is held by a recipient that fell silent nobody's end wakes
            self._start_held(lane)
        now = self._clock()
        known = {*self._breakers.lanes, *self._held, *(lane for lane, busy in self._busy.items() if busy)}
        taken = {lane: self._widths[lane[0]] - self._room(lane) for lane in known}
        stale, ending = tuple(self._stale), self._ending_leases(now)
        renewed_until = now + timedelta(seconds=self._lease_s)

        def work(tx: Transaction) -> tuple[list[LeasedRow], list[LaneRow]]:
            for row in stale:
                tx.give_back(row)
            for _, lease in ending:
                tx.renew(lease, until=renewed_until)
            rows = tx.claim(now=now, worker=self._worker, lease_s=self._lease_s, limits=self._widths, taken=taken)
            return rows, tx.lanes()

        rows, heads = await self._engine.store.transact(work, Turn.UNDER_WAY)
        del self._stale[: len(stale)]
        for unbooked, lease in ending:
            if unbooked.row is lease:  # and not leased anew meanwhile
                unbooked.row = replace(lease, visible_at=renewed_until)
        self.take(rows)
        return heads

    def _start(self, lane: Lane, rows: Sequence[LeasedRow]) -> None:
        """Together where the adapter gains by it, else each by itself."""
        for row in rows:
            if row.attempt - row.booked - 1 == _INTERRUPTED_MAX:
                facts = {"delivery": row.id, "times": str(_INTERRUPTED_MAX)}
                _log.error("alarm", alarm="DELIVERY_INTERRUPTED", facts=facts)
        wide = self._sending.wide.get(lane[0])
        if wide is not None:
            most = wide.together_max
            for start in range(0, len(rows), most):
                self._begin(lane, rows[start : start + most])
        else:
            for row in rows:
                self._begin(lane, [row])

    def _begin(self, lane: Lane, rows: Sequence[LeasedRow]) -> None:
        self._busy[lane] += len(rows)
        task = asyncio.create_task(self._handle(rows), name=f"deliver {rows[0].id}")
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._finished(done, lane, len(rows)))

    def _finished(self, task: asyncio.Task[None], lane: Lane, count: int) -> None:
        self._tasks.discard(task)
        was_full = self._room(lane) <= 0
        self._busy[lane] -= count
        self._start_held(lane)
        if was_full and self._room(lane) > 0:
            self._wake.set()  # rows may wait for the place; whatever else became due, the engine has told us of
        if not task.cancelled() and task.exception() is not None:
            _log.error("attempt not booked", task=task.get_name(), error=repr(task.exception()))

    def _start_held(self, lane: Lane) -> None:
        """Places may be free again. What has less than half its lease left is given back, to be claimed anew."""
        held, now = self._held.get(lane), self._clock()
        begun: list[LeasedRow] = []
        while held:
            is_old = held[0].visible_at is None or held[0].visible_at <= now + timedelta(seconds=self._lease_s / 2)
            if is_old:
                self._stale.append(held.popleft())
                self._wake.set()
            elif self._stopping or self._places(lane) <= self._busy[lane] + len(begun):
                break
            else:
                begun.append(held.popleft())
        if not held:
            self._held.pop(lane, None)
        self._start(lane, begun)

    async def _handle(self, rows: Sequence[LeasedRow]) -> None:
        """One row, or several of one lane whose adapter is `Wide`."""
        if not all(map(is_as_ordered, rows)):
            rows = [row for row in rows if is_as_ordered(row) or await self._is_believed(row)]
            if not rows:
                return
        if rows[0].channel == Channel.TIMER:
            await self._engine.fire(rows[0])
            return
        ended = [
            Ended(row=row, outcome=outcome)
            for row, outcome in zip(rows, await self._sending.attempt(rows), strict=True)
        ]
        for each in ended:
            self._observe(each.row.channel, result_of(each.outcome))
        for each, held in zip(ended, await self._booked(ended), strict=True):
            if isinstance(held, BaseException):
                _log.error("attempt not booked", delivery=each.row.id, error=repr(held))
            else:
                await self._judge((each.row.channel, each.row.recipient), each.outcome)

    async def _is_believed(self, row: LeasedRow) -> bool:
        """Whether the journal ordered it after all; what it did not is left to a person."""
        doubt = await self._engine.withholding.doubt(row)
        if doubt is not None:
            await self._engine.withholding.withhold(row, doubt)
        return doubt is None

    async def _booked(self, ended: Sequence[Ended]) -> list[bool | BaseException]:
        """As `Endings.conclude`; what lost its lease to ourselves is booked under the one that it has now."""
        mine = {each.row.id: _Unbooked(each.row) for each in ended}
        self._unbooked |= mine
        try:
            booked = await self._endings.conclude(*ended)
            for place, each in enumerate(ended):
                row = mine[each.row.id].row
                if booked[place] is False and row.attempt != each.row.attempt:
                    [booked[place]] = await self._endings.conclude(Ended(row=row, outcome=each.outcome))
        finally:
            for id, unbooked in mine.items():
                if self._unbooked.get(id) is unbooked:  # and not a later attempt at it, begun when its lease was over
                    del self._unbooked[id]
        return booked

    def _ending_leases(self, now: datetime) -> list[tuple[_Unbooked, OutboxRow]]:
        """Of what waits for its booking, the leases of which less than half is left."""
        until = now + timedelta(seconds=self._lease_s / 2)
        leases = [(unbooked, unbooked.row) for unbooked in self._unbooked.values()]
        return [(one, row) for one, row in leases if row.visible_at is not None and row.visible_at <= until]

    async def _judge(self, lane: Lane, outcome: Outcome) -> None:
        if await self._breakers.judge(lane, outcome):
            self.wake()

    def _pause_s(self, heads: list[LaneRow]) -> float:
        """Until the next row of a lane with room; an attempt that ends in a full one wakes us by itself."""
        now = self._clock()
        waits = [
            (head.visible_at - now).total_seconds()
            for head in heads
            if head.channel in self._channels and self._room((head.channel, head.recipient)) > 0
        ]
        return min(self._poll_s, max(0.0, min(waits, default=self._poll_s)))

    async def _sleep(self, pause_s: float) -> None:
        if pause_s <= 0:
            return
        try:
            await asyncio.wait_for(self._wake.wait(), pause_s)
        except TimeoutError:
            return
