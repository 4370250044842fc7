"""Receipts that cannot be accepted, and what their ministry is told of them: what was refused against what was told.

Each is signed as it should be and speaks of a protocol nobody issued: it is refused, and its signer is to hear of it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lxml import etree

from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.publisher import Publisher, PublisherSettings, Record, Written
from certs.xmldsig import sign_enveloped
from contracts.events.protocols import ProtocolReceipted, write_receipt
from contracts.receipt.codec import Receipt, build_receipt
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.wire.identity import Identity

WRONG = "wrong-"  # begins the id of a record that is to be refused
_AGAIN_S = 0.3


@dataclass(slots=True)
class Refusals:
    """As a reader of the topics sees them: refused records and what was told, by the id that the refusal must have."""

    lots: dict[str, str] = field(default_factory=dict)  # of every refused record
    told: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        """The topics are read from their beginning."""
        self.lots.clear()
        self.told.clear()

    def refused(self, record: Any) -> None:
        """A record of the topic of receipts."""
        headers = dict(record.headers)
        if headers["ce_id"].decode().startswith(WRONG):
            place = f"{record.topic}/{record.partition}/{record.offset}"
            self.lots[f"{place}/{hashlib.sha256(record.value).hexdigest()[:16]}"] = record.key.decode()

    def hear(self, record: Any) -> None:
        """A record of the topic of refusals."""
        self.told[dict(record.headers)["ce_id"].decode()] += 1

    def of(self, lots: set[str]) -> set[str]:
        """The ids under which refusals about these lots have to be told."""
        return {id for id, lot in self.lots.items() if lot in lots}


class WrongReceipts:
    """A ministry that sends them."""

    def __init__(
        self, identity: Callable[[], Identity], kafka: KafkaSettings, topic: str, clock: Callable[[], datetime]
    ) -> None:
        self._identity, self._topic, self._clock = identity, topic, clock
        self._publisher = Publisher(PublisherSettings(kafka=kafka))

    async def send(self, lot: str) -> None:
        """One, until the broker has it; a broker that dies may have it twice."""
        record = self._record(lot)
        while not isinstance(await self._written(record), Written):  # noqa: ASYNC110 - tried anew each time
            await asyncio.sleep(_AGAIN_S)

    async def close(self) -> None:
        await self._publisher.close()

    async def _written(self, record: Record) -> Written | None:
        try:
            return await self._publisher.publish(record)
        except (NotSentError, OutcomeUnknownError):
            return None

    def _record(self, lot: str) -> Record:
        credential, now = self._identity().credential, self._clock()
        root = build_receipt(
            Receipt(
                receipt_id=f"{WRONG}{lot}",
                protocol_number=f"2026/{lot}",
                protocol_id=f"{lot}.nobodys",
                container_sha256=hashlib.sha256(lot.encode()).hexdigest(),
                authority=credential.participant,
                received_at=now,
            )
        )
        sign_enveloped(root, credential, into=root)
        document = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
        event = ProtocolReceipted(
            id=f"{WRONG}{lot}", source=credential.participant, lot_id=lot, time=now, document=document
        )
        return Record(topic=self._topic, key=lot.encode(), value=document, headers=write_receipt(event))
