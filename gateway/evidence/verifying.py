"""Verifying an evidence file, offline: the file, a root certificate and nothing else. Pure.

The plan:
  (1) the container is sealed, and whole;
  (2) the index lists exactly the files that are there, each by its digest, in order of time;
  (3) every message bears its own signature, which holds at the time it passed, by the signer the index names;
  (4) every document is sealed, by the house that exported;
  (5) every noun's journal chain is whole from its first line to its head;
  (6) every journal line has its cause: a message in the file that its sender signed, a document, a timer or a delivery
      of an earlier line;
  (7) every message belongs to a journal line;
  (8) the protocol that the journal says was sealed is the one in the file;
  (9) each time-stamp holds, and covers the journal lines it is said to cover;
  (10) where an item names the OCSP answers that its signer was judged by, they are in the file, and they say so.
Where (1) or (2) fails nothing else is looked at; everything else is judged to the end, with a finding per item.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TypeVar

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.ocsp import OCSPResponse

from certs.algorithms import check_readable
from certs.asice import Sealed, SealedFile, open_sealed, read_entries
from certs.http_signature.signing import key_id
from certs.ocsp import read_answer
from certs.revocation import load_lists
from certs.trust import Signer, TrustPolicy, TrustStore
from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError, refuse
from contracts.evidence.model import (
    ANSWERS_NAME,
    CERTIFICATES_NAME,
    INDEX_NAME,
    JOURNAL_NAME,
    REVOCATION_NAME,
    STAMPS_NAME,
    Index,
    Item,
    Kind,
    Line,
    read_index,
    read_lines,
)
from contracts.evidence.ocsp import read_answers
from contracts.evidence.stamps import read_stamps
from gateway.engine.journal import first_break
from gateway.evidence.exhibits import Exhibited, is_signed, signer_of
from gateway.evidence.gathering import LIMITS
from gateway.evidence.stamps import check_stamp
from gateway.store.rows import JournalEntry

T = TypeVar("T")
Pinned = dict[str, tuple[x509.Certificate, ...]]

_GRACE_MAX_S = 86_400  # `revocation.grace_s` is no longer
_READABLE_MAX_CHARS = 24  # of a noun's id; a delivery of a longer one may be named by a digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. `what` is a key of the words in `data/evidence.toml`."""

    what: str
    about: str
    refusal: Refusal | None = None

    @property
    def holds(self) -> bool:
        """Whether it is as it should be."""
        return self.refusal is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that was looked at, and who signed what: certificates by their SHA-256 (hexadecimal)."""

    findings: tuple[Finding, ...]
    index: Index | None = None
    sealed_at: datetime | None = None
    certificates: Mapping[str, x509.Certificate]

    @property
    def holds(self) -> bool:
        """Whether everything holds."""
        return all(finding.holds for finding in self.findings)


def verify_evidence(content: bytes, root_pem: bytes) -> Report:
    """Verify one file by the plan above. Never raises for what is in the file."""
    try:
        opened = _Opened(content, root_pem)
    except RefusedError as error:
        return Report(findings=(Finding(what="seal", about="-", refusal=error.refusal),), certificates={})
    return opened.report()


class _Opened:
    """A file whose container holds (1) and whose index is true (2)."""

    def __init__(self, content: bytes, root_pem: bytes) -> None:
        self.trust, self.pinned, self.answers = _trust(content, root_pem)
        self.trust_then = self.trust.with_policy(TrustPolicy(revocation_grace_s=_GRACE_MAX_S))
        self.sealed = open_sealed(content, self.trust, limits=LIMITS)
        self.index = read_index(self._file(INDEX_NAME).content)
        _check_index(self.index, self.sealed)
        self.lines = read_lines(self._file(JOURNAL_NAME).content)
        self.stamps = read_stamps(self._file(STAMPS_NAME).content)
        self.certificates: dict[str, x509.Certificate] = {}

    def report(self) -> Report:
        """Steps (3) to (9)."""
        seal = self.sealed.verified
        findings = [
            Finding(what="seal", about=f"{seal.signer.participant} {seal.signed_at:%Y-%m-%d %H:%M:%S}Z"),
            Finding(what="index", about=f"{len(self.index.items)}"),
        ]
        findings += [self._item(item) for item in self.index.items]
        findings += self._chains()
        findings += self._causes()
        findings += self._belongings()
        findings += self._protocols()
        findings += self._stamps()
        findings.append(Finding(what="answers", about=f"{len(self.answers)}"))
        return Report(
            findings=tuple(findings), index=self.index, sealed_at=seal.signed_at, certificates=self.certificates
        )

    def _file(self, name: str) -> SealedFile:
        if name not in self.sealed.files:
            raise refuse(ErrorCode.SIGNATURE_INCOMPLETE, part=name)
        return self.sealed.files[name]

    def _item(self, item: Item) -> Finding:
        about = _name(item)
        if item.kind is Kind.MESSAGE and not is_signed(item.media_type):
            return Finding(what="note", about=about)
        if item.kind is Kind.MESSAGE and item.signer is None:
            return Finding(what="disbelieved", about=about)
        try:
            signer = self._signer(item)
            self._check_signer(item, signer)
            self._check_standing(item, signer)
        except RefusedError as error:
            return Finding(what=item.kind.value, about=about, refusal=error.refusal)
        self.certificates[signer.certificate_sha256] = signer.certificate
        return Finding(what=item.kind.value, about=about)

    def _signer(self, item: Item) -> Signer:
        trust = self.trust_then if item.judged_by else self.trust
        content = self._file(item.file).content
        if item.kind is Kind.DOCUMENT:
            return open_sealed(content, trust).verified.signer
        request = None if item.answers is None else self._file(self.index.items[item.answers - 1].file).content
        exhibited = Exhibited(media_type=item.media_type, content=content, at=item.at, request=request)
        return signer_of(exhibited, trust, self.pinned)

    def _check_signer(self, item: Item, signer: Signer) -> None:
        """The index names him; documents and what went out are the exporting house's own."""
        ours = item.kind is Kind.DOCUMENT or item.direction == "out"
        expected = self.index.exported_by if ours else item.signer
        if signer.participant != expected:
            raise refuse(ErrorCode.PARTICIPANT_MISMATCH, expected=str(expected), received=signer.participant)
        if item.certificate_sha256 not in (None, signer.certificate_sha256):
            raise refuse(ErrorCode.PARTICIPANT_MISMATCH, expected="the certificate in the index", received="another")

    def _check_standing(self, item: Item, signer: Signer) -> None:
        """Step (10). What was known then is not replaced by what is known today."""
        if not item.judged_by:
            return
        missing = next((digest for digest in item.judged_by if digest not in self.answers), None)
        if missing is not None:
            raise refuse(ErrorCode.SIGNATURE_INCOMPLETE, part=f"{ANSWERS_NAME} {missing}")
        self.trust_then.vouched(signer.certificate, [self.answers[digest] for digest in item.judged_by], item.at)

    def _chains(self) -> Iterator[Finding]:
        heads = {(head.noun, head.id): head for head in self.index.nouns}
        chains: dict[tuple[str, str], list[Line]] = {key: [] for key in heads}
        for line in self.lines:
            chains.setdefault((line.noun, line.noun_id), []).append(line)
        for (noun, id), chain in chains.items():
            head, entries = heads.get((noun, id)), [_entry(line) for line in chain]
            broken = first_break(entries)
            if broken is None and (head is None or (head.version, head.head_hash) != (len(chain), _last_hash(chain))):
                broken = len(chain) + 1
            refusal = None if broken is None else _fault(ErrorCode.DIGEST_MISMATCH, reference=f"{id}#{broken}")
            yield Finding(what="chain", about=f"{noun} {id} ({len(chain)})", refusal=refusal)

    def _causes(self) -> Iterator[Finding]:
        causes = _Causes(self.index, self.lines)
        for line in self.lines:
            if not causes.has(line):
                about = f"{line.noun} {line.noun_id}#{line.version} {line.event}"
                refusal = _fault(ErrorCode.REFERENCE_UNKNOWN, noun=line.cause_source, id=line.cause_id)
                yield Finding(what="cause", about=about, refusal=refusal)
        yield Finding(what="causes", about=f"{len(self.lines)}")

    def _belongings(self) -> Iterator[Finding]:
        causes = {(line.cause_source, line.cause_id) for line in self.lines}
        for item in self.index.items:
            if item.kind is Kind.MESSAGE and (item.source, item.message_id) not in causes:
                refusal = _fault(ErrorCode.REFERENCE_UNKNOWN, noun=str(item.source), id=str(item.message_id))
                yield Finding(what="belonging", about=_name(item), refusal=refusal)

    def _protocols(self) -> Iterator[Finding]:
        kept = {(item.noun_id, item.sha256) for item in self.index.items if item.kind is Kind.DOCUMENT}
        for line in self.lines:
            if line.noun == "protocol" and line.event == "Sealed":
                digest = str(orjson.loads(line.data).get("sha256"))
                refusal = None if (line.noun_id, digest) in kept else _fault(ErrorCode.NOT_FOUND, path=digest)
                yield Finding(what="protocol", about=line.noun_id, refusal=refusal)

    def _stamps(self) -> Iterator[Finding]:
        """A line that is not stamped yet is told, and no fault."""
        lines, covered = {line.seq: line for line in self.lines}, set[int]()
        for stamp in self.stamps.stamps:
            try:
                held = check_stamp(stamp, lines, self.trust)
            except RefusedError as error:
                yield Finding(what="stamp", about=stamp.root, refusal=error.refusal)
                continue
            covered |= {place.seq for place in stamp.lines}
            yield Finding(what="stamp", about=f"{held.at:%Y-%m-%d %H:%M:%S}Z {held.authority} ({len(stamp.lines)})")
        yield Finding(what="stamped", about=f"{len(covered)} / {len(lines)}")


def _trust(content: bytes, root_pem: bytes) -> tuple[TrustStore, Pinned, dict[str, OCSPResponse]]:
    """The root, with the issuing authorities, lists and answers that the file brings: all must be signed under it."""
    entries = read_entries(content, LIMITS)
    certificates = _read(CERTIFICATES_NAME, entries, x509.load_pem_x509_certificates)
    lists = _read(REVOCATION_NAME, entries, lambda pem: load_lists([pem]))
    answers = _answers(entries)
    issuers = [certificate for certificate in certificates if _is_issuer(certificate)]
    anchors = x509.load_pem_x509_certificates(root_pem)
    trust = TrustStore(
        anchors=anchors,
        intermediates=issuers,
        lists=lists,
        answers=tuple(answers.values()),
        policy=TrustPolicy(),
    )
    return trust, {key_id(leaf.public_bytes(Encoding.DER)): (leaf,) for leaf in certificates}, answers


def _answers(entries: Mapping[str, bytes]) -> dict[str, OCSPResponse]:
    """By digest. One that cannot be read is as if it were not there."""
    if ANSWERS_NAME not in entries:
        return {}
    try:
        contents = read_answers(entries[ANSWERS_NAME])
    except RefusedError:
        raise refuse(ErrorCode.CERTIFICATE_MALFORMED, what=ANSWERS_NAME) from None
    read: dict[str, OCSPResponse] = {}
    for digest, content in contents.items():
        with suppress(ValueError):
            read[digest] = read_answer(content)
    return read


def _read(name: str, entries: Mapping[str, bytes], read: Callable[[bytes], T]) -> T:
    if name not in entries:
        raise refuse(ErrorCode.SIGNATURE_INCOMPLETE, part=name)
    try:
        return read(entries[name])
    except Exception as fault:  # the library has other errors than ValueError, InvalidVersion among them
        raise refuse(ErrorCode.CERTIFICATE_MALFORMED, what=name) from fault


def _is_issuer(certificate: x509.Certificate) -> bool:
    check_readable(certificate)
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _check_index(index: Index, sealed: Sealed) -> None:
    """Step (2)."""
    listed = {item.file: item.sha256 for item in index.items} | {part.file: part.sha256 for part in index.supplements}
    if len(listed) != len(index.items) + len(index.supplements) or set(listed) != set(sealed.files) - {INDEX_NAME}:
        wrong = sorted(set(listed) ^ (set(sealed.files) - {INDEX_NAME}))
        raise refuse(ErrorCode.SIGNATURE_INCOMPLETE, part=wrong[0] if wrong else INDEX_NAME)
    for name, digest in listed.items():
        if hashlib.sha256(sealed.files[name].content).hexdigest() != digest:
            raise refuse(ErrorCode.DIGEST_MISMATCH, reference=name, expected=digest, received=sealed.files[name].sha256)
    if [item.number for item in index.items] != list(range(1, len(index.items) + 1)):
        raise refuse(ErrorCode.SCHEMA_INVALID, path="/items", fault="not numbered from 1")
    if any(item.answers is not None and not 1 <= item.answers < item.number for item in index.items):
        raise refuse(ErrorCode.SCHEMA_INVALID, path="/items", fault="an answer before its request")
    if any(later.at < earlier.at for earlier, later in pairwise(index.items)):
        raise refuse(ErrorCode.SCHEMA_INVALID, path="/items", fault="not in order of time")


class _Causes:
    """What a journal line may have come from (6)."""

    def __init__(self, index: Index, lines: Iterable[Line]) -> None:
        messages = [item for item in index.items if item.kind is Kind.MESSAGE]
        came = [item for item in messages if item.direction == "in"]
        signed = [item for item in came if is_signed(item.media_type) and item.signer is not None]
        self._came = {(item.source, item.message_id) for item in came}
        self._signed = {(item.source, item.message_id) for item in signed}
        self._told = {(item.source, item.message_id) for item in signed if item.signer == item.source}
        self._noted = {(item.source, item.message_id) for item in messages if not is_signed(item.media_type)}
        documents = {item.noun_id for item in index.items if item.kind is Kind.DOCUMENT}
        sealed = (line for line in lines if line.event == "Sealed" and line.noun_id in documents)
        self._told |= {(line.cause_source, line.cause_id) for line in sealed}
        self._seqs = {f"{line.noun}.{line.noun_id}.{line.version}": line.seq for line in lines}
        self._long = {(line.noun, line.version) for line in lines if len(line.noun_id) > _READABLE_MAX_CHARS}

    def has(self, line: Line) -> bool:
        """A message signed by whom it is said to be from, or a document; else what that kind of line may come from.

        A recipient signs his acknowledgement under his own code, which need not be our name for him; where a record was
        written is our own note. Timers, and what could not be delivered, come from the line that ordered them. A
        deficiency is what we found in a message that we did not believe.
        """
        cause = (line.cause_source, line.cause_id)
        if cause in self._told:
            return True
        if line.event == "DeliveryAcknowledged":
            return cause in self._signed or cause in self._noted
        return self._is_ordered(line) or (line.noun == "deficiency" and cause in self._came)

    def _is_ordered(self, line: Line) -> bool:
        """Timers and deliveries are named by the line that ordered them (`ids.delivery_id`), always an earlier one."""
        ordered_by, _, _ = line.cause_id.rpartition(".")
        if ordered_by in self._seqs:
            return self._seqs[ordered_by] < line.seq
        noun, version = line.cause_id.partition(".")[0], line.cause_id.rpartition(".")[2]
        return version.isdigit() and (noun, int(version)) in self._long


def _name(item: Item) -> str:
    parts = (item.direction, item.source or item.noun_id, item.message_id)
    return f"{item.file} {item.at:%Y-%m-%d %H:%M:%S}Z " + " ".join(part for part in parts if part)


def _entry(line: Line) -> JournalEntry:
    return JournalEntry(
        noun=line.noun,
        noun_id=line.noun_id,
        version=line.version,
        lot_id=line.lot_id,
        owner=line.owner,
        at=line.at,
        event=line.event,
        before=line.before,
        after=line.after,
        cause_source=line.cause_source,
        cause_id=line.cause_id,
        data=line.data,
        prev_hash=bytes.fromhex(line.prev_hash),
        hash=bytes.fromhex(line.hash),
        bound=line.bound,
    )


def _last_hash(chain: list[Line]) -> str:
    return chain[-1].hash if chain else ""


def _fault(code: ErrorCode, **facts: str) -> Refusal:
    return Refusal(code=code, facts=facts)
