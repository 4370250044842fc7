"""The time-stamps of an evidence file (`stamps.json`): tokens over Merkle roots, and each line's way up to one."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer

from contracts.evidence.model import Hex
from contracts.fields import WireModel, validated
from contracts.json import JsonLimits, parse_json

_LIMITS = JsonLimits(body_max_bytes=67_108_864)
_PROOF_MAX = 64


def _octets(value: Any) -> Any:
    return b64decode(value, validate=True) if isinstance(value, str) else value


def _text(value: bytes) -> str:
    return b64encode(value).decode()


Octets = Annotated[bytes, BeforeValidator(_octets), PlainSerializer(_text, return_type=str, when_used="json")]


class StampedLine(WireModel):
    """The journal line `seq` is the leaf `index` of the stamp's tree; `proof` leads from it to the root."""

    seq: int
    index: Annotated[int, Field(ge=0)]
    proof: Annotated[tuple[Hex, ...], Field(strict=False, max_length=_PROOF_MAX)]


class TimeStamp(WireModel):
    """A token (RFC 3161, DER) over the root of a tree of `size` leaves."""

    root: Hex
    size: Annotated[int, Field(ge=1)]
    token: Octets
    lines: Annotated[tuple[StampedLine, ...], Field(strict=False)]


class TimeStamps(WireModel):
    """All stamps over lines of the lot."""

    stamps: Annotated[tuple[TimeStamp, ...], Field(strict=False)]


def write_stamps(stamps: TimeStamps) -> bytes:
    """JSON."""
    return json.dumps(stamps.model_dump(mode="json"), separators=(",", ":")).encode()


def read_stamps(content: bytes) -> TimeStamps:
    """The stamps.

    Raises:
        RefusedError: JSON_MALFORMED, SCHEMA_INVALID, BODY_TOO_LARGE.
    """
    return validated(TimeStamps, parse_json(content, _LIMITS))
