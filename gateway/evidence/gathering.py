"""Gathering everything about a lot from the store, and sealing it into one file (ASiC-E; PSP-7.7, EHR-16).

Gathered are: every message that passed with its signature, the sealed documents, the whole journal chain of every noun
of the lot, the certificates of all signers and the revocation lists of the moment. Nothing is left out because it does
not verify: what was not believed then lies in the file as such.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from certs import asice
from certs.keystore import Credential
from contracts.evidence.model import (
    ANSWERS_NAME,
    CERTIFICATES_NAME,
    INDEX_NAME,
    JOURNAL_NAME,
    JSON_TYPE,
    LINES_TYPE,
    PEM_TYPE,
    REVOCATION_NAME,
    STAMPS_NAME,
    Direction,
    Index,
    Item,
    Kind,
    Line,
    NounHead,
    Supplement,
    write_index,
    write_lines,
)
from contracts.evidence.ocsp import write_answers
from contracts.evidence.stamps import write_stamps
from gateway.domain.protocol import Protocol
from gateway.engine import codec
from gateway.evidence.stamps import stamps_of
from gateway.store.interface import Reader
from gateway.store.rows import DocumentRow, EvidenceRow, JournalRow, NounRow, OcspAnswerRow, StampRow
from gateway.wire.octets import MEDIA_TYPE as HTTP_TYPE

LIMITS = asice.AsiceLimits(
    container_max_bytes=256 * 1_048_576,
    content_max_bytes=512 * 1_048_576,
    files_max=10_000,  # a lot of a hundred bidders has about two thousand
)
_SUFFIXES = {
    HTTP_TYPE: "http",
    "text/xml": "soap.xml",
    "application/soap+xml": "soap.xml",
    "application/xml": "xml",
    "application/json": "json",
    asice.MEDIA_TYPE: "asice",
}
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")

_ANSWER_MAX_AGE = timedelta(hours=28)  # three hours fresh, a day of grace at most, and an hour to spare


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What lies in the store about a lot. `contents` by SHA-256 (hexadecimal)."""

    lot_id: str
    nouns: tuple[NounRow, ...]
    lines: tuple[JournalRow, ...]
    messages: tuple[EvidenceRow, ...]
    documents: tuple[tuple[NounRow, DocumentRow], ...]
    stamps: tuple[StampRow, ...]
    contents: Mapping[str, bytes] = field(repr=False)
    standing: Standing


@dataclass(frozen=True, slots=True)
class Standing:
    """OCSP answers about the certificates of each participant, in order of keeping."""

    answers: Mapping[str, tuple[OcspAnswerRow, ...]]

    def at(self, participant: str | None, moment: datetime) -> tuple[OcspAnswerRow, ...]:
        """What was known of a participant then: the newest answer about each certificate."""
        known = {
            row.certificate_sha256: row for row in self.answers.get(participant or "", ()) if row.kept_at <= moment
        }
        return tuple(known[certificate] for certificate in sorted(known))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustMaterial:
    """What is needed to judge the signatures beside the root: PEM bundles, and OCSP answers of today in DER."""

    certificates: bytes
    revocation: bytes
    answers: tuple[bytes, ...] = ()


def gather(reader: Reader, lot_id: str) -> Gathered | None:
    """Everything about one lot; None if there is no such lot."""
    nouns = tuple(reader.nouns_of_lot(lot_id))
    if not nouns:
        return None
    lines = [line for noun in nouns for line in reader.journal_of(noun.noun, noun.id)]
    seqs = [line.seq for line in lines]
    found = {row.seq: row for noun in nouns for row in reader.evidence_of(noun.noun, noun.id)}
    found |= {row.seq: row for row in reader.evidence_of_lot(lot_id)}
    found |= {row.seq: row for row in _told_elsewhere(reader, lines, found.values())}
    messages = tuple(found[seq] for seq in sorted(found))
    pieces = [reader.evidence_piece(seq) for seq in {row.sha256: row.seq for row in messages}.values()]
    return Gathered(
        lot_id=lot_id,
        nouns=nouns,
        lines=tuple(sorted(lines, key=lambda line: line.seq)),
        messages=messages,
        documents=tuple(_documents(reader, nouns)),
        stamps=tuple(reader.stamps_between(min(seqs), max(seqs))),
        standing=_standing(reader, messages),
        contents={piece.sha256: piece.content for piece in pieces if piece is not None},
    )


def _told_elsewhere(reader: Reader, lines: Iterable[JournalRow], here: Iterable[EvidenceRow]) -> Iterable[EvidenceRow]:
    """What was said to a noun of no lot and became known here: AÖS's copy of an order goes to the inquiry about it."""
    known = {(row.message_source, row.message_id) for row in here}
    for cause in sorted({(line.cause_source, line.cause_id) for line in lines} - known):
        taken = reader.find_inbox(*cause)
        if taken is not None:
            rows = reader.evidence_of(taken.noun, taken.noun_id)
            yield from (row for row in rows if (row.message_source, row.message_id) == cause)


def _standing(reader: Reader, messages: Iterable[EvidenceRow]) -> Standing:
    """Everything known of everybody who signed, from before the first message on."""
    signed = [row for row in messages if row.signer is not None]
    if not signed:
        return Standing({})
    since, until = min(row.at for row in signed) - _ANSWER_MAX_AGE, max(row.at for row in signed)
    signers = {row.signer for row in signed if row.signer is not None}
    return Standing(
        {signer: tuple(reader.ocsp_answers_of(signer, since=since, until=until)) for signer in sorted(signers)}
    )


def _documents(reader: Reader, nouns: Iterable[NounRow]) -> Iterable[tuple[NounRow, DocumentRow]]:
    for noun in nouns:
        if noun.noun != "protocol":
            continue
        document_id = codec.decode(Protocol, noun.data).document_id
        document = None if document_id is None else reader.document(document_id)
        if document is not None:
            yield noun, document


def sealed_file(
    gathered: Gathered,
    credential: Credential,
    trust: TrustMaterial,
    *,
    now: datetime,
) -> bytes:
    """The evidence file.

    Raises:
        ValueError: more files than a container of evidence holds.
    """
    items = _items(gathered, credential.participant)
    named = {digest for item, _ in items for digest in item.judged_by}
    kept = [row.content for rows in gathered.standing.answers.values() for row in rows if row.sha256 in named]
    supplements: dict[str, tuple[str, bytes]] = {
        JOURNAL_NAME: (LINES_TYPE, write_lines([_line(line) for line in gathered.lines])),
        CERTIFICATES_NAME: (PEM_TYPE, trust.certificates),
        REVOCATION_NAME: (PEM_TYPE, trust.revocation),
        ANSWERS_NAME: (JSON_TYPE, write_answers([*kept, *trust.answers])),
        STAMPS_NAME: (JSON_TYPE, write_stamps(stamps_of(gathered.lines, gathered.stamps))),
    }
    index = Index(
        lot_id=gathered.lot_id,
        exported_at=now,
        exported_by=credential.participant,
        items=tuple(item for item, _ in items),
        nouns=tuple(_head(noun) for noun in gathered.nouns),
        supplements=tuple(
            Supplement(file=name, sha256=hashlib.sha256(content).hexdigest())
            for name, (_, content) in supplements.items()
        ),
    )
    files = {INDEX_NAME: (JSON_TYPE, write_index(index)), **supplements}
    files |= {item.file: (item.media_type, content) for item, content in items}
    return asice.seal(files, credential, now=now, limits=LIMITS)


def _items(gathered: Gathered, house: str) -> list[tuple[Item, bytes]]:
    """Messages and documents in order of time, numbered, each answer with the number of its request."""
    rows: list[EvidenceRow | tuple[NounRow, DocumentRow]] = [*gathered.messages, *gathered.documents]
    items: list[tuple[Item, bytes]] = []
    asked: dict[tuple[str, ...], int] = {}
    for number, row in enumerate(sorted(rows, key=_when), start=1):
        if isinstance(row, EvidenceRow):
            item, content = _message(number, row, gathered.contents[row.sha256], asked)
        else:
            item, content = _document(number, *row)
        signer = house if item.kind is Kind.DOCUMENT else item.signer
        judged_by = tuple(answer.sha256 for answer in gathered.standing.at(signer, item.at)) if signer else ()
        items.append((item.model_copy(update={"judged_by": judged_by}), content))
    return items


def _when(row: EvidenceRow | tuple[NounRow, DocumentRow]) -> tuple[datetime, int]:
    return (row.at, row.seq) if isinstance(row, EvidenceRow) else (row[1].created_at, 0)


def _message(number: int, row: EvidenceRow, content: bytes, asked: dict[tuple[str, ...], int]) -> tuple[Item, bytes]:
    """`asked` remembers the last HTTP request each way, so that its answer, the other way, names it."""
    exchange = (row.noun, row.noun_id, row.message_source, row.message_id)
    answers = None
    if row.media_type == HTTP_TYPE and content.startswith(b"HTTP/"):
        answers = asked.get((*exchange, "in" if row.direction == "out" else "out"))
    elif row.media_type == HTTP_TYPE:
        asked[*exchange, row.direction] = number
    item = Item(
        number=number,
        at=row.at,
        kind=Kind.MESSAGE,
        file=_file_name(number, f"{row.direction}.{_UNSAFE.sub('-', row.message_source)}", row.media_type),
        media_type=row.media_type,
        sha256=row.sha256,
        noun=row.noun,
        noun_id=row.noun_id,
        direction=Direction(row.direction),
        source=row.message_source,
        message_id=row.message_id,
        signer=row.signer,
        certificate_sha256=row.certificate_sha256,
        answers=answers,
    )
    return item, content


def _document(number: int, noun: NounRow, document: DocumentRow) -> tuple[Item, bytes]:
    item = Item(
        number=number,
        at=document.created_at,
        kind=Kind.DOCUMENT,
        file=_file_name(number, noun.noun, document.media_type),
        media_type=document.media_type,
        sha256=document.sha256,
        noun=noun.noun,
        noun_id=noun.id,
    )
    return item, document.content


def _file_name(number: int, what: str, media_type: str) -> str:
    return f"{number:05d}.{what}.{_SUFFIXES.get(media_type, 'bin')}"


def _head(noun: NounRow) -> NounHead:
    return NounHead(noun=noun.noun, id=noun.id, state=noun.state, version=noun.version, head_hash=noun.head_hash.hex())


def _line(row: JournalRow) -> Line:
    return Line(
        seq=row.seq,
        noun=row.noun,
        noun_id=row.noun_id,
        version=row.version,
        lot_id=row.lot_id,
        owner=row.owner,
        at=row.at,
        event=row.event,
        before=row.before,
        after=row.after,
        cause_source=row.cause_source,
        cause_id=row.cause_id,
        data=row.data,
        prev_hash=row.prev_hash.hex(),
        hash=row.hash.hex(),
        bound=row.bound,
    )
