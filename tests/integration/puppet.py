"""A noun without a trade, for tests of the mechanism: its events say what shall follow. And adapters that do as told.

A puppet is `open` until `Closed`. It remembers what it heard, so that an effect that happened twice shows.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from contracts.errors import ErrorCode, Refusal
from gateway.domain.delivery import RetryPolicy
from gateway.domain.dispatches import AuctionResult, InvoiceCancellation, Notice, NoticeKind, ProtocolDelivery
from gateway.domain.money import Money
from gateway.domain.nouns import TABLES
from gateway.domain.rulebook import RailRule, Rulebook
from gateway.domain.table import (
    Alarm,
    Alias,
    ByAlias,
    CancelTimer,
    Change,
    Context,
    Effect,
    Send,
    StateTable,
    Tell,
    Timer,
)
from gateway.engine.engine import Engine
from gateway.engine.journal import first_break
from gateway.ports import Acknowledged, Answer, Dispatch, Exhibit, Message, Outcome, Target
from gateway.store import Store
from gateway.store.rows import OutboxRow

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SCHEME = "puppet"
POLICY = RetryPolicy(pauses_s=(1, 5, 15, 60, 300, 900, 3600, 7200), jitter=0.1)


class PuppetState(StrEnum):
    """Open until closed."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Puppet:
    """What it heard, in order."""

    state: PuppetState
    lot_id: str
    owner: str
    heard: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The beginning."""

    owner: str = "999101"
    lot: str = ""  # its own id without


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Remember this."""

    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """Always refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """Everything that may follow from an event, in this order."""

    sends: tuple[tuple[str, str], ...] = ()  # channel and recipient
    notices: tuple[tuple[str, str], ...] = ()  # of channels with a feed
    document: tuple[str, str, str] | None = None  # channel, recipient and the document that goes along
    alias: str | None = None
    timer: tuple[str, datetime] | None = None  # name and time; says `Heard` of its name
    refused_timer: tuple[str, datetime] | None = None  # says `Denied`
    cancels: str | None = None
    alarm: str | None = None
    tell: str | None = None  # another puppet hears "told"
    tell_alias: str | None = None  # the puppet of this alias hears "told", or else this one "nobody"
    tell_strictly: str | None = None  # the same without an otherwise
    then_denied: str | None = None  # last, this puppet is told what it refuses


_S = PuppetState
TABLE = StateTable("puppet", Puppet, PuppetState, final=(_S.CLOSED,))


@TABLE.on(None, event=Opened, to=_S.OPEN)
def _open(_: None, event: Opened, context: Context) -> Change[Puppet]:
    return Change(Puppet(state=_S.OPEN, lot_id=event.lot or context.id, owner=event.owner))


@TABLE.on(_S.OPEN, event=Heard)
def _hear(puppet: Puppet, event: Heard, _: Context) -> Change[Puppet]:
    return Change(replace(puppet, heard=(*puppet.heard, event.word)))


@TABLE.on(_S.OPEN, event=Denied)
def _deny(_: Puppet, __: Denied, context: Context) -> Refusal:
    return Refusal(code=ErrorCode.NOT_PERMITTED, facts={"operation": context.id, "participant": "puppet"})


@TABLE.on(_S.OPEN, event=Closed, to=_S.CLOSED)
def _close(puppet: Puppet, _: Closed, __: Context) -> Change[Puppet]:
    return Change(puppet)


@TABLE.on(_S.OPEN, event=Wished)
def _wish(puppet: Puppet, event: Wished, context: Context) -> Change[Puppet]:
    return Change(puppet, tuple(_effects(event, context)))


def _effects(wish: Wished, context: Context) -> Iterable[Effect]:
    for channel, recipient in wish.sends:
        yield Send(channel, recipient, InvoiceCancellation(collection_id=context.id, invoice_number="1", reason=""))
    for channel, recipient in wish.notices:
        yield Send(channel, recipient, notice(context.id))
    if wish.document:
        channel, recipient, document_id = wish.document
        yield Send(channel, recipient, delivery_of(context.id, document_id))
    if wish.alias:
        yield Alias(SCHEME, wish.alias)
    if wish.timer:
        yield Timer(*wish.timer, Heard(word=wish.timer[0]))
    if wish.refused_timer:
        yield Timer(*wish.refused_timer, Denied())
    if wish.cancels:
        yield CancelTimer(wish.cancels)
    if wish.alarm:
        yield Alarm(wish.alarm, {"puppet": context.id})
    if wish.tell:
        yield Tell("puppet", wish.tell, Heard(word="told"))
    if wish.tell_alias:
        yield Tell("puppet", ByAlias(SCHEME, wish.tell_alias), Heard(word="told"), otherwise=Heard(word="nobody"))
    if wish.tell_strictly:
        yield Tell("puppet", ByAlias(SCHEME, wish.tell_strictly), Heard(word="told"))
    if wish.then_denied:
        yield Tell("puppet", wish.then_denied, Denied())


def notice(id: str) -> Notice:
    """A notice about a puppet."""
    return Notice(kind=NoticeKind.LOT_HELD, lot_id=id, subject_id=id, state="held", occurred_at=START)


def delivery_of(id: str, document_id: str) -> ProtocolDelivery:
    """A protocol about a puppet."""
    return ProtocolDelivery(
        protocol_id=id,
        number="1",
        lot_id=id,
        result=AuctionResult.SOLD,
        document_id=document_id,
        sha256="0" * 64,
        issued_at=START,
    )


RULES = Rulebook(
    regimes=(),
    rail=RailRule(
        max_amount=Money(4_000_000),
        answer_timeout=timedelta(seconds=25),
        enquiry_interval=timedelta(seconds=30),
        enquiries_max=3,
        own_address="EHRNAZ22XXXX",
        own_bic="EHRNAZ22",
    ),
    is_business_day=lambda day: day.weekday() < 5,
    platform="EHERRAC",
    banks={"999101": "XZRNAZ22"},
    authorities=(),
    receipt_days=1,
)


@dataclass(slots=True)
class Clock:
    """Time that passes when told to."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def engine_on(store: Store, clock: Callable[[], datetime], rules: Rulebook = RULES, **policies: RetryPolicy) -> Engine:
    """An engine that knows all real nouns and the puppet."""
    return Engine(store, TABLES | {"puppet": TABLE}, rules, clock=clock, policies={"default": POLICY} | policies)


def message(event: Any, *, id: str, to: str | ByAlias = "P", noun: str = "puppet", **other: Any) -> Message:
    """A message to a puppet; its content is its event."""
    values = {"source": "S", "digest": repr(event)} | other
    return Message(id=id, target=Target(noun=noun, id=to), event=event, **values)


@dataclass(slots=True)
class Hand:
    """Speaks to nouns under ids of its own."""

    engine: Engine
    serial: int = 0

    async def say(self, event: Any, to: str | ByAlias = "P", **other: Any) -> Answer:
        self.serial += 1
        return await self.engine.receive(message(event, id=f"m{self.serial}", to=to, **other))

    async def puppet(self, id: str = "P") -> Puppet:
        from gateway.engine import codec

        row = await self.engine.store.read(lambda reader: reader.noun("puppet", id))
        assert row is not None
        return codec.decode(Puppet, row.data)

    async def claim(self, channel: str, *, worker: str = "w", lease_s: float = 60, limit: int = 100) -> list[OutboxRow]:
        now = self.engine._clock()
        return await self.engine.store.transact(
            lambda tx: tx.claim(now=now, worker=worker, lease_s=lease_s, limits={channel: limit})
        )

    async def waiting(self, channel: str = "alpha") -> list[OutboxRow]:
        """Rows not concluded, in order of adding."""
        return await self.engine.store.read(lambda reader: reader.list_outbox(channel=channel, limit=1000))

    async def row(self, id: str) -> OutboxRow:
        found = await self.engine.store.read(lambda reader: reader.find_outbox(id))
        assert found is not None
        return found


def as_stored(row: OutboxRow) -> OutboxRow:
    """A leased row as it lies in the table."""
    return OutboxRow(**{name: getattr(row, name) for name in OutboxRow.__dataclass_fields__})


Script = Callable[[Dispatch], Outcome | Awaitable[Outcome]]


@dataclass(slots=True)
class TestAdapter:
    """Says of each dispatch what the script says; `begun` and `done` are its record, in order."""

    __test__ = False

    channel: str
    script: Script = lambda dispatch: Acknowledged()
    begun: list[Dispatch] = field(default_factory=list)
    done: list[Dispatch] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def send(self, dispatch: Dispatch) -> Outcome:
        self.begun.append(dispatch)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            said = self.script(dispatch)
            outcome = await said if isinstance(said, Awaitable) else said
            self.done.append(dispatch)
            return outcome
        finally:
            self.at_once -= 1

    async def close(self) -> None:
        return None


def one_after_another(*outcomes: Outcome) -> Script:
    """The n-th attempt, of whatever, ends as the n-th outcome; then all are acknowledged."""
    left = deque(outcomes)
    return lambda dispatch: left.popleft() if left else Acknowledged()


EXHIBIT = Exhibit(direction="in", media_type="application/xml", content=b"<a/>", signer="999101")


def everything(store_url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, as the database has them."""
    if store_url.startswith("sqlite"):
        with closing(sqlite3.connect(store_url.removeprefix("sqlite:///"))) as file:
            names = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: sorted(file.execute(f"SELECT * FROM {name}"), key=repr) for name in names}
    import psycopg

    listing = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()"
    with psycopg.connect(store_url, autocommit=True) as server:
        names = [name for (name,) in server.execute(listing)]
        return {name: sorted(server.execute(f"SELECT * FROM {name}"), key=repr) for name in names}


async def assert_chains_hold(store: Store, *ids: str) -> None:
    for id in ids:
        noun = await store.read(lambda r, id=id: r.noun("puppet", id))
        chain = await store.read(lambda r, id=id: r.journal_of("puppet", id))
        assert noun is not None
        assert first_break(chain, noun) is None
