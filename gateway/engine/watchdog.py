"""The watchdog: every accepted item is done, scheduled, or waiting for a person. Anything else is an alarm.

It counts at an interval, holds a few nouns against their journal, keeps the last count for metrics, and only reads:
mending is the dispatcher's or a person's. What is open is counted anew each time. What has ended only grows, over
years: it is counted the less often the more of it there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import structlog

from gateway.domain.clock import format_instant
from gateway.domain.delivery import DeliveryState
from gateway.domain.dispatches import Channel
from gateway.domain.frozen import replace
from gateway.domain.recipient import RecipientState
from gateway.domain.table import Alarm, StateTable
from gateway.engine.room import Level, Room
from gateway.engine.sweep import Sweep, sweep_on
from gateway.store.errors import StoreError
from gateway.store.interface import Reader, Store
from gateway.store.rows import OutboxCount
from gateway.store.turns import Turn

_log = structlog.get_logger(__name__)
_ENDED_PER_S = 20_000  # nouns that have ended, counted a second on the long run: some 0.1 % of a processor
_OVERDUE_MAX = 20  # told of each kind
_State = tuple[str, str]  # a kind of noun and one of its states


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """One count. `alarms` name what is neither done, nor scheduled, nor waiting for a person."""

    at: datetime | None = None  # None before the first
    nouns: Mapping[_State, int] = field(default_factory=dict)  # how many; of what has ended, as of its last count
    outbox: tuple[OutboxCount, ...] = ()  # unconcluded only
    waiting: int = 0  # for a person: nouns and parked deliveries
    alarms: tuple[Alarm, ...] = ()
    room: Room = field(default_factory=Room)

    @property
    def backlog(self) -> int:
        """Deliveries that wait to be sent; neither timers nor what waits for a person."""
        return sum(row.count for row in self.outbox if row.channel != Channel.TIMER and row.state == DeliveryState.DUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How many nouns came to an end, by final state, and when they are counted again."""

    counts: Mapping[_State, int] = field(default_factory=dict)
    again_at: Mapping[_State, datetime] = field(default_factory=dict)

    def known(self, now: datetime) -> Mapping[_State, int]:
        """Those that need not be counted now."""
        return {state: count for state, count in self.counts.items() if self.again_at[state] > now}

    def after(self, census: Census, tables: Mapping[str, StateTable[Any]], now: datetime) -> Ended:
        """With what was counted now."""
        known = self.known(now)
        counts = {state: count for state, count in census.nouns.items() if state[1] in tables[state[0]].final}
        due = {state: now + timedelta(seconds=count / _ENDED_PER_S) for state, count in counts.items()}
        return Ended(counts=counts, again_at=due | {state: self.again_at[state] for state in known})


def take_census(
    reader: Reader,
    tables: Mapping[str, StateTable[Any]],
    now: datetime,
    late: timedelta,
    ended: Mapping[_State, int] = MappingProxyType({}),
) -> Census:
    """Count everything but what is known to have `ended`; pure but for the reading."""
    states = [(noun, str(state)) for noun, table in tables.items() for state in table.states]
    counted = reader.count_states(state for state in states if state not in ended)
    nouns = {**{(row.noun, row.state): row.count for row in counted}, **ended}
    outbox = tuple(reader.count_outbox())
    waiting = sum(count for (noun, state), count in nouns.items() if state in tables[noun].waiting_for_person)
    return Census(
        at=now,
        nouns=nouns,
        outbox=outbox,
        waiting=waiting + sum(row.count for row in outbox if row.state == DeliveryState.PARKED),
        alarms=(
            *_unscheduled(reader, tables, nouns),
            *_late(reader, outbox, before=now - late),
            *_overdue(reader, tables, now),
        ),
    )


def _unscheduled(reader: Reader, tables: Mapping[str, StateTable[Any]], nouns: Mapping[_State, int]) -> list[Alarm]:
    """Nouns that wait for a delivery or a timer that is not there: nobody would ever go on with them."""
    return [
        Alarm("NOT_SCHEDULED", {"noun": noun, "id": row.id, "state": state})
        for noun, state in nouns
        if state in tables[noun].scheduled
        for row in reader.unscheduled(noun, state)
    ]


def _late(reader: Reader, outbox: Sequence[OutboxCount], *, before: datetime) -> list[Alarm]:
    """Deliveries that nobody sends. What waits for a silent recipient's next probe has been told as its silence."""
    silent = {row.id for row in reader.list_nouns("recipient", state=RecipientState.SILENT)}
    return [
        Alarm("DELIVERY_LATE", {"channel": row.channel, "recipient": row.recipient, "count": str(row.count)})
        for row in outbox
        if row.state == DeliveryState.DUE and row.oldest_due_at is not None and row.oldest_due_at < before
        if f"{row.channel}/{row.recipient}" not in silent
    ]


def _overdue(reader: Reader, tables: Mapping[str, StateTable[Any]], now: datetime) -> list[Alarm]:
    """Nouns to which the world has not done in its term what the rules want: the oldest of each kind."""
    return [
        Alarm(table.overdue.code, {noun: row.id, "lot": row.lot_id, "due": format_instant(row.expected_at)})
        for noun, table in tables.items()
        if table.overdue is not None
        for row in reader.nouns_expected(noun, until=now, limit=_OVERDUE_MAX)
        if row.expected_at is not None
    ]


class Watchdog:
    """Counts in a task of its own. `census` is the last count; `room` judges the bytes that the store takes."""

    def __init__(
        self,
        store: Store,
        tables: Mapping[str, StateTable[Any]],
        *,
        clock: Callable[[], datetime],
        interval_s: float,
        late_s: float,
        proven_nouns: int = 0,
        room: Callable[[int], Room] = lambda used: Room(used=used),
    ) -> None:
        self._store, self._tables, self._clock = store, tables, clock
        self._interval_s, self._late, self._proven_nouns = interval_s, timedelta(seconds=late_s), proven_nouns
        self._sweep, self._ended, self._room = Sweep(), Ended(), room
        self.census = Census()

    async def run(self) -> None:
        """Count until cancelled; a store that is away is asked again."""
        while True:
            try:
                await self.count()
            except StoreError as error:
                _log.warning("nothing counted", reason=str(error))
            await asyncio.sleep(self._interval_s)

    async def count(self) -> Census:
        """Count now, and raise what is wrong."""
        now = self._clock()
        self.census, self._sweep = await self._store.read(lambda reader: self._look(reader, now), Turn.UNDER_WAY)
        self._ended = self._ended.after(self.census, self._tables, now)
        for alarm in self.census.alarms:
            _log.error("alarm", alarm=alarm.code, facts=alarm.facts)
        return self.census

    def _look(self, reader: Reader, now: datetime) -> tuple[Census, Sweep]:
        census = take_census(reader, self._tables, now, self._late, self._ended.known(now))
        sweep = sweep_on(reader, self._sweep, {noun for noun, _ in census.nouns}, nouns_max=self._proven_nouns)
        room = self._room(reader.size_bytes())
        alarms = (*census.alarms, *sweep.alarms, *_narrower(self.census.room, room))
        return replace(census, alarms=alarms, room=room), sweep


def _narrower(before: Room, now: Room) -> list[Alarm]:
    """Told once at each step down."""
    if now.level <= before.level:
        return []
    return [Alarm("STORE_FULL" if now.level is Level.FULL else "STORE_FILLING", now.facts)]
