"""The OCSP answers of an evidence file (`ocsp.json`): DER, named by the items with their SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from contracts.evidence.stamps import Octets
from contracts.fields import WireModel, validated
from contracts.json import JsonLimits, parse_json

_LIMITS = JsonLimits(body_max_bytes=67_108_864)


class OcspAnswers(WireModel):
    """All of them, in order of their digests."""

    answers: Annotated[tuple[Octets, ...], Field(strict=False)]


def write_answers(answers: Iterable[bytes]) -> bytes:
    """JSON; each answer once."""
    by_digest = {hashlib.sha256(answer).hexdigest(): answer for answer in answers}
    model = OcspAnswers(answers=tuple(by_digest[digest] for digest in sorted(by_digest)))
    return json.dumps(model.model_dump(mode="json"), separators=(",", ":")).encode()


def read_answers(content: bytes) -> dict[str, bytes]:
    """Answers by their SHA-256 (hexadecimal).

    Raises:
        RefusedError: JSON_MALFORMED, SCHEMA_INVALID, BODY_TOO_LARGE.
    """
    model = validated(OcspAnswers, parse_json(content, _LIMITS))
    return {hashlib.sha256(answer).hexdigest(): answer for answer in model.answers}
