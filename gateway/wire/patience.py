"""How long a counterparty asks to be left alone: `Retry-After` of RFC 9110, 10.2.3."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

RETRY_AFTER_MAX_S = 3_600.0  # however long it asks for, we look again within the hour
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT", re.ASCII)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds, 0 to `RETRY_AFTER_MAX_S`; None where it asks for nothing that can be read.

    A moment is taken from the answer's own Date, so that nobody's clock matters. `headers` by lower-case name.
    """
    text = headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_MAX_S)
    until, now = _moment(text), _moment(headers.get("date", ""))
    if until is None or now is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)


def _moment(text: str) -> datetime | None:
    if _HTTP_DATE.fullmatch(text) is None:
        return None
    try:
        return parsedate_to_datetime(text)
    except ValueError:  # no such day
        return None
