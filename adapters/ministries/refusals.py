"""Channel `refusals`: a ministry is told, signed, which of its receipts was refused and why.

A receipt whose signature held is answered to its signer. Of any other it is only known whom it names (`ce_source`, or
the document's Authority): that ministry is told too, since a signature that does not hold is its likeliest fault, but
seldom enough that nobody who may write receipts can have us write without end. What is over the quota stands in the
journal like every other refusal, and is not told.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime

from lxml import etree

from adapters.ministries.adapter import outcome_of
from adapters.ministries.publisher import Publisher, PublisherSettings, Record
from adapters.ministries.reader import ReadRecord
from adapters.ministries.receipts import RefusedRecord
from certs.keystore import Credential
from certs.xmldsig import sign_enveloped
from contracts.errors import ErrorCode, Refusal
from contracts.events.protocols import RECEIPT_MEDIA_TYPE, RefusalTold, write_refusal
from contracts.receipt.refusal import ReceiptRefused, build_refusal
from gateway.domain.dispatches import Channel, ReceiptRefusal
from gateway.domain.quota import Bucket, QuotaPolicy, take
from gateway.errors import NotSentError
from gateway.ports import Dispatch, Exhibit, NotSent, Outcome, Refused
from gateway.wire.identity import Identity, check_own_end, signing

SIGNED = QuotaPolicy(rate_per_s=1.0, burst=100)  # of one ministry; its faults are its own, and it is known
CLAIMED = QuotaPolicy(rate_per_s=1 / 30, burst=20)  # naming one ministry; anybody who may write receipts can
_FACT_MAX_CHARS = 300
_AUTHORITY = re.compile(rb"<(?:\w+:)?Authority>\s*([A-Z0-9]{2,20})\s*<")
_KEY = re.compile(r"[\w.:/-]{1,120}")
_log = logging.getLogger(__name__)


class Answers:
    """Which refused records are told to whom; one per process. `ministries` are those that want to be told."""

    def __init__(self, ministries: frozenset[str], *, clock: Callable[[], datetime]) -> None:
        self._ministries, self._clock = ministries, clock
        self._buckets: dict[tuple[str, bool], Bucket] = {}
        self._granted: dict[tuple[str, bool], str] = {}

    def answer(self, refused: RefusedRecord) -> ReceiptRefusal | None:
        """What is told of it; None where nobody is to be told, or nobody any more for now."""
        authority, now = refused.signer or _named(refused.record), self._clock()
        if authority not in self._ministries or not self._take((authority, refused.signer is not None), refused, now):
            return None
        record = refused.record
        return ReceiptRefusal(
            authority=authority,
            record=refused.place,
            record_sha256=hashlib.sha256(record.value).hexdigest(),
            lot_id=_key(record.key),
            is_verified=refused.signer is not None,
            code=refused.refusal.code,
            facts={name: fact[:_FACT_MAX_CHARS] for name, fact in refused.refusal.facts.items()},
            refused_at=now,
        )

    def _take(self, whose: tuple[str, bool], refused: RefusedRecord, now: datetime) -> bool:
        """A token; a record that is dealt with again, since it could not be written down, needs no second one."""
        if self._granted.get(whose) == refused.place:
            return True
        policy = SIGNED if whose[1] else CLAIMED
        self._buckets[whose], wait = take(self._buckets.get(whose), policy, now)
        if wait is not None:
            _log.info("a refusal is not told to %s, too many were: the next in %.0f s", whose[0], wait.total_seconds())
            return False
        self._granted[whose] = refused.place
        return True


class RefusalsAdapter:
    """Writes to the ministries' topics of refusals. `topics` by participant code, `source` our own code."""

    channel = Channel.REFUSALS.value

    def __init__(
        self,
        settings: PublisherSettings,
        topics: Mapping[str, str],
        identity: Callable[[], Identity],
        *,
        clock: Callable[[], datetime],
        source: str = "GATEWAY",
    ) -> None:
        self._topics, self._identity, self._clock, self._source = topics, identity, clock, source
        self._publisher = Publisher(settings)

    async def send(self, dispatch: Dispatch) -> Outcome:
        """Sign and publish one."""
        topic = self._topics.get(dispatch.recipient)
        if topic is None:
            return Refused(code="PARTICIPANT_UNKNOWN", reason=f"no topic of refusals is named for {dispatch.recipient}")
        body, credential = dispatch.body, self._identity().credential
        try:
            check_own_end(credential, self._clock())
        except NotSentError as error:
            return NotSent(reason=error.reason)
        document = await signing(credential, lambda: _signed(body, credential))
        headers = write_refusal(_told(body, self._source))
        record = Record(topic=topic, key=body.lot_id.encode(), value=document, headers=headers)
        [end] = await self._publisher.publish_all([record])
        return outcome_of(record, end, Exhibit(direction="out", media_type=RECEIPT_MEDIA_TYPE, content=document))

    async def close(self) -> None:
        """Close the connections."""
        await self._publisher.close()


def _id(body: ReceiptRefusal) -> str:
    """By the record that was refused, so that it stays the same should that be read and refused again."""
    return f"{body.record}/{body.record_sha256[:16]}"


def _signed(body: ReceiptRefusal, credential: Credential) -> bytes:
    root = build_refusal(
        ReceiptRefused(
            refusal_id=_id(body),
            authority=body.authority,
            record=body.record,
            record_sha256=body.record_sha256,
            signature_held=body.is_verified,
            refused_at=body.refused_at,
            refusal=Refusal(code=ErrorCode(body.code), facts=body.facts),
        )
    )
    sign_enveloped(root, credential, into=root)
    document: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return document


def _told(body: ReceiptRefusal, source: str) -> RefusalTold:
    subject = body.lot_id or body.record
    return RefusalTold(id=_id(body), source=source, lot_id=subject, time=body.refused_at, code=body.code)


def _named(record: ReadRecord) -> str:
    """Whom an unbelieved record names."""
    claimed = dict(record.headers).get("ce_source") or b""
    found = _AUTHORITY.search(record.value)
    return claimed.decode("ascii", "replace") or ("" if found is None else found[1].decode())


def _key(key: bytes) -> str:
    """As the sender wrote it, where it can be a lot's id."""
    text = key.decode("utf-8", "replace")
    return text if _KEY.fullmatch(text) else ""
