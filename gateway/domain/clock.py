"""Time in the domain: aware UTC instants given as arguments, and Azerbaijani business days given as data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

BAKU = ZoneInfo("Asia/Baku")

IsBusinessDay = Callable[[date], bool]


def aware(moment: datetime) -> datetime:
    """Return the instant in UTC.

    Raises:
        ValueError: a naive datetime; nobody guesses its zone.
    """
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueError("a date-time without an offset is refused")
    return moment.astimezone(UTC)


def format_instant(moment: datetime) -> str:
    """Write an instant as RFC 3339 in UTC with milliseconds."""
    return aware(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local_date(moment: datetime) -> date:
    """The calendar day in Baku."""
    return aware(moment).astimezone(BAKU).date()


def add_business_days(start: datetime, days: int, is_business_day: IsBusinessDay) -> datetime:
    """The end (24:00 in Baku) of the n-th business day after the day of `start` (EHR-6)."""
    day, left = local_date(start), days
    while left:
        day += timedelta(days=1)
        if is_business_day(day):
            left -= 1
    return end_of_day(day)


def add_calendar_days(start: datetime, days: int) -> datetime:
    """The end (24:00 in Baku) of the n-th calendar day after the day of `start` (EHR-13)."""
    return end_of_day(local_date(start) + timedelta(days=days))


def at_local_time(day: date, at: time) -> datetime:
    """A time of a day in Baku, as a UTC instant."""
    return datetime.combine(day, at, BAKU).astimezone(UTC)


def end_of_day(day: date) -> datetime:
    """Midnight that ends `day` in Baku, as a UTC instant."""
    return datetime.combine(day + timedelta(days=1), time(), BAKU).astimezone(UTC)
