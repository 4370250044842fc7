"""The records of the Kafka topics as CloudEvents 1.0 in binary mode (Kafka protocol binding 1.0.2).

Attributes travel as headers `ce_<name>` in UTF-8, the media type as `content-type`, the document alone is the value,
the lot's id the key. Reading is strict: every attribute is needed, once, and what we do not know is ignored, as
CloudEvents asks. The value's digest is an attribute, so that a reader sees damage before opening it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse

PROTOCOL_TYPE: Final = "az.eherrac.protocol.issued.v1"
PROTOCOL_MEDIA_TYPE: Final = "application/vnd.etsi.asic-e+zip"
RECEIPT_TYPE: Final = "az.eherrac.protocol.receipted.v1"
RECEIPT_MEDIA_TYPE: Final = "application/xml"
REFUSAL_TYPE: Final = "az.eherrac.receipt.refused.v1"
SPEC_VERSION: Final = "1.0"

Headers = list[tuple[str, bytes]]

_PREFIX: Final = "ce_"
_CONTENT_TYPE: Final = "content-type"
_HEADER_MAX_BYTES: Final = 512  # the longest real one, a protocol's number or id, is under 120
_HEADERS_MAX: Final = 32
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolIssued:
    """A sealed protocol for one ministry. `id` is constant over all resends: the reader drops what it has seen."""

    id: str
    source: str  # participant code of the gateway
    lot_id: str
    time: datetime
    protocol_id: str
    number: str
    result: str  # sold, claimant_acquired or not_held
    container: bytes
    sha256: str = ""  # hex, of the container; who has taken it of these very bytes says so: a record's dearest part

    def __post_init__(self) -> None:
        if not self.sha256:
            object.__setattr__(self, "sha256", hashlib.sha256(self.container).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolReceipted:
    """A ministry's signed receipt on its way to us. The attributes are a label; only the signed document counts."""

    id: str
    source: str  # participant code of the ministry
    lot_id: str
    time: datetime
    document: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalTold:
    """A signed word to a ministry that a receipt of its was refused. `id` is constant for a refused record."""

    id: str
    source: str  # participant code of the gateway
    lot_id: str  # the refused record's key; its place where it had none
    time: datetime
    code: str


_Event = ProtocolIssued | ProtocolReceipted | RefusalTold


def write_protocol(event: ProtocolIssued) -> Headers:
    """The headers of a protocol record."""
    own = {"protocolid": event.protocol_id, "number": event.number, "result": event.result, "sha256": event.sha256}
    return _headers(event, PROTOCOL_TYPE, PROTOCOL_MEDIA_TYPE, own)


def read_protocol(headers: Iterable[tuple[str, bytes]], value: bytes) -> ProtocolIssued:
    """Read a protocol record.

    Raises:
        RefusedError: CONTENT_TYPE, OPERATION_UNKNOWN (another type), SCHEMA_INVALID with the header's name,
            TIME_INVALID, DIGEST_MISMATCH.
    """
    found = _attributes(headers, PROTOCOL_TYPE, PROTOCOL_MEDIA_TYPE)
    event = ProtocolIssued(
        id=_need(found, "id"),
        source=_need(found, "source"),
        lot_id=_need(found, "subject"),
        time=_moment(found),
        protocol_id=_need(found, "protocolid"),
        number=_need(found, "number"),
        result=_need(found, "result"),
        container=value,
    )
    claimed = _need(found, "sha256")
    if _SHA256.fullmatch(claimed) is None:
        raise refuse(ErrorCode.SCHEMA_INVALID, path="/ce_sha256", fault="64 lower-case hexadecimal digits are wanted")
    if claimed != event.sha256:
        raise refuse(ErrorCode.DIGEST_MISMATCH, reference="ce_sha256", expected=claimed, received=event.sha256)
    return event


def write_receipt(event: ProtocolReceipted) -> Headers:
    """The headers of a receipt record."""
    return _headers(event, RECEIPT_TYPE, RECEIPT_MEDIA_TYPE, {})


def read_receipt(headers: Iterable[tuple[str, bytes]], value: bytes) -> ProtocolReceipted:
    """Read a receipt record, not yet its document.

    Raises:
        RefusedError: as `read_protocol`.
    """
    found = _attributes(headers, RECEIPT_TYPE, RECEIPT_MEDIA_TYPE)
    return ProtocolReceipted(
        id=_need(found, "id"),
        source=_need(found, "source"),
        lot_id=_need(found, "subject"),
        time=_moment(found),
        document=value,
    )


def write_refusal(event: RefusalTold) -> Headers:
    """The headers of a record that tells of a refused receipt."""
    return _headers(event, REFUSAL_TYPE, RECEIPT_MEDIA_TYPE, {"code": event.code})


def _headers(event: _Event, kind: str, media_type: str, own: Mapping[str, str]) -> Headers:
    attributes = {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": event.source,
        "type": kind,
        "subject": event.lot_id,
        "time": event.time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        **own,
    }
    headers = [(_PREFIX + name, value.encode()) for name, value in attributes.items()]
    return [*headers, (_CONTENT_TYPE, media_type.encode())]


def _attributes(headers: Iterable[tuple[str, bytes]], kind: str, media_type: str) -> dict[str, str]:
    found = _decoded(list(headers))
    if found.get(_CONTENT_TYPE) != media_type:
        raise refuse(ErrorCode.CONTENT_TYPE, expected=media_type, received=found.get(_CONTENT_TYPE, ""))
    attributes = {name.removeprefix(_PREFIX): text for name, text in found.items() if name.startswith(_PREFIX)}
    if _need(attributes, "specversion") != SPEC_VERSION:
        raise refuse(ErrorCode.SCHEMA_INVALID, path="/ce_specversion", fault=f"{SPEC_VERSION} is wanted")
    if _need(attributes, "type") != kind:
        raise refuse(ErrorCode.OPERATION_UNKNOWN, operation=attributes["type"])
    return attributes


def _decoded(headers: list[tuple[str, bytes]]) -> dict[str, str]:
    if len(headers) > _HEADERS_MAX:
        raise refuse(ErrorCode.SCHEMA_INVALID, path="/", fault=f"more than {_HEADERS_MAX} headers")
    found: dict[str, str] = {}
    for name, value in headers:
        if name in found:
            raise refuse(ErrorCode.SCHEMA_INVALID, path=f"/{name}", fault="the header stands twice")
        found[name] = _text(name, value)
    return found


def _text(name: str, value: bytes | None) -> str:
    if value is None or len(value) > _HEADER_MAX_BYTES:
        raise refuse(ErrorCode.SCHEMA_INVALID, path=f"/{name}", fault=f"1 to {_HEADER_MAX_BYTES} bytes are wanted")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise refuse(ErrorCode.SCHEMA_INVALID, path=f"/{name}", fault="not UTF-8") from None


def _need(attributes: Mapping[str, str], name: str) -> str:
    text = attributes.get(name, "")
    if not text:
        raise refuse(ErrorCode.SCHEMA_INVALID, path=f"/{_PREFIX}{name}", fault="the attribute is missing or empty")
    return text


def _moment(attributes: Mapping[str, str]) -> datetime:
    text = _need(attributes, "time")
    if _MOMENT.fullmatch(text) is None:
        raise refuse(ErrorCode.TIME_INVALID, path=f"/{_PREFIX}time")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise refuse(ErrorCode.TIME_INVALID, path=f"/{_PREFIX}time") from None
