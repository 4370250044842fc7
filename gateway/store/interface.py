"""What the engine asks of a store: synchronous work inside a transaction, awaited from outside.

`await store.transact(work)` runs `work(transaction)` on the loop (on PostgreSQL it gives way where it must wait)
and returns when its effects are on disk; `await store.read(work)` may take long.
`work` must be a plain function of the transaction that may be run again from its beginning (conflicts on PostgreSQL);
whatever it raises undoes its own writes and nobody else's, and reaches its caller unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Protocol, TypeVar

from gateway.store.rows import (
    AliasRow,
    Concluded,
    DocumentRow,
    Ending,
    EvidenceItem,
    EvidencePiece,
    EvidenceRow,
    FeedRow,
    HeldNoun,
    InboxRow,
    JournalEntry,
    JournalLeaf,
    JournalRow,
    LaneRow,
    LeasedRow,
    NounCount,
    NounRow,
    OcspAnswerRow,
    OutboxCount,
    OutboxItem,
    OutboxRow,
    StampRow,
)
from gateway.store.turns import Pressure, Turn

T = TypeVar("T")
Lane = tuple[str, str]  # channel and recipient
NONE_TAKEN: Mapping[Lane, int] = MappingProxyType({})


class Reader(Protocol):
    """What may be asked in a read or in a transaction. Lists are cut at `limit`; go on after the last one seen."""

    # nouns and their names
    def noun(self, noun: str, id: str) -> NounRow | None:
        """The noun; inside a transaction it stays as read until the transaction ends."""

    def find_alias(self, scheme: str, value: str) -> AliasRow | None: ...
    def aliases_between(self, scheme: str, *, first: str, last: str, limit: int) -> list[AliasRow]:
        """The greatest first. Both ends and what lies between are digits alone, so that every collation agrees."""

    def nouns_of_lot(self, lot_id: str, *, limit: int | None = None) -> list[NounRow]:
        """By kind and id; all of them where no limit is given."""

    def list_nouns(
        self, noun: str, *, owner: str | None = None, state: str | None = None, after: str = "", limit: int = 100
    ) -> list[NounRow]:
        """In order of id."""

    def nouns_expected(
        self, noun: str, *, until: datetime, after: NounRow | None = None, limit: int = 100
    ) -> list[NounRow]:
        """Nouns to which something is to be done by then, what is overdue included; in order of that time."""

    def last_noun(self, noun: str, *, first: str, last: str) -> NounRow | None:
        """The one with the greatest id of these; all of one form, so that every collation agrees."""

    def count_nouns(self) -> list[NounCount]:
        """Of every kind and state: each noun there ever was is walked over."""

    def count_states(self, states: Iterable[tuple[str, str]]) -> list[NounCount]:
        """Those in these states, each a kind and a state of it; none where there are none."""

    def unscheduled(self, noun: str, state: str, *, limit: int = 100) -> list[NounRow]:
        """Nouns in a state that have nothing in the outbox, parked rows and timers included."""

    # what came in
    def size_bytes(self) -> int:
        """Of the whole database."""

    def find_inbox(self, source: str, message_id: str) -> InboxRow | None: ...

    def stray_inbox(self, *, limit: int) -> list[InboxRow]:
        """Messages that were accepted and of which no line tells."""

    # what happened
    def journal_of(self, noun: str, noun_id: str, *, after: int = 0, limit: int | None = None) -> list[JournalRow]:
        """In order of version, from the one that follows `after`; all of them where no limit is given."""

    def journal_between(self, noun: str, first: str, last: str) -> list[JournalRow]:
        """All lines of a kind's nouns from one id to another, chain after chain in order of id."""

    def journal_of_lot(self, lot_id: str, *, after: int = 0, limit: int = 1000) -> list[JournalRow]: ...

    def journal_line(self, seq: int) -> JournalRow | None: ...
    def line_of(self, noun: str, noun_id: str, version: int) -> JournalRow | None:
        """A line by its place in its chain."""

    def last_move(self, noun: str, noun_id: str) -> JournalRow | None:
        """What brought a noun into the state it is in."""

    def refusals(
        self, *, sender: str | None = None, code: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[JournalRow]:
        """What was refused at the doors, the newest first; go on with the last `seq` seen as `before`."""

    def last_stamped(self) -> int:
        """The last line that a time-stamp covers; 0 before the first."""

    def last_line(self) -> int:
        """The last line that is seen; 0 before the first."""

    def journal_writers(self) -> frozenset[str]:
        """The transactions that may have written lines which nobody sees yet; begun before now, by name."""

    def journal_leaves(self, *, after: int, limit: int) -> list[JournalLeaf]:
        """Lines of all chains, in order of `seq`."""

    def next_stamp(self, after: int) -> StampRow | None:
        """The first stamp whose lines come after this one."""

    def stamps_between(self, first: int, last: int) -> list[StampRow]:
        """The stamps over any of these lines."""

    def count_stray_lines(self) -> int:
        """How many lines are of nouns that are not there; walks them all."""

    def count_lines_after(self, seq: int) -> int: ...
    def last_unbound_at(self) -> datetime | None:
        """When the last line was written that binds nothing; None where every line does. Walks them all."""

    # what goes out
    def find_outbox(self, id: str) -> OutboxRow | None: ...
    def list_outbox(
        self,
        *,
        channel: str | None = None,
        recipient: str | None = None,
        parked: bool | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> list[OutboxRow]:
        """Unconcluded rows in order of `seq`; `parked` True or False narrows to those waiting or not for a person."""

    def outbox_of(self, noun: str, noun_id: str) -> list[OutboxRow]:
        """Unconcluded rows of one noun, its timers included."""

    def outbox_between(self, noun: str, first: str, last: str) -> list[OutboxRow]:
        """Unconcluded rows of a kind's nouns from one id to another, in order of id and `seq`."""

    def stray_outbox(self, *, limit: int) -> list[OutboxRow]:
        """Unconcluded rows of nouns that are not there."""

    def count_outbox(self) -> list[OutboxCount]:
        """Unconcluded rows only."""

    def lanes(self) -> list[LaneRow]:
        """Every lane in which a row may be claimed now or later, with the time of its first one."""

    def read_feed(self, recipient: str, *, after: int = 0, limit: int = 100) -> list[FeedRow]: ...
    def unacknowledged(self, recipient: str, *, after: int = 0, limit: int = 100) -> list[FeedRow]:
        """The lines of a feed whose delivery is not yet concluded."""

    def feed_head(self, recipient: str) -> int:
        """The last sequence given out, 0 before the first."""

    # what is kept
    def document(self, id: str) -> DocumentRow | None: ...
    def evidence_of(self, noun: str, noun_id: str, *, after: int = 0, limit: int | None = None) -> list[EvidenceRow]:
        """In order of `seq`; all of them where no limit is given."""

    def evidence_of_lot(self, lot_id: str, *, after: int = 0, limit: int | None = None) -> list[EvidenceRow]:
        """In order of `seq`; all of them where no limit is given."""

    def evidence_piece(self, seq: int) -> EvidencePiece | None:
        """The bytes of a piece, by the `seq` of its row."""

    def ocsp_answers_of(self, participant: str, *, since: datetime, until: datetime) -> list[OcspAnswerRow]:
        """Answers about a participant's certificates that were kept in that time, in order of it."""


class Transaction(Reader, Protocol):
    """Reads and writes of one all-or-nothing unit of work.

    A write that returns nothing need not be done when it returns: what it raises may come from a later call, or from
    the commit. Nothing is kept then, whatever the work does about it.
    """

    def prove_writable(self) -> None:
        """Write something that changes nothing: whether it commits says whether anything would."""

    def lock_lot_of(self, noun: str, id: str) -> None:
        """Wait until no other transaction that has said so of this noun's lot is under way.

        Said first, it keeps two works that walk the nouns of one lot in opposite orders from waiting for each other.
        """

    def lock_lots_of(self, names: Sequence[tuple[str, str]]) -> None:
        """The same for the lots of several nouns (kind and id), in one order for everybody."""

    def save_noun(self, row: NounRow, *, expected_version: int, before: NounRow | None = None) -> None:
        """Insert (`expected_version` 0) or replace; what stays as it was in `before` is not written again.

        Raises:
            VersionConflictError: the stored version is another.
        """

    def noun(self, noun: str, id: str) -> HeldNoun | None:
        """The noun as `Reader` gives it, with the line it should be of."""

    def nouns(self, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], HeldNoun]:
        """`noun` for several of them (kind and id), one after the other; those that there are."""

    def add_alias(self, row: AliasRow) -> Callable[[], bool]:
        """Add a name. What is returned says False, when asked, if it already belongs to another noun."""

    def add_inbox(self, row: InboxRow) -> None:
        """Remember an accepted message; on a race the work is run again and finds the first one."""

    def append_journal(self, *entries: JournalEntry) -> None:
        """Append lines in their order.

        Raises:
            VersionConflictError: a chain already has a line of that version.
        """

    def ask_inbox(self, source: str, message_id: str) -> Callable[[], InboxRow | None]:
        """`find_inbox`, on its way to the database; answered when it is called, or by any question before that."""

    def enqueue(self, *items: OutboxItem) -> None:
        """Add outbox rows in their order. Rows of one order key are of one noun."""

    def set_timer(self, *items: OutboxItem) -> None:
        """Add timers, each in place of any unconcluded one of the same noun and name.

        The row stays and whoever had it leased has lost it. A timer that fires and sets itself again must be concluded
        first.
        """

    def cancel_timer(self, noun: str, noun_id: str, name: str, *, now: datetime) -> None:
        """Conclude the timer if there is one, even under a worker's hands."""

    def claim(
        self,
        *,
        now: datetime,
        worker: str,
        lease_s: float,
        limits: Mapping[str, int],
        taken: Mapping[Lane, int] = NONE_TAKEN,
    ) -> list[LeasedRow]:
        """Lease rows that are due in any lane, the longest due first.

        Each lane of a channel gives at most as many as `limits` says for the channel, less its places in `taken`.
        The row returned is the lease: hand it to `conclude`, `reschedule` or `park`.
        """

    def lease(
        self, *, now: datetime, worker: str, lease_s: float, places: Mapping[Lane, int]
    ) -> Callable[[], list[LeasedRow]]:
        """`claim` in these lanes, so many in each. Call what is returned once the transaction is committed."""

    def conclude(self, row: OutboxRow, *, now: datetime, state: str, note: str | None = None) -> Concluded:
        """End a leased row and let the next of its order key go; nothing is done if the lease was lost."""

    def ask_conclude(self, endings: Sequence[Ending], *, now: datetime) -> Callable[[], list[Concluded]]:
        """`conclude` for each, on their way to the database. Call what is returned, once, in this transaction."""

    def reschedule(self, row: OutboxRow, *, due_at: datetime, state: str = "due", error: str | None = None) -> bool:
        """Give a leased row back for another attempt; False if the lease was lost."""

    def park(self, row: OutboxRow, *, now: datetime, state: str = "parked", error: str | None = None) -> bool:
        """Leave a leased row to a person; its followers wait. False if the lease was lost."""

    def hasten(self, channel: str, recipient: str, *, now: datetime) -> int:
        """Make due what waits for another attempt there, and nobody has; how many rows."""

    def give_back(self, row: OutboxRow) -> bool:
        """End a lease on which nothing was begun, as if it had never been; False if it was lost."""

    def renew(self, row: OutboxRow, *, until: datetime) -> bool:
        """Have a lease last longer; False if it was lost, or somebody is just changing the row."""

    def release(self) -> int:
        """Give back everything leased, whoever has it; how many rows. For a process that knows that it is alone."""

    def requeue(self, id: str, *, now: datetime, state: str = "due") -> bool:
        """A person's retry of a parked row; False if it is not parked."""

    def discard(self, id: str, *, now: datetime, state: str, note: str) -> bool:
        """A person's end of a parked row; False if it is not parked."""

    def next_sequences(self, recipients: Sequence[str]) -> list[int]:
        """Take each recipient's next feed number, in this order (everybody's, for each stays locked until the commit).

        Gap-free because they are given back if the work fails.
        """

    def add_feed(self, *rows: FeedRow) -> None: ...
    def add_stamp(self, row: StampRow) -> bool:
        """Keep a time-stamp; False, and nothing done, where another replica stamped those lines first."""

    def add_signature(self, mark: bytes, *, until: datetime) -> bool:
        """Remember a signed request; False, and nothing done, where it is remembered already."""

    def forget_signatures(self, *, before: datetime, limit: int) -> int:
        """Forget those that are remembered until then, at most so many; how many there were."""

    def add_document(self, row: DocumentRow) -> None:
        """Keep a file; the same id with the same digest again is no error.

        Raises:
            DuplicateError: the id already names other content.
        """

    def add_evidence(self, *items: EvidenceItem) -> None:
        """Keep exact bytes, and the fact that this noun has them."""

    def add_ocsp_answer(self, row: OcspAnswerRow) -> None:
        """Keep an answer once."""


class Store(Protocol):
    """A database of ours. Every method may raise StoreUnavailableError: nothing was acknowledged then."""

    async def transact(self, work: Callable[[Transaction], T], turn: Turn = Turn.NEW) -> T:
        """Run `work` when its turn comes and return its result once it is durable.

        Cancelling the awaiting task does not stop the work: it may still be committed.
        """

    async def read(self, work: Callable[[Reader], T], turn: Turn = Turn.NEW) -> T:
        """Run read-only `work` on one consistent state that contains everything acknowledged before the call."""

    def waited_s(self, turn: Turn) -> float:
        """How long the next one of this turn has waited to be begun; asked at every request, so it is quick."""

    def pressure(self) -> Pressure:
        """How much is asked of it now."""

    async def close(self) -> None:
        """Finish what was handed in, then let go of connections and files."""
