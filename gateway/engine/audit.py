"""Whether a store holds what was written: the journal against itself, and everything else against the journal.

Works on a store that is at work too: each page is judged as it stood at one moment. Beside what `engine.proof` says of
each noun: no line, delivery or timer belongs to a noun that is not there; every message that was accepted has its line;
and every line that was time-stamped is still there, the very one. The last finds what no chain can show, a noun put
back with the end of its chain; lines not stamped yet have nobody to vouch for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from contracts.errors.refusal import RefusedError
from gateway.domain.delivery import DeliveryState
from gateway.domain.frozen import replace
from gateway.engine.binding import digest_of_item
from gateway.engine.merkle import root_of
from gateway.engine.proof import Mismatch, Proof, What, prove
from gateway.store.interface import Reader, Store
from gateway.store.rows import JournalLeaf, JournalRow, NounRow, OutboxRow, StampRow

Row = TypeVar("Row", JournalRow, OutboxRow)
PAGE = 200  # nouns looked at in one read
_STRAYS_MAX = 1000  # named
_HASH_BYTES = 32
_LAST_MOMENTS = timedelta(minutes=1)  # of a replica of before v0011: a timer may be the last thing it saw to

CheckToken = Callable[[StampRow], None]
"""Raises RefusedError where a stamp's token is not of an authority that is believed, over this root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was found. `stray` counts the lines that belong to no noun; `unbound` what is not judged because lines of
    before v0011 bind nothing: nouns, and what waits by their order; `unstamped` the lines no time-stamp covers.
    """

    nouns: int
    lines: int
    waiting: int
    mismatches: tuple[Mismatch, ...]
    stray: int = 0
    unbound_nouns: int = 0
    unbound_waiting: int = 0
    stamped: int = 0
    unstamped: int = 0

    @property
    def holds(self) -> bool:
        """Nothing was changed, left out or added."""
        return not self.mismatches and self.stray == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some nouns of one kind, judged; `last` is the id to go on after."""

    last: str
    proofs: tuple[Proof, ...]
    waiting: int


@dataclass(slots=True)
class _Sum:
    """What the pages come to."""

    nouns: int = 0
    lines: int = 0
    waiting: int = 0
    unbound_nouns: int = 0
    unbound_waiting: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)

    def add(self, page: Page) -> None:
        self.nouns += len(page.proofs)
        self.waiting += page.waiting
        for proof in page.proofs:
            self.lines += proof.lines
            self.unbound_nouns += not proof.is_bound
            self.unbound_waiting += proof.unbound
            self.mismatches += proof.mismatches


async def audit(store: Store, *, check_token: CheckToken | None = None) -> Audit:
    """Judge everything; the tokens of time-stamps only where somebody can."""
    total = _Sum()
    kinds = sorted({row.noun for row in await store.read(lambda reader: reader.count_nouns())})
    for kind in kinds:
        after = ""
        while page := await store.read(lambda reader, k=kind, a=after: prove_page(reader, k, a)):  # type: ignore[misc]
            total.add(page)
            after = page.last
    strays = await store.read(lambda reader: tuple(_strays(reader)))
    stray = await store.read(lambda reader: reader.count_stray_lines())
    stamped, unstamped, faults = await store.read(lambda reader: _stamps(reader, check_token))
    return Audit(
        nouns=total.nouns,
        lines=total.lines,
        waiting=total.waiting,
        mismatches=(*total.mismatches, *strays, *faults),
        stray=stray,
        unbound_nouns=total.unbound_nouns,
        unbound_waiting=total.unbound_waiting,
        stamped=stamped,
        unstamped=unstamped,
    )


def prove_page(reader: Reader, kind: str, after: str, *, limit: int = PAGE) -> Page | None:
    """Judge the nouns of a kind that come after an id; None if there are none."""
    nouns = reader.list_nouns(kind, after=after, limit=limit)
    if not nouns:
        return None
    first, last = nouns[0].id, nouns[-1].id
    chains = _by_noun(reader.journal_between(kind, first, last))
    waiting = _by_noun(reader.outbox_between(kind, first, last))
    proofs = [proven(reader, noun, chains.get(noun.id, []), waiting.get(noun.id, [])) for noun in nouns]
    return Page(last=last, proofs=tuple(proofs), waiting=sum(len(waiting.get(noun.id, [])) for noun in nouns))


def _by_noun(rows: Iterable[Row]) -> dict[str, list[Row]]:
    return {id: list(group) for id, group in groupby(rows, key=attrgetter("noun_id"))}


def proven(reader: Reader, noun: NounRow, chain: Sequence[JournalRow], waiting: Sequence[OutboxRow]) -> Proof:
    """`prove`, but for timers that a replica of before v0011 saw to."""
    proof = prove(noun, chain, waiting)
    kept = tuple(one for one in proof.mismatches if not (one.what is What.MISSING and _is_older(reader, one)))
    return proof if len(kept) == len(proof.mismatches) else replace(proof, mismatches=kept)


def _is_older(reader: Reader, missing: Mismatch) -> bool:
    """A timer that a replica of before v0011 saw to: it fired or was cancelled, and no line had to tell.

    Only while such a replica was still at work, which its lines show.
    """
    row = reader.find_outbox(missing.about)
    until = reader.last_unbound_at()
    if row is None or until is None or row.name is None or row.concluded_at is None:
        return False
    ended = row.state in (DeliveryState.FIRED, "cancelled")
    return ended and digest_of_item(row) == missing.expected and row.concluded_at <= until + _LAST_MOMENTS


def _strays(reader: Reader) -> Iterator[Mismatch]:
    """What belongs to a noun that is not there, and what was accepted without a line."""
    for row in reader.stray_outbox(limit=_STRAYS_MAX):
        found = digest_of_item(row)
        yield Mismatch(what=What.ADDED, noun=row.noun, noun_id=row.noun_id, about=row.id, found=found)
    for message in reader.stray_inbox(limit=_STRAYS_MAX):
        about = f"{message.source} {message.message_id}"
        yield Mismatch(what=What.ANSWER, noun=message.noun, noun_id=message.noun_id, about=about)


def _stamps(reader: Reader, check_token: CheckToken | None) -> tuple[int, int, list[Mismatch]]:
    """Lines that stamps cover, those that none does, and what is not as it was stamped."""
    covered = unstamped = after = 0
    faults: list[Mismatch] = []
    while (stamp := reader.next_stamp(after)) is not None:  # one at a time: in a year they are many
        lines = reader.journal_leaves(after=after, limit=stamp.last_seq - after)
        until = [leaf for leaf in lines if leaf.seq <= stamp.last_seq]
        leaves = _leaves(stamp)
        covered, unstamped = covered + len(leaves), unstamped + max(0, len(until) - len(leaves))
        faults += _faults(stamp, leaves, until, check_token)
        after = stamp.last_seq
    return covered, unstamped + reader.count_lines_after(after), faults


def _faults(
    stamp: StampRow, leaves: Sequence[bytes], lines: Iterable[JournalLeaf], check_token: CheckToken | None
) -> Iterator[Mismatch]:
    """A line written late, into what was stamped already, is passed over: its own chain vouches for it."""
    about, there = f"{stamp.first_seq}-{stamp.last_seq}", iter(lines)
    for place, leaf in enumerate(leaves):
        if not any(line.hash == leaf for line in there):
            expected = leaf.hex()
            yield Mismatch(what=What.STAMP, noun="journal", noun_id=about, line=place + 1, expected=expected)
            return
    root = root_of(leaves) if leaves else b""
    if root != stamp.root:
        expected, found = stamp.root.hex(), root.hex()
        yield Mismatch(what=What.STAMP, noun="journal", noun_id=about, expected=expected, found=found)
    elif check_token is not None:
        try:
            check_token(stamp)
        except RefusedError as error:
            yield Mismatch(what=What.STAMP, noun="journal", noun_id=about, about=str(error.refusal.code))


def _leaves(stamp: StampRow) -> list[bytes]:
    places = range(0, len(stamp.leaves), _HASH_BYTES)
    return [stamp.leaves[place : place + _HASH_BYTES] for place in places]
