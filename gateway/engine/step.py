"""One message, or several outcomes, and all that follows inside the house, in one transaction.

The step loads nouns, lets their tables decide, follows every `Tell` until none is left, and writes at the end: each
noun once, its journal lines in order, its outbox rows, aliases and timers. A refusal anywhere undoes the whole step.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError, refuse
from gateway.domain import ids
from gateway.domain.delivery import DeliveryState
from gateway.domain.dispatches import Channel, Notice
from gateway.domain.frozen import quick, replace
from gateway.domain.rulebook import Rulebook
from gateway.domain.table import (
    Alarm,
    Alias,
    ByAlias,
    CancelTimer,
    Context,
    Effect,
    Event,
    Send,
    StateTable,
    Tell,
    Timer,
    Transition,
)
from gateway.engine import codec, names
from gateway.engine.binding import Binder, digest_of_noun
from gateway.engine.journal import GENESIS, bind
from gateway.engine.tampered import check_noun
from gateway.ports import Document, Exhibit
from gateway.store.interface import Lane, Transaction
from gateway.store.rows import (
    AliasRow,
    DocumentRow,
    EvidenceItem,
    FeedRow,
    HeldNoun,
    JournalEntry,
    NounRow,
    OutboxItem,
)

STEPS_MAX = 500  # events following from one message; more means a loop between tables
_WITH_FEED = frozenset((Channel.BANKS, Channel.PLATFORM))


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why something happens: who said it, under which id."""

    source: str
    id: str


@dataclass(slots=True)
class Held:
    """A noun while the step has it in hand."""

    table: StateTable[Any]
    id: str
    data: Any | None
    stored: NounRow | None  # as it was read
    version: int
    head: bytes
    as_read: Any | None = None  # `data` before anything happened to it

    @property
    def stored_version(self) -> int:
        """0 for a noun that begins in this step."""
        return 0 if self.stored is None else self.stored.version

    def newly_quoted(self) -> list[str]:
        """What others call it since this step."""
        if self.data is self.as_read:
            return []
        before = () if self.as_read is None else self.table.quoted(self.as_read)
        return [said for said in self.table.quoted(self.data) if said and said not in before]

    def text(self) -> str:
        """The data as they are stored."""
        if self.stored is not None and self.data is self.as_read:
            return self.stored.data
        return codec.encode_kept(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedBody:
    """A feed line's body: the notice and the journal position it tells of."""

    version: int
    notice: Notice


def feed_text(version: int, notice: str) -> str:
    """The text of a `FeedBody`, around the notice's own, which is written already."""
    return f'{{"version":{version},"notice":{notice}}}'


class Step:
    """The unit of work. After `finish` only what it leaves behind may be asked for.

    That is `alarms`, the `lanes` in which something may now be due, and `next_due_at`, the earliest instant at which a
    timer or another attempt will be. Where several causes share a step, `cause` is the one that is told of now.
    """

    def __init__(
        self,
        tx: Transaction,
        tables: Mapping[str, StateTable[Any]],
        rules: Rulebook,
        now: datetime,
        cause: Cause,
    ) -> None:
        self._tx, self._tables, self._rules, self._now, self.cause = tx, tables, rules, now, cause
        self._held: dict[tuple[str, str], Held] = {}
        self._queue: deque[tuple[Held, Event]] = deque()
        self._lines: list[tuple[Held, JournalEntry]] = []  # without their hashes
        self._binder = Binder()
        self._kept: list[EvidenceItem] = []
        self._sends: list[tuple[str, OutboxItem, Send]] = []  # by recipient
        self._timers: dict[tuple[str, str, str], OutboxItem] = {}  # by noun, id and name
        self._names: list[tuple[AliasRow, Callable[[], bool]]] = []  # and whether each could be given
        self.alarms: list[Alarm] = []
        self.lanes: set[Lane] = set()
        self.next_due_at: datetime | None = None

    def resolve(self, noun: str, name: str | ByAlias) -> str | None:
        """The id behind a name; None for an alias that no such noun has."""
        if isinstance(name, str):
            return name
        found = self.named(name)
        return found[1] if found is not None and found[0] == noun else None

    def named(self, name: ByAlias) -> tuple[str, str] | None:
        """Noun and id of whoever has this name."""
        row = self._tx.find_alias(name.scheme, name.value)
        return None if row is None else (row.noun, row.id)

    def hold(self, noun: str, id: str) -> Held:
        """Load a noun into the step, or begin a new one. The first one's lot is locked: all others are of that lot.

        Raises:
            TamperedError: it is not what its journal says; nothing of this step may be kept.
        """
        held = self._held.get((noun, id))
        if held is None:
            if not self._held:
                self._tx.lock_lot_of(noun, id)
            held = self._take(noun, id, self._tx.noun(noun, id))
        return held

    def hold_all(self, names: Iterable[tuple[str, str]]) -> None:
        """Load nouns that need not be of one lot: their lots are locked first, and all of it in everybody's order."""
        wanted = sorted(set(names))
        if len(wanted) > 1:
            self._tx.lock_lots_of(wanted)
            rows = self._tx.nouns(wanted)
            for name in wanted:
                self._take(*name, rows.get(name))

    def _take(self, noun: str, id: str, row: HeldNoun | None) -> Held:
        table = self._tables[noun]
        if row is None:
            held = Held(table, id, None, None, 0, GENESIS)
        else:
            check_noun(self._tx, row)
            data = codec.decode_again(table.data, row.data)
            held = Held(table, id, data, row, row.version, row.head_hash, as_read=data)
        self._held[noun, id] = held
        return held

    def tell(self, held: Held, event: Event) -> None:
        """Apply an event and everything that follows from it.

        Raises:
            RefusedError: a table refused; nothing of this step may be kept.
        """
        self._queue.append((held, event))
        steps = 0
        while self._queue:
            steps += 1
            if steps > STEPS_MAX:
                raise refuse(ErrorCode.INTERNAL, what="a message has too many consequences")
            self._apply(*self._queue.popleft())

    def note(self, held: Held, event: Event) -> None:
        """A journal line that changes no state (a delivery's fate)."""
        self._append(held, _state(held), type(event).__name__, codec.encode(event))

    def raise_alarm(self, held: Held, alarm: Alarm) -> None:
        """A journal line, and a person is told once it is durable."""
        self.alarms.append(alarm)
        self._append(held, _state(held), f"Alarm:{alarm.code}", codec.encode(alarm))
        self._tx.add_alias(names.alarm(held.table.name, held.id, held.version, self._now))

    def falls_due(self, at: datetime) -> None:
        """Something of this step must be looked for at that instant."""
        self.next_due_at = at if self.next_due_at is None else min(at, self.next_due_at)

    def keep(self, held: Held, exhibits: tuple[Exhibit, ...]) -> None:
        """Keep the exact bytes that passed."""
        self._kept += [self._evidence(held, exhibit) for exhibit in exhibits]

    def keep_document(self, document: Document) -> None:
        """Keep a file an adapter made."""
        self._tx.add_document(
            DocumentRow(
                id=document.id,
                media_type=document.media_type,
                sha256=hashlib.sha256(document.content).hexdigest(),
                content=document.content,
                created_at=self._now,
            )
        )

    def finish(self) -> None:
        """Write what was decided: nouns that changed, journal lines, evidence, timers and what is to be sent."""
        changed = self._bind()
        lines = [self._linked(held, entry) for held, entry in self._lines]
        for held, row in changed:
            saved = replace(row, head_hash=held.head)
            self._tx.save_noun(saved, expected_version=held.stored_version, before=held.stored)
        self._quote()
        self._tx.append_journal(*lines)
        self._tx.add_evidence(*self._kept)
        self._tx.set_timer(*self._timers.values())
        self._enqueue()
        self._judge_names()

    def _quote(self) -> None:
        """Nobody asks whether the names could be given: each carries its noun."""
        for held in self._held.values():
            for said in held.newly_quoted():
                self._tx.add_alias(names.quoted(said, held.table.name, held.id))

    def _bind(self) -> list[tuple[Held, NounRow]]:
        """Have the lines bind what is written with them; the nouns that changed, as they will stand."""
        for _, item, _ in self._sends:
            self._binder.send(item)
        for item in self._timers.values():
            self._binder.timer(item)
        changed = [(held, self._row(held)) for held in self._held.values() if held.version != held.stored_version]
        for _, row in changed:
            self._binder.noun(row.noun, row.id, row.version, digest_of_noun(row))
        return changed

    def _linked(self, held: Held, entry: JournalEntry) -> JournalEntry:
        bound = self._binder.text(entry.noun, entry.noun_id, entry.version)
        linked = bind(entry, prev_hash=held.head, bound=bound)
        held.head = linked.hash
        return linked

    def _enqueue(self) -> None:
        """Feeds are numbered last and in one order for everybody: a number is a lock on its feed until the commit."""
        sends = sorted(self._sends, key=itemgetter(0))
        fed = [place for place, (_, _, send) in enumerate(sends) if send.channel in _WITH_FEED]
        items, feed = [item for _, item, _ in sends], []
        for place, sequence in zip(fed, self._tx.next_sequences([sends[p][0] for p in fed]), strict=True):
            feed.append(self._feed_line(items[place], sends[place][2], sequence))
            items[place] = replace(items[place], sequence=sequence)
        self._tx.add_feed(*feed)
        self._tx.enqueue(*items)

    def _apply(self, held: Held, event: Event) -> None:
        context = Context(now=self._now, rules=self._rules, id=held.id)
        decision = held.table.decide(held.data, event, context)
        if isinstance(decision, Refusal):
            raise RefusedError(decision)
        self._accept(held, event, decision)

    def _accept(self, held: Held, event: Event, decision: Transition[Any]) -> None:
        before, held.data = decision.before, decision.noun
        self._append(held, before, type(event).__name__, codec.encode(event))
        for index, effect in enumerate(decision.effects):
            self._effect(held, index, effect)

    def _append(self, held: Held, before: str | None, event: str, data: str) -> None:
        held.version += 1
        noun = held.data
        entry = JournalEntry(
            noun=held.table.name,
            noun_id=held.id,
            version=held.version,
            lot_id="" if noun is None else noun.lot_id,
            owner="" if noun is None else noun.owner,
            at=self._now,
            event=event,
            before=before,
            after="" if noun is None else noun.state,
            cause_source=self.cause.source,
            cause_id=self.cause.id,
            data=data,
            prev_hash=b"",
            hash=b"",
        )
        self._lines.append((held, entry))

    def _effect(self, held: Held, index: int, effect: Effect) -> None:
        match effect:
            case Tell():
                self._pass_on(held, effect)
            case Send():
                self.lanes.add((effect.channel, effect.recipient))
                self._sends.append((effect.recipient, self._outbox(held, index, effect), effect))
            case Timer():
                self.falls_due(effect.due)
                self._timers[held.table.name, held.id, effect.name] = self._timer(held, effect)
            case CancelTimer(name=name):
                self._timers.pop((held.table.name, held.id, name), None)
                if held.stored is not None:  # else there are none yet
                    self._tx.cancel_timer(held.table.name, held.id, name, now=self._now)
                    self._binder.cancelled(held.table.name, held.id, held.version, name)
            case Alias(scheme=scheme, value=value):
                self._alias(held, scheme, value)
            case Alarm():
                self.raise_alarm(held, effect)

    def _pass_on(self, held: Held, tell: Tell) -> None:
        id = self.resolve(tell.noun, tell.id)
        if id is not None:
            self._queue.append((self.hold(tell.noun, id), tell.event))
        elif tell.otherwise is not None:
            self._queue.append((held, tell.otherwise))
        else:
            raise refuse(ErrorCode.REFERENCE_UNKNOWN, noun=tell.noun, id=tell.id)

    def _alias(self, held: Held, scheme: str, value: str) -> None:
        row = AliasRow(scheme=scheme, value=value, noun=held.table.name, id=held.id)
        self._names.append((row, self._tx.add_alias(row)))

    def _judge_names(self) -> None:
        """Refuse names that were others' already; asked at the end, when the answers have come along with others."""
        for row, is_ours in self._names:
            if not is_ours():
                raise refuse(ErrorCode.ALREADY_EXISTS, noun=row.scheme, id=row.value)

    def _outbox(self, held: Held, index: int, send: Send) -> OutboxItem:
        return OutboxItem(
            id=ids.delivery_id(held.table.name, held.id, held.version, index),
            channel=send.channel,
            recipient=send.recipient,
            noun=held.table.name,
            noun_id=held.id,
            body_type=type(send.body).__name__,
            body=codec.encode_kept(send.body),
            due_at=self._now,
            created_at=self._now,
            state=DeliveryState.DUE,
            order_key=f"{send.channel}|{send.recipient}|{held.table.name}|{held.id}",
            attachment_document_id=getattr(send.body, "document_id", None),
            state_version=held.version,
        )

    def _feed_line(self, item: OutboxItem, send: Send, sequence: int) -> FeedRow:
        return FeedRow(
            recipient=item.recipient,
            sequence=sequence,
            outbox_id=item.id,
            kind=send.body.kind,
            body=feed_text(item.state_version, item.body),
            created_at=self._now,
        )

    def _timer(self, held: Held, timer: Timer) -> OutboxItem:
        return OutboxItem(
            id=ids.delivery_id(held.table.name, held.id, held.version, timer.name),
            channel=Channel.TIMER,
            recipient=held.table.name,
            noun=held.table.name,
            noun_id=held.id,
            body_type=type(timer.event).__name__,
            body=codec.encode(timer.event),
            due_at=timer.due,
            created_at=self._now,
            state=DeliveryState.DUE,
            name=timer.name,
            state_version=held.version,
        )

    def _evidence(self, held: Held, exhibit: Exhibit) -> EvidenceItem:
        return EvidenceItem(
            noun=held.table.name,
            noun_id=held.id,
            lot_id=held.data.lot_id if held.data is not None else "",
            direction=exhibit.direction,
            message_source=self.cause.source,
            message_id=self.cause.id,
            at=self._now,
            signer=exhibit.signer,
            certificate_sha256=exhibit.certificate_sha256,
            media_type=exhibit.media_type,
            content=exhibit.content,
        )

    def _row(self, held: Held) -> NounRow:
        assert held.data is not None
        return NounRow(
            noun=held.table.name,
            id=held.id,
            state=held.data.state,
            version=held.version,
            lot_id=held.data.lot_id,
            owner=held.data.owner,
            data=held.text(),
            head_hash=b"",  # known once its lines are linked
            updated_at=self._now,
            expected_at=held.table.expected_at(held.data),
        )


MakeStep = Callable[[Transaction, Cause, datetime], Step]  # as the engine begins one


def _state(held: Held) -> str | None:
    return None if held.data is None else str(held.data.state)
