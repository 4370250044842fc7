"""Ids derived from what they name, so that the same cause always gives the same id and a resend cannot invent one."""

from __future__ import annotations

import hashlib
import re
from datetime import date

_END_TO_END_MAX = 35  # ISO 20022 Max35Text
_READABLE = re.compile(r"[A-Za-z0-9.\-]{1,35}")
_DELIVERY_MAX = 64  # what callbacks allow an id (contracts.fields)
_COUNTER = 10**15


def message_id(address: str, day: date, seed: str) -> str:
    """33 characters: 12-character address, yyMMdd, 15 digits (facts.md: a guess; address is configuration)."""
    digest = hashlib.sha256(seed.encode()).digest()
    return f"{address}{day:%y%m%d}{int.from_bytes(digest[:12], 'big') % _COUNTER:015d}"


def end_to_end_id(payment_id: str) -> str:
    """The payment's own id where it fits ISO's 35 characters, otherwise a digest of it."""
    if _READABLE.fullmatch(payment_id):
        return payment_id
    return "E" + hashlib.sha256(payment_id.encode()).hexdigest()[: _END_TO_END_MAX - 1]


def delivery_id(noun: str, noun_id: str, version: int, part: str | int) -> str:
    """The id of what a noun sends at a version: readable where it fits 64 characters, otherwise ending in a digest."""
    readable = f"{noun}.{noun_id}.{version}.{part}"
    if len(readable) <= _DELIVERY_MAX:
        return readable
    return f"{noun}.{hashlib.sha256(readable.encode()).hexdigest()[:40]}.{version}"
