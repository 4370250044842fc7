"""Receipts coming back: read from their topic, verified, told to the protocol, and only then committed.

A receipt is judged in this order
  (1) its headers are those of a receipt;
  (2) it is one XML document within its limits, by the schema;
  (3) its enveloped signature holds, the signer is one of the ministries and the authority the document names,
      and what is expected of that ministry is kept;
  (4) the engine accepts it.
What fails (1) to (4) for good is reported once and passed over, so that it never holds back other ministries' receipts:
also one for a protocol that somebody changed in the store, which has its own alarm. What fails because our house is not
ready is tried again and not committed.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.mapping import SignedReceipt, receipt_message
from adapters.ministries.reader import Reader, ReaderSettings, ReadRecord
from certs.expectations import STRICT, Expected
from certs.trust import TrustStore
from certs.xmldsig import verify_enveloped
from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError, refuse
from contracts.events.protocols import read_receipt as read_record
from contracts.events.topics import protocol_topics, receipts_topic
from contracts.receipt.codec import LIMITS, check_receipt, read_receipt
from contracts.xml import parse_xml
from gateway.ports import Message, Receiver
from gateway.wire.identity import Identity

_NOT_READY = frozenset({ErrorCode.OVERLOADED, ErrorCode.STORE_UNAVAILABLE})  # not INTERNAL, which time does not mend
_ROOT = "."
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRecord:
    """A receipt that was passed over, for the journal. `signer` is the ministry, where its signature held."""

    refusal: Refusal
    record: ReadRecord
    signer: str | None = None

    @property
    def place(self) -> str:
        """Topic, partition and offset: its identity."""
        return f"{self.record.topic}/{self.record.partition}/{self.record.offset}"


OnRefusedRecord = Callable[[RefusedRecord], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptsSettings:
    """Which topic and group, and whose receipts are believed."""

    kafka: KafkaSettings
    topic: str = field(default_factory=lambda: receipts_topic().name)
    group: str = "eherrac-gateway.receipts"
    ministries: frozenset[str] = field(default_factory=lambda: frozenset(protocol_topics()))
    expected: Expected = STRICT  # of their signatures


class ReceiptsConsumer:
    """Our side of the receipts topic. `on_refusal` must have journalled the record when it returns."""

    def __init__(
        self,
        settings: ReceiptsSettings,
        identity: Callable[[], Identity],
        receiver: Receiver,
        *,
        clock: Callable[[], datetime],
        on_refusal: OnRefusedRecord,
    ) -> None:
        self._settings, self._identity, self._receiver = settings, identity, receiver
        self._clock, self._on_refusal = clock, on_refusal
        reading = ReaderSettings(kafka=settings.kafka, topic=settings.topic, group=settings.group)
        self.reader = Reader(reading, self._handle)

    async def start(self) -> None:
        """Begin reading; returns at once. `reader.reading` says when the topic is being read."""
        await self.reader.start()

    async def close(self) -> None:
        """Stop reading."""
        await self.reader.close()

    async def _handle(self, record: ReadRecord) -> None:
        signer = None
        try:
            message = self._judged(record)
            signer = message.source
            await self._receiver.receive(message)
        except RefusedError as error:
            if error.refusal.code in _NOT_READY:
                raise
            await self._on_refusal(RefusedRecord(refusal=error.refusal, record=record, signer=signer))

    def _judged(self, record: ReadRecord) -> Message:
        """What the record says. A fault of ours in reading it would come again each time: it is passed over too."""
        settings, trust = self._settings, self._identity().trust
        try:
            return judge_receipt(record, trust, settings.ministries, at=self._clock(), expected=settings.expected)
        except RefusedError:
            raise
        except Exception as error:
            _log.exception("a receipt could not be read: %s/%s/%s", record.topic, record.partition, record.offset)
            raise refuse(ErrorCode.SCHEMA_INVALID, path="/", fault="unreadable to us") from error


def judge_receipt(
    record: ReadRecord, trust: TrustStore, ministries: frozenset[str], *, at: datetime, expected: Expected = STRICT
) -> Message:
    """Steps (1) to (3): what the record says, or why it is not believed.

    Raises:
        RefusedError: those of the headers, of XML, of the schema, of the signature; PARTICIPANT_UNKNOWN when the signer
            is no ministry, PARTICIPANT_MISMATCH when it is another than the document names.
    """
    if record.fault is not None:
        raise refuse(ErrorCode.SCHEMA_INVALID, path="/", fault=record.fault)
    document = read_record(record.headers, record.value).document
    root = parse_xml(document, limits=LIMITS)
    check_receipt(root)
    verified = verify_enveloped(root, trust, at=at, signature_parent=_ROOT, expected=expected)
    signer, receipt = verified.signer.participant, read_receipt(root)
    if signer not in ministries:
        raise refuse(ErrorCode.PARTICIPANT_UNKNOWN, participant=signer)
    if signer != receipt.authority:
        raise refuse(ErrorCode.PARTICIPANT_MISMATCH, expected=receipt.authority, received=signer)
    expected.of(signer).check_document_age(receipt.received_at, at)
    return receipt_message(SignedReceipt(receipt=receipt, root=root, verified=verified, document=document))
