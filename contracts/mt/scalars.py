"""Single values of MT fields: references, value date with currency and amount, institutions. Pure.

Raises:
    RefusedError: SCHEMA_INVALID, AMOUNT_INVALID or TIME_INVALID with the field as path.
"""

from __future__ import annotations

import re
from datetime import date, datetime

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse

_REFERENCE = re.compile(r"(?!/)(?!.*//)[A-Za-z0-9/\-?:().,'+ ]{1,16}(?<!/)")
_VALUE = re.compile(r"([0-9]{6})AZN([0-9]{1,12}),([0-9]{0,2})")
_INSTITUTION = re.compile(r"(?:/([A-Z0-9]{1,34})\r\n)?([A-Z]{4}AZ[A-Z0-9]{2}(?:[A-Z0-9]{3})?)")


def read_reference(text: str, tag: str) -> str:
    """At most 16 characters, no slash at either end and no double one."""
    if _REFERENCE.fullmatch(text) is None:
        raise refuse(ErrorCode.SCHEMA_INVALID, path=f":{tag}:", fault="not a reference of 16 characters")
    return text


def write_value(day: date, minor: int) -> str:
    """`261122AZN1234,50`."""
    return f"{day:%y%m%d}AZN{minor // 100},{minor % 100:02d}"


def read_value(text: str, tag: str) -> tuple[date, int]:
    """Value date and amount in qəpik, above zero."""
    match = _VALUE.fullmatch(text)
    minor = int(match[2]) * 100 + int((match[3] + "00")[:2]) if match else 0
    if match is None or minor <= 0:
        raise refuse(ErrorCode.AMOUNT_INVALID, path=f":{tag}:")
    try:
        return datetime.strptime(match[1] + "+0000", "%y%m%d%z").date(), minor
    except ValueError:
        raise refuse(ErrorCode.TIME_INVALID, path=f":{tag}:") from None


def write_institution(bic: str, account: str | None = None) -> str:
    """`/ACCOUNT` on a line of its own where there is one, then the BIC."""
    return f"/{account}\r\n{bic}" if account else bic


def read_institution(text: str, tag: str) -> tuple[str | None, str]:
    """Account, if named, and BIC."""
    match = _INSTITUTION.fullmatch(text)
    if match is None:
        raise refuse(ErrorCode.SCHEMA_INVALID, path=f":{tag}:", fault="not an institution of Azerbaijan")
    return match[1], match[2]
