"""A ministry as a program of its own: reads its topic, opens and verifies each protocol, answers with a signed receipt.

A record that came before is answered with the receipt it got before, and stored once. The faults in the settings show
what our side makes of a ministry that is silent, repeats itself, or signs badly.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from lxml import etree

from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.publisher import Publisher, PublisherSettings, Record
from adapters.ministries.reader import Reader, ReaderSettings, ReadRecord
from certs.asice import Sealed, open_sealed
from certs.xmldsig import sign_enveloped
from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError, refuse
from contracts.events.protocols import ProtocolIssued, ProtocolReceipted, read_protocol, write_receipt
from contracts.events.topics import protocol_topics, receipts_topic
from contracts.receipt.codec import Receipt, build_receipt
from gateway.wire.identity import Identity

_log = logging.getLogger(__name__)
_UNSAFE = re.compile(r"[^\w.-]+")


class Answering(StrEnum):
    """How this ministry answers."""

    ONCE = "once"
    NEVER = "never"  # no receipt at all
    TWICE = "twice"  # the same receipt two times
    BADLY_SIGNED = "badly_signed"  # changed after it was signed


@dataclass(frozen=True, slots=True, kw_only=True)
class MinistrySandboxSettings:
    """One ministry; its participant code stands in its identity's certificate and chooses its declared topic.

    `topic` and `receipts` name others where one cluster serves several environments.
    """

    identity: Callable[[], Identity]
    kafka: KafkaSettings
    topic: str | None = None
    receipts: str = field(default_factory=lambda: receipts_topic().name)
    folder: Path | None = None  # where containers are kept, if at all
    answering: Answering = Answering.ONCE
    answer_after_s: float = 0.0
    gateway_participant: str = "GATEWAY"
    connect_s: float = 5.0

    @property
    def code(self) -> str:
        """Participant code of this ministry."""
        return self.identity().credential.participant

    @property
    def reads(self) -> str:
        """The topic it reads."""
        return self.topic or protocol_topics()[self.code].name

    @property
    def group(self) -> str:
        """The consumer group it reads as."""
        return f"{self.reads}.{self.code.lower()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenIn:
    """A protocol this ministry has: the event, what the container holds, and the receipt's bytes."""

    event: ProtocolIssued
    sealed: Sealed
    receipt: bytes


@dataclass(slots=True)
class Registry:
    """What the ministry remembers, by CloudEvents id."""

    taken_in: dict[str, TakenIn] = field(default_factory=dict)
    repeated: int = 0
    refused: list[Refusal] = field(default_factory=list)


class MinistrySandbox:
    """The program. `start` returns when its topic is being read, or after `connect_s` if the cluster is not there."""

    def __init__(
        self, settings: MinistrySandboxSettings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings, self._clock = settings, clock
        self.registry = Registry()
        reading = ReaderSettings(kafka=settings.kafka, topic=settings.reads, group=settings.group)
        self.reader = Reader(reading, self._handle)
        self._publisher = Publisher(PublisherSettings(kafka=settings.kafka))

    @property
    def address(self) -> str:
        """Where it can be met: a topic of a cluster."""
        return f"kafka://{self._settings.kafka.bootstrap_servers}/{self._settings.reads}"

    async def start(self) -> None:
        """Begin reading."""
        await self.reader.start()
        try:
            await asyncio.wait_for(self.reader.reading.wait(), self._settings.connect_s)
        except TimeoutError:
            _log.warning("%s does not read its topic yet", self._settings.code)

    async def close(self) -> None:
        """Stop reading and answering."""
        await self.reader.close()
        await self._publisher.close()

    async def _handle(self, record: ReadRecord) -> None:
        try:
            if record.fault is not None:
                raise refuse(ErrorCode.SCHEMA_INVALID, path="/", fault=record.fault)
            event = read_protocol(record.headers, record.value)
            taken_in = await self._take_in(event)
        except RefusedError as error:
            _log.warning("%s refuses a record: %s %s", self._settings.code, error.refusal.code, error.refusal.facts)
            self.registry.refused.append(error.refusal)
            return
        await self._answer(taken_in)

    async def _take_in(self, event: ProtocolIssued) -> TakenIn:
        known = self.registry.taken_in.get(event.id)
        if known is not None:
            self.registry.repeated += 1
            return known
        sealed = self._opened(event)
        if self._settings.folder is not None:
            await asyncio.to_thread(_store, self._settings.folder, event)
        taken_in = TakenIn(event=event, sealed=sealed, receipt=self._receipt(event))
        self.registry.taken_in[event.id] = taken_in
        return taken_in

    def _opened(self, event: ProtocolIssued) -> Sealed:
        sealed = open_sealed(event.container, self._settings.identity().trust, at=self._clock())
        signer = sealed.verified.signer.participant
        if signer != self._settings.gateway_participant:
            raise refuse(ErrorCode.PARTICIPANT_MISMATCH, expected=self._settings.gateway_participant, received=signer)
        return sealed

    def _receipt(self, event: ProtocolIssued) -> bytes:
        root = build_receipt(
            Receipt(
                receipt_id=f"{self._settings.code}-{hashlib.sha256(event.id.encode()).hexdigest()[:20]}",
                protocol_number=event.number,
                protocol_id=event.protocol_id,
                container_sha256=event.sha256,
                authority=self._settings.code,
                received_at=self._clock(),
            )
        )
        sign_enveloped(root, self._settings.identity().credential, into=root)
        document = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
        if self._settings.answering is Answering.BADLY_SIGNED:
            return document.replace(event.number.encode(), event.number.encode() + b"0", 1)
        return document

    async def _answer(self, taken_in: TakenIn) -> None:
        if self._settings.answering is Answering.NEVER:
            return
        await asyncio.sleep(self._settings.answer_after_s)
        record = self._answer_record(taken_in)
        for _ in range(2 if self._settings.answering is Answering.TWICE else 1):
            await self._publisher.publish(record)

    def _answer_record(self, taken_in: TakenIn) -> Record:
        event = ProtocolReceipted(
            id=f"receipt-{taken_in.event.id}",
            source=self._settings.code,
            lot_id=taken_in.event.lot_id,
            time=self._clock(),
            document=taken_in.receipt,
        )
        return Record(
            topic=self._settings.receipts,
            key=event.lot_id.encode(),
            value=event.document,
            headers=write_receipt(event),
        )


def _store(folder: Path, event: ProtocolIssued) -> None:
    """Under the protocol's number; a name of ours, so that no number can leave the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    name = _UNSAFE.sub("_", event.number).lstrip(".") or "protocol"
    (folder / f"{name}.asice").write_bytes(event.container)
