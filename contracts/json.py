"""The one entry for JSON from outside: bytes in, plain values out, or a refusal that says what was wrong.

Refused: anything but UTF-8, a repeated key (two readers could see two messages), NaN and Infinity, nesting beyond the
limit, NUL and lone surrogates (no store keeps them), bodies beyond the limit. Fractions are read as `Decimal`, so no
float ever carries money.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonLimits:
    """How much is read: the largest real message is about 4 kB and 5 levels deep."""

    body_max_bytes: int = 1_048_576
    depth_max: int = 16


DEFAULT = JsonLimits()
_NUMBER_MAX_CHARS = 64
_NOT_KEPT = re.compile("[\\x00\\ud800-\\udfff\\ufffe\\uffff]")  # what XML cannot say could be neither paid nor drawn up


def parse_json(data: bytes, limits: JsonLimits = DEFAULT) -> Any:
    """Read one JSON text.

    Raises:
        RefusedError: BODY_TOO_LARGE, or JSON_MALFORMED with the fault.
    """
    if len(data) > limits.body_max_bytes:
        raise refuse(ErrorCode.BODY_TOO_LARGE, limit_bytes=limits.body_max_bytes)
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_whole,
            parse_float=_fraction,
        )
        _inspect(value, limits.depth_max)
    except UnicodeDecodeError as error:
        raise refuse(ErrorCode.JSON_MALFORMED, fault=f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise refuse(
            ErrorCode.JSON_MALFORMED, fault=f"{error.msg} at line {error.lineno} column {error.colno}"
        ) from error
    except RecursionError as error:
        raise refuse(ErrorCode.JSON_MALFORMED, fault=_too_deep(limits.depth_max)) from error
    except ValueError as error:
        raise refuse(ErrorCode.JSON_MALFORMED, fault=str(error)) from error
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return members


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _whole(digits: str) -> int:
    if len(digits) > _NUMBER_MAX_CHARS:
        raise ValueError("a number of too many digits")
    return int(digits)


def _fraction(text: str) -> Decimal:
    if len(text) > _NUMBER_MAX_CHARS:
        raise ValueError("a number of too many digits")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("a number beyond every limit") from None


def _inspect(value: Any, depth_left: int) -> None:
    if isinstance(value, str):
        return _inspect_text(value)
    if not isinstance(value, dict | list):
        return None
    if depth_left == 0:
        raise ValueError("nested too deeply")
    for key, member in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(key, str):
            _inspect_text(key)
        _inspect(member, depth_left - 1)
    return None


def _inspect_text(text: str) -> None:
    if _NOT_KEPT.search(text) is not None:
        raise ValueError("a text holds NUL, half a surrogate pair, U+FFFE or U+FFFF")


def _too_deep(depth_max: int) -> str:
    return f"nested more than {depth_max} deep"
