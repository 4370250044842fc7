"""The index of an evidence file (`index.json`) and the journal's lines (`journal.jsonl`): what lies in it, in order.

Every file of the container but the index itself stands in the index with its digest. Instants keep their microseconds,
because the journal's hashes cover them.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainSerializer

from contracts.fields import Instant, WireModel, validated
from contracts.json import JsonLimits, parse_json

INDEX_NAME: Final = "index.json"
JOURNAL_NAME: Final = "journal.jsonl"
CERTIFICATES_NAME: Final = "certificates.pem"
REVOCATION_NAME: Final = "revocation.pem"
STAMPS_NAME: Final = "stamps.json"
ANSWERS_NAME: Final = "ocsp.json"
JSON_TYPE: Final = "application/json"
PEM_TYPE: Final = "application/x-pem-file"
LINES_TYPE: Final = "application/jsonl"

_INDEX_LIMITS = JsonLimits(body_max_bytes=16_777_216)
_LINE_LIMITS = JsonLimits(body_max_bytes=1_048_576)


def _micros(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _direction(value: Any) -> Any:
    return Direction(value) if value in list(Direction) else value


def _kind(value: Any) -> Any:
    return Kind(value) if value in list(Kind) else value


class Direction(StrEnum):
    """Which way bytes passed."""

    IN = "in"
    OUT = "out"


class Kind(StrEnum):
    """What a file is."""

    MESSAGE = "message"  # the exact bytes that passed, with their signature
    DOCUMENT = "document"  # a sealed container of ours, such as the protocol


Moment = Annotated[Instant, PlainSerializer(_micros, return_type=str, when_used="json")]
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class Item(WireModel):
    """One file about the lot. `at` is when it was booked; `answers` the number of the request it answers.

    `judged_by` names the OCSP answers that were known of the signer when it passed; where lists judged there are none.
    """

    number: Annotated[int, Field(ge=1)]
    at: Moment
    kind: Annotated[Kind, BeforeValidator(_kind)]
    file: FileName
    media_type: str
    sha256: Hex
    noun: str
    noun_id: str
    direction: Annotated[Direction, BeforeValidator(_direction)] | None = None
    source: str | None = None  # who the message concerned: its sender, or its recipient
    message_id: str | None = None
    signer: str | None = None  # whose signature was verified when it passed
    certificate_sha256: Hex | None = None
    answers: int | None = None
    judged_by: Annotated[tuple[Hex, ...], Field(strict=False)] = ()  # OCSP answers of that moment, by digest


class NounHead(WireModel):
    """A noun as it stands: its journal chain has `version` lines and ends with `head_hash`."""

    noun: str
    id: str
    state: str
    version: Annotated[int, Field(ge=1)]
    head_hash: Hex


class Supplement(WireModel):
    """A file that serves the verification of the others."""

    file: FileName
    sha256: Hex


class Index(WireModel):
    """Everything that lies in the container; `items` in order of time."""

    version: Annotated[int, Field(ge=1, le=1)] = 1
    lot_id: str
    exported_at: Moment
    exported_by: str  # participant code of the one who seals
    items: Annotated[tuple[Item, ...], Field(strict=False)]
    nouns: Annotated[tuple[NounHead, ...], Field(strict=False)]
    supplements: Annotated[tuple[Supplement, ...], Field(strict=False)]


class Line(WireModel):
    """One journal line with everything its hash covers, and its place in the whole journal (`seq`).

    `bound` is there from schema v0011 on: digests of what the line's step wrote besides (docs/evidence.md).
    """

    seq: int
    noun: str
    noun_id: str
    version: int
    lot_id: str
    owner: str
    at: Moment
    event: str
    before: str | None
    after: str
    cause_source: str
    cause_id: str
    data: str
    prev_hash: Hex
    hash: Hex
    bound: str | None = None


def write_index(index: Index) -> bytes:
    """Readable JSON."""
    return json.dumps(index.model_dump(mode="json"), ensure_ascii=False, indent=1).encode()


def read_index(content: bytes) -> Index:
    """The index.

    Raises:
        RefusedError: JSON_MALFORMED, SCHEMA_INVALID, TIME_INVALID, BODY_TOO_LARGE.
    """
    return validated(Index, parse_json(content, _INDEX_LIMITS))


def write_lines(lines: list[Line]) -> bytes:
    """A line of JSON each."""
    texts = (json.dumps(line.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":")) for line in lines)
    return "".join(f"{text}\n" for text in texts).encode()


def read_lines(content: bytes) -> list[Line]:
    """The lines.

    Raises:
        RefusedError: as `read_index`.
    """
    return [validated(Line, parse_json(text, _LINE_LIMITS)) for text in content.splitlines()]


def index_schema() -> dict[str, Any]:
    """The JSON Schema of `index.json`."""
    return Index.model_json_schema(by_alias=True) | {"$schema": "https://json-schema.org/draft/2020-12/schema"}
