"""How single values are written in ISO 20022: text, instants, days, AZN amounts, IBANs. Pure, a pair of functions each.

Readers run after schema validation, so they only judge what a schema cannot: check digits, calendar, integer qəpik.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from unicodedata import normalize

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.fields import iban_is_valid
from contracts.instants import instant_of

CURRENCY = "AZN"  # AÖS moves nothing else (facts.md)
_AMOUNT = re.compile(r"(?:0|[1-9][0-9]{0,12})(?:\.[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value's two directions; `read` is given the path for its refusal. `attributes` go on the element."""

    write: Callable[[Any], str]
    read: Callable[[str, str], Any]
    attributes: tuple[tuple[str, str], ...] = ()


def write_text(text: str) -> str:
    """Letters as the rail's charset has them: `Ş` may come to us as `S` and a cedilla of its own."""
    return normalize("NFC", text)


def write_amount(minor: int) -> str:
    """Qəpik as `1234.50`."""
    return f"{minor // 100}.{minor % 100:02d}"


def read_amount(text: str, path: str) -> int:
    """`1234.50`, `1234.5` or `1234` as qəpik; above zero, at most two decimals.

    Raises:
        RefusedError: AMOUNT_INVALID with the path.
    """
    major, _, fraction = text.partition(".")
    minor = int(major) * 100 + int((fraction + "00")[:2]) if _AMOUNT.fullmatch(text) else 0
    if minor <= 0:
        raise refuse(ErrorCode.AMOUNT_INVALID, path=path)
    return minor


def read_amount_or_zero(text: str, path: str) -> int:
    """As `read_amount`, and nothing at all is an amount too: a limit or a balance may be zero."""
    return 0 if _AMOUNT.fullmatch(text) and not text.strip("0.") else read_amount(text, path)


def write_instant(moment: datetime) -> str:
    """UTC with milliseconds and Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_instant(text: str, path: str) -> datetime:
    """An instant with its offset.

    Raises:
        RefusedError: TIME_INVALID with the path; a time without an offset is nobody's time.
    """
    moment = instant_of(text)
    if moment is None:
        raise refuse(ErrorCode.TIME_INVALID, path=path)
    return moment


def read_day(text: str, path: str) -> date:
    """A calendar day without zone.

    Raises:
        RefusedError: TIME_INVALID with the path.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise refuse(ErrorCode.TIME_INVALID, path=path) from None


def read_iban(text: str, path: str) -> str:
    """An IBAN of Azerbaijan whose check digits hold.

    Raises:
        RefusedError: IBAN_INVALID with the path.
    """
    if not iban_is_valid(text):
        raise refuse(ErrorCode.IBAN_INVALID, path=path)
    return text


TEXT = Scalar(write_text, lambda text, path: text)
INSTANT = Scalar(write_instant, read_instant)
DAY = Scalar(date.isoformat, read_day)
AZN = Scalar(write_amount, read_amount, attributes=(("Ccy", CURRENCY),))
AZN_OR_ZERO = Scalar(write_amount, read_amount_or_zero, attributes=(("Ccy", CURRENCY),))
IBAN = Scalar(str, read_iban)
NUMBER = Scalar(str, lambda text, path: int(text))
FLAG = Scalar(lambda value: "true" if value else "false", lambda text, path: text in ("true", "1"))
