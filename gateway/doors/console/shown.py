"""How values are shown: instants in Baku's time, spans in two units, money with the language's separators. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from contracts.instants import instant_of
from gateway.domain.clock import BAKU
from gateway.doors.console.words import text, text_or

_NO_BREAK = "\u00a0"
_SEPARATORS = {"az": ("\u00a0", ","), "en": (",", "."), "ru": ("\u00a0", ",")}  # of thousands, of qəpik
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")
_COMMON_NAME = re.compile(r"(?:^|,)CN=((?:\\.|[^,\\])+)")
_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


def short_name(subject: str) -> str:
    """The common name of a subject written by RFC 4514; anything else as it is."""
    found = _COMMON_NAME.search(subject)
    return re.sub(r"\\(.)", r"\1", found[1]) if found else subject


def moment(at: datetime) -> str:
    """Day and time in Baku, to the second."""
    return at.astimezone(BAKU).strftime("%d.%m.%Y %H:%M:%S")


def moment_utc(at: datetime) -> str:
    """The same in UTC, for the title."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock_time(at: datetime) -> str:
    """The time of day in Baku."""
    return at.astimezone(BAKU).strftime("%H:%M:%S")


def amount(minor: int, currency: str, language: str) -> str:
    """From minor units, never through a float."""
    group, point = _SEPARATORS[language]
    return f"{minor // 100:,}".replace(",", group) + f"{point}{minor % 100:02d}{_NO_BREAK}{currency}"


def span(seconds: float, language: str) -> str:
    """A length of time in its two greatest units."""
    left, parts = max(int(seconds), 0), []
    for unit, length_s in _UNITS:
        count, left = divmod(left, length_s)
        if count:
            parts.append(f"{count}{_NO_BREAK}{text(language, f'unit.{unit}')}")
    return " ".join(parts[:2]) or f"0{_NO_BREAK}{text(language, 'unit.second')}"


def _in_baku(at: datetime, written: str) -> str:
    """A text that only looks like an instant is somebody's text: no page ends because of what a stranger wrote."""
    try:
        return moment(at)
    except OverflowError:
        return written


def fact(value: Any, language: str) -> str:
    """A field of an event as a person reads it."""
    if isinstance(value, Mapping) and value.keys() == {"minor", "currency"}:
        return amount(value["minor"], value["currency"], language)
    if isinstance(value, str):
        at = instant_of(value) if _INSTANT.fullmatch(value) else None
        if at is not None:
            return _in_baku(at, value)
        return text_or(language, f"body.{value}", value)  # what is delivered is named by its kind
    if isinstance(value, Mapping):
        return " ".join(fact(part, language) for part in value.values())
    if isinstance(value, list):
        return "; ".join(fact(part, language) for part in value) or "–"
    return str(value)
