"""The rows of the store as frozen dataclasses: what is written (`…Entry`, `…Item`) and what is read (`…Row`).

Instants are aware datetimes here and integer microseconds since 1970 UTC in the tables. `data`, `body` and `answer` are
JSON texts the store never looks into. `state` of an outbox row is carried as text; the store itself goes by the times
(`visible_at`, `parked_at`, `concluded_at`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from gateway.domain.frozen import quick


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class NounRow:
    """One noun as it stands. `version` counts its journal lines; `head_hash` is the hash of the last of them.

    `expected_at`: when the world is to do something to it (an auction is held), None where nobody can know.
    """

    noun: str
    id: str
    state: str
    version: int
    lot_id: str
    owner: str  # the bank that may see it (EHR-4)
    data: str
    head_hash: bytes
    updated_at: datetime
    expected_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldNoun(NounRow):
    """A noun as a step takes it, with the line it should be of: that line's hash and what it binds, None where it was
    not seen.
    """

    line_hash: bytes | None
    bound: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasRow:
    """`value` in `scheme` is another name of this noun."""

    scheme: str
    value: str
    noun: str
    id: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    """A message that was accepted, and the answer it gets at every repetition."""

    source: str
    message_id: str
    digest: str
    noun: str
    noun_id: str
    answer: str
    received_at: datetime


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One line of a noun's hash-linked chain; `version` is its place in that chain, from 1.

    `bound`: the JSON text of what the step wrote besides (`engine.binding`); None in lines of before v0011.
    """

    noun: str
    noun_id: str
    version: int
    lot_id: str
    owner: str
    at: datetime
    event: str
    before: str | None
    after: str
    cause_source: str
    cause_id: str
    data: str
    prev_hash: bytes
    hash: bytes
    bound: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRow(JournalEntry):
    """A stored line; `seq` increases over all chains."""

    seq: int


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """Something to send, or a timer (`name` set, `order_key` None). `id` is constant over all attempts.

    Rows of one `order_key` are sent strictly in the order they were added; None means no order.
    """

    id: str
    channel: str
    recipient: str
    noun: str
    noun_id: str
    body_type: str
    body: str
    due_at: datetime
    created_at: datetime
    state: str = "due"
    order_key: str | None = None
    name: str | None = None
    attachment_document_id: str | None = None
    sequence: int | None = None  # place in the recipient's feed
    state_version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow(OutboxItem):
    """A stored item. `attempt` counts the claims: 0 before the first, 1 while it is first tried. `booked` counts those
    that ended and left the row open: the difference is the one under way, and those that a death interrupted.

    `visible_at` is when a worker may take it: `due_at` at rest, the end of the lease while one has it, None while it
    is parked, concluded, or behind another row of its `order_key`.
    """

    seq: int
    attempt: int
    booked: int
    visible_at: datetime | None
    lease_owner: str | None
    parked_at: datetime | None
    concluded_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedRow(OutboxRow):
    """A row with the lease of it. `ordered`: what the line binds that should have ordered it; None where there is none
    that binds anything.
    """

    ordered: str | None


class Concluded(IntEnum):
    """What became of a leased row that was to be ended; false where nothing was done."""

    LOST = 0  # the lease
    DONE = 1
    FOLLOWED = 2  # and the next of its order key may go


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A leased row that is to be ended, and in which state."""

    row: OutboxRow
    state: str
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRow:
    """A leased row that was ended."""

    seq: int
    attempt: int
    followed: bool  # another of its order key waits behind


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRow:
    """A lane (what goes to one recipient over one channel) and when its first row may be taken."""

    channel: str
    recipient: str
    visible_at: datetime


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRow:
    """One line of the gap-free feed a recipient may pull."""

    recipient: str
    sequence: int
    outbox_id: str
    kind: str
    body: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRow:
    """A file that is kept; `sha256` is hexadecimal, over `content`."""

    id: str
    media_type: str
    sha256: str
    content: bytes
    created_at: datetime


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceItem:
    """Exact bytes received or sent, as evidence of a noun. They are hashed here, and only here."""

    noun: str
    noun_id: str
    lot_id: str
    direction: str  # "in" | "out"
    message_source: str
    message_id: str
    at: datetime
    signer: str | None
    certificate_sha256: str | None
    media_type: str
    content: bytes
    sha256: str = field(init=False)  # of `content`, hexadecimal

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", hashlib.sha256(self.content).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRow:
    """That a noun has a piece of evidence, named by its SHA-256 (hexadecimal); in the order of storing."""

    noun: str
    noun_id: str
    lot_id: str
    direction: str  # "in" | "out"
    message_source: str
    message_id: str
    at: datetime
    signer: str | None
    certificate_sha256: str | None
    media_type: str
    sha256: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePiece:
    """The bytes of a piece of evidence, and their SHA-256 (hexadecimal)."""

    sha256: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLeaf:
    """A journal line as a time-stamp covers it."""

    seq: int
    at: datetime
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StampRow:
    """A time-stamp over a batch of the journal; `leaves` are the lines' hashes, 32 octets each, in order of `seq`."""

    first_seq: int
    last_seq: int
    stamped_at: datetime
    root: bytes
    leaves: bytes
    token: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OcspAnswerRow:
    """An OCSP answer (DER) and since when we judged by it. `participant` is empty for an authority's certificate."""

    sha256: str
    participant: str
    certificate_sha256: str
    kept_at: datetime
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NounCount:
    """How many nouns of a kind are in a state."""

    noun: str
    state: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxCount:
    """How many unconcluded rows a lane has in a state; of them the first due in turn, made, parked."""

    channel: str
    recipient: str
    state: str
    count: int
    oldest_due_at: datetime | None
    oldest_created_at: datetime
    oldest_parked_at: datetime | None
