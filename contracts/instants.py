"""Instants as texts of strangers, read in one place."""

from __future__ import annotations

from datetime import UTC, datetime


def instant_of(text: str) -> datetime | None:
    """ISO 8601 with its offset, in UTC; None for no moment of ours.

    What a schema lets through is not always one: an hour 24, a day that no month has, or the calendar's first and last
    hours in a zone that puts them outside of it.
    """
    try:
        moment = datetime.fromisoformat(text)
        return None if moment.utcoffset() is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
