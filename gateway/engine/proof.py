"""Whether what the store holds of a noun is what its journal says was written. Pure.

The chain is the witness, so it is judged first, and where it is broken nothing else is: then
  (1) the noun stands as its last line left it;
  (2) every delivery and timer that waits was ordered by a line, and is what that line ordered;
  (3) everything ordered waits, unless a line says that it ended: acknowledged, taken over, discarded, fired, cancelled;
  (4) it waits no longer than the lines say, and in their order.
A line of before v0011 binds nothing: of a noun whose last line is such a one only state, lot and owner are judged, and
what such a line ordered is counted, not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import orjson

from gateway.domain import ids
from gateway.engine.binding import Digest, bound_noun, digest_of_item, digest_of_noun, read_bound
from gateway.engine.journal import first_break
from gateway.store.rows import JournalEntry, NounRow, OutboxRow

_ENDS = frozenset({"DeliveryAcknowledged", "DeliveryTakenOver", "Discarded", "TimerPassed"})
_MOVES = frozenset({"DeliveryDeferred", "DeliveryParked", "Requeued"})
_NONE = "-"


class What(StrEnum):
    """What is not as it was written."""

    CHAIN = "chain"  # a journal line
    STATE = "state"  # of the noun
    LOT = "lot"
    OWNER = "owner"
    DATA = "data"  # amounts, accounts and all the rest of the noun
    DELIVERY = "delivery"  # recipient, body, kind, attachment, or the time a timer was set to
    ADDED = "added"  # a delivery or timer that no line ordered
    MISSING = "missing"  # one that was ordered and of whose end no line tells
    DUE = "due"  # it waits for another instant than the lines say
    ORDER = "order"  # before another that must go first
    LINE = "line"  # of a noun that is not there
    ANSWER = "answer"  # a message was accepted, and no line tells of it
    STAMP = "stamp"  # a stamped line is not there, or not the one that was stamped


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """One thing that is not as it was written. `line` is the place in the noun's chain that says so, 0 where none does;
    `about` names the delivery, message or stamp; `expected` and `found` are digests, or instants and states.
    """

    what: What
    noun: str
    noun_id: str
    line: int = 0
    about: str = _NONE
    expected: str = _NONE
    found: str = _NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was found of one noun. `unbound` counts what waits by order of lines that bind nothing."""

    mismatches: tuple[Mismatch, ...]
    lines: int
    is_bound: bool  # by its last line
    unbound: int = 0


def prove(noun: NounRow, chain: Sequence[JournalEntry], waiting: Sequence[OutboxRow]) -> Proof:
    """Judge one noun with all its lines and all that waits of it, in order of `seq`."""
    broken = first_break(chain, noun)
    if broken is not None:
        found = Mismatch(what=What.CHAIN, noun=noun.noun, noun_id=noun.id, line=broken)
        return Proof(mismatches=(found,), lines=len(chain), is_bound=False)
    ledger = _Ledger(chain)
    mismatches = [*_state(noun, chain[-1]), *ledger.judge(noun, waiting)] if chain else []
    return Proof(
        mismatches=tuple(mismatches),
        lines=len(chain),
        is_bound=bool(chain) and chain[-1].bound is not None,
        unbound=sum(ledger.is_unbound(row) for row in waiting),
    )


def stands(noun: NounRow, line: JournalEntry) -> bool:
    """Whether a noun is what its last line bound; True where that binds nothing."""
    return line.bound is None or bound_noun(line.bound) == digest_of_noun(noun)


def _state(noun: NounRow, last: JournalEntry) -> Iterator[Mismatch]:
    """(1) Three of the columns stand in the line itself; of the rest it has a digest."""
    columns = (
        (What.STATE, last.after, noun.state),
        (What.LOT, last.lot_id, noun.lot_id),
        (What.OWNER, last.owner, noun.owner),
    )
    differ = [(what, expected, found) for what, expected, found in columns if expected != found]
    if not differ and not stands(noun, last):
        differ = [(What.DATA, bound_noun(last.bound or "") or _NONE, digest_of_noun(noun))]
    for what, expected, found in differ:
        yield Mismatch(
            what=what, noun=noun.noun, noun_id=noun.id, line=last.version, expected=expected or _NONE, found=found
        )


@dataclass(slots=True)
class _Ordered:
    """A delivery or timer that must wait, as the lines say."""

    line: int
    digest: Digest
    name: str | None
    due_at: datetime | None  # None for a timer: its digest has it
    is_parked: bool = False


@dataclass(slots=True)
class _Ledger:
    """What must wait after all lines, by id, in order."""

    chain: Sequence[JournalEntry]
    open: dict[str, _Ordered] = field(default_factory=dict)
    unbound: set[int] = field(default_factory=set)  # lines that bind nothing

    def __post_init__(self) -> None:
        for line in self.chain:
            self._end(line)
            self._begin(line)

    def is_unbound(self, row: OutboxRow) -> bool:
        return row.id not in self.open and row.state_version in self.unbound

    def judge(self, noun: NounRow, waiting: Sequence[OutboxRow]) -> Iterator[Mismatch]:
        """(2), (3) and (4)."""
        places = {id: place for place, id in enumerate(self.open)}
        passed: dict[str, int] = {}  # the last place seen of an order key
        for row in waiting:
            ordered = self.open.get(row.id)
            if ordered is None:
                if row.state_version not in self.unbound:
                    yield _of(row, What.ADDED, line=row.state_version, found=digest_of_item(row))
            else:
                yield from self._judge_one(row, ordered, is_first=row.order_key not in passed)
                if row.order_key is not None and places[row.id] < passed.get(row.order_key, -1):
                    yield _of(row, What.ORDER, line=ordered.line)
            if row.order_key is not None:
                passed[row.order_key] = max(places.get(row.id, -1), passed.get(row.order_key, -1))
        there = {row.id for row in waiting}
        for id, ordered in self.open.items():
            if id not in there:
                yield Mismatch(
                    what=What.MISSING,
                    noun=noun.noun,
                    noun_id=noun.id,
                    line=ordered.line,
                    about=id,
                    expected=ordered.digest,
                )

    @staticmethod
    def _judge_one(row: OutboxRow, ordered: _Ordered, *, is_first: bool) -> Iterator[Mismatch]:
        found = digest_of_item(row)
        if found != ordered.digest:
            yield _of(row, What.DELIVERY, line=ordered.line, expected=ordered.digest, found=found)
            return
        if ordered.due_at is not None and row.due_at > ordered.due_at:  # sooner: its recipient answers again
            expected = ordered.due_at.isoformat()
            yield _of(row, What.DUE, line=ordered.line, expected=expected, found=row.due_at.isoformat())
            return
        if ordered.is_parked and row.parked_at is None:
            yield _of(row, What.DUE, line=ordered.line, expected="parked", found=_when(row))
        elif row.visible_at is None:
            if row.parked_at is None and is_first:
                yield _of(row, What.DUE, line=ordered.line, expected=row.due_at.isoformat(), found="never")
        elif row.lease_owner is None and row.visible_at != row.due_at:
            yield _of(row, What.DUE, line=ordered.line, expected=row.due_at.isoformat(), found=_when(row))

    def _end(self, line: JournalEntry) -> None:
        """What the line says of deliveries and timers that were ordered before."""
        if line.event in _ENDS:
            self.open.pop(_delivery(line), None)
        elif line.event in _MOVES:
            self._move(line)
        elif line.cause_source == "timer" and (fired := self.open.get(line.cause_id)) and fired.name is not None:
            del self.open[line.cause_id]

    def _move(self, line: JournalEntry) -> None:
        ordered = self.open.get(_delivery(line))
        if ordered is None:
            return
        ordered.is_parked = line.event == "DeliveryParked"
        if line.event == "Requeued" and ordered.due_at is not None:
            ordered.due_at = line.at
        if line.event == "DeliveryDeferred":
            ordered.due_at = datetime.fromisoformat(orjson.loads(line.data)["until"])

    def _begin(self, line: JournalEntry) -> None:
        if line.bound is None:
            self.unbound.add(line.version)
            return
        bound = read_bound(line.bound)
        self._forget((*bound.cancelled, *bound.timers))
        for id, digest in bound.sends.items():
            self.open[id] = _Ordered(line=line.version, digest=digest, name=None, due_at=line.at)
        for name, digest in bound.timers.items():
            id = ids.delivery_id(line.noun, line.noun_id, line.version, name)
            self.open[id] = _Ordered(line=line.version, digest=digest, name=name, due_at=None)

    def _forget(self, names: Iterable[str]) -> None:
        """Timers that are taken back, or set anew."""
        for name in names:
            for id in [id for id, ordered in self.open.items() if ordered.name == name]:
                del self.open[id]


def _delivery(line: JournalEntry) -> str:
    return str(orjson.loads(line.data).get("delivery"))


def _when(row: OutboxRow) -> str:
    return _NONE if row.visible_at is None else row.visible_at.isoformat()


def _of(row: OutboxRow, what: What, *, line: int, expected: str = _NONE, found: str = _NONE) -> Mismatch:
    return Mismatch(
        what=what, noun=row.noun, noun_id=row.noun_id, line=line, about=row.id, expected=expected, found=found
    )
