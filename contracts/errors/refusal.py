"""A refusal is a value: a stable code and the facts of this case. Texts come from the catalogue, never from code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.errors.codes import ErrorCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A "no" with its code and facts.

    `facts` fill the placeholders of the catalogue's sentence (for example `path`, `limit_bytes`); they are shown to the
    caller, so they never carry secrets or another participant's data.
    """

    code: ErrorCode
    facts: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """Carries a `Refusal` through code that reads better with an exception (parsers, verification steps)."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def refuse(code: ErrorCode, **facts: object) -> RefusedError:
    """Build the exception for `raise refuse(ErrorCode.X, path=...)`."""
    return RefusedError(Refusal(code=code, facts={key: str(value) for key, value in facts.items()}))
