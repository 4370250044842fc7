"""Money: integer minor units with a currency. No floats anywhere; sums of different currencies are an error."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,14})(?:\.([0-9]{1,2}))?")
_MINOR_PER_MAJOR = 100


class Currency(StrEnum):
    """Currencies the gateway moves. AÖS takes AZN only (facts.md)."""

    AZN = "AZN"  # Azerbaijani manat, 100 qəpik


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """A non-negative amount in minor units (qəpik).

    Raises:
        ValueError: negative, or not an int (bool and float are refused).
    """

    minor: int
    currency: Currency = Currency.AZN

    def __post_init__(self) -> None:
        if type(self.minor) is not int or self.minor < 0:
            raise ValueError(f"money is a non-negative int of minor units, not {self.minor!r}")

    @classmethod
    def parse(cls, text: str, currency: str = "AZN") -> Money:
        """Read `1234.50`: at most two decimals, no sign, no exponent, no leading zeros.

        Raises:
            ValueError: anything else (`1.005`, `-1`, `NaN`, `1e3`, ` 1`), or a currency we do not move.
        """
        match = _DECIMAL.fullmatch(text)
        if match is None:
            raise ValueError("not an amount with at most two decimals")
        major, _, fraction = text.partition(".")
        return cls(int(major) * _MINOR_PER_MAJOR + int((fraction + "00")[:2]), Currency(currency))

    def __str__(self) -> str:
        return f"{self.minor // _MINOR_PER_MAJOR}.{self.minor % _MINOR_PER_MAJOR:02d}"

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def share(self, basis_points: int) -> Money:
        """A percentage in basis points (5 % = 500), half a qəpik rounded up."""
        return Money((self.minor * basis_points + 5_000) // 10_000, self.currency)

    def _same(self, other: Money) -> int:
        if other.currency is not self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add")
        return other.minor


ZERO = Money(0)
