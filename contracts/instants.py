"""Instants as texts of strangers, read in one place."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_OFFSET = re.compile(r"(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)\Z", re.ASCII)  # as in XML Schema: 14 hours at most


def instant_of(text: str) -> datetime | None:
    """ISO 8601 with its offset, in UTC; None for no moment of ours.

    What a schema lets through is not always one: an hour 24, a day that no month has, or the calendar's first and last
    hours in a zone that puts them outside of it. Nor is all that Python reads: +04:60 is 05:00 to it alone.
    """
    if _OFFSET.search(text) is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
