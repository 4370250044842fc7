"""A journal as people read it: one line per event, in three languages. Texts stand in `data/timeline.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any, Literal

import orjson

from gateway.alarms import title
from gateway.domain.clock import BAKU
from gateway.domain.money import Money
from gateway.store.rows import JournalRow

_ID_WIDTH = 26
_STATE_WIDTH = 38


LANGUAGES = ("az", "en", "ru")
Language = Literal["az", "en", "ru"]


@cache
def _texts(language: str) -> dict[str, str]:
    tables = tomllib.loads(resources.files("gateway").joinpath("data", "timeline.toml").read_text("utf-8"))
    texts: dict[str, str] = tables[language]
    return texts


def catalogue(language: str) -> dict[str, str]:
    """Every sentence of a language, by `noun.Event`; by `noun.Event.state` where it says another thing there."""
    return dict(_texts(language))


class _Facts(dict[str, str]):
    """A missing fact shows as a dash; a line of the journal is never held back by its wording."""

    def __missing__(self, key: str) -> str:
        return "-"


def sentence(row: JournalRow, language: str = "az", tell: Callable[[Any], str] | None = None) -> str:
    """What happened, in words. `tell` writes a fact in another way than the plain one."""
    texts = _texts(language)
    event, _, alarm = row.event.partition(":")
    keys = (f"{row.noun}.{event}.{row.after}", f"{row.noun}.{event}", f"*.{event}")
    text = next((texts[key] for key in keys if key in texts), row.event)
    facts = _facts(orjson.loads(row.data), tell or _fact)
    if alarm:
        facts["code"] = f"{title(alarm, language)} ({alarm})"
    return text.format_map(_Facts(facts))


def line(row: JournalRow, language: str = "az") -> str:
    """Baku time, noun, states, words; fixed columns."""
    states = row.after if row.before in (None, row.after) else f"{row.before} → {row.after}"
    at = row.at.astimezone(BAKU)
    when = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"
    return f"{when}  {row.noun_id:<{_ID_WIDTH}} {states:<{_STATE_WIDTH}} {sentence(row, language)}"


def _facts(data: dict[str, Any], tell: Callable[[Any], str]) -> dict[str, str]:
    return {key: tell(value) for key, value in data.items() if value is not None}


def _fact(value: Any) -> str:
    if isinstance(value, dict) and value.keys() == {"minor", "currency"}:
        return f"{Money(value['minor'])} {value['currency']}"
    if isinstance(value, dict):
        return " ".join(_fact(part) for part in value.values())
    if isinstance(value, list):
        return "; ".join(_fact(part) for part in value) or "-"
    return str(value)
