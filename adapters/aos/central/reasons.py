"""Reasons AÖS gives: code, the rule it keeps, and its sentence, from `reasons.toml`."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import resources
from typing import Any

from contracts.iso20022 import Reason, ReasonCode


def reason(code: ReasonCode, detail: str = "") -> Reason:
    """The reason of this code, its rule id first; `detail` is added where the sentence alone does not help."""
    row = _table()[code]
    words = f"{row['rule']}: {row['az']}"
    return Reason(code=code, text=f"{words} ({detail})" if detail else words)


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath("reasons.toml").read_text("utf-8"))
