"""The error catalogue: what a refusal means, in Azerbaijani, English or Russian, and what is to be done about it.

Texts are data (`catalogue.toml`); this module reads them once and fills in the facts of a case.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from contracts.errors.causes import FACT, cause_text
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import Refusal

LANGUAGES = ("az", "en", "ru")
_FACT_MAX_CHARS = 300  # facts may quote the sender's own bytes; an answer stays a sentence

_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class WhoActs(StrEnum):
    """Whose move it is."""

    SENDER = "sender"  # the one who sent the message
    OPERATOR = "operator"  # the gateway's operator


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One entry in one language; `detail` still has its placeholders."""

    title: str
    detail: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One code's row of the catalogue."""

    http_status: int
    retry: bool
    who_acts: WhoActs
    texts: Mapping[str, Text]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A refusal told to a person: the material of problem+json bodies, SOAP faults and journal lines."""

    code: ErrorCode
    title: str
    detail: str
    remedy: str
    http_status: int
    retry: bool  # whether the very same message may be sent again later
    who_acts: WhoActs


def describe(refusal: Refusal, language: str = "az") -> Problem:
    """Tell a refusal in `language` (a language we do not have is told in Azerbaijani), with its cause if found."""
    entry = entries()[refusal.code]
    text = entry.texts.get(language, entry.texts["az"])
    detail, cause = _fill(text.detail, refusal.facts), cause_text(refusal.facts.get(FACT, ""), language)
    return Problem(
        code=refusal.code,
        title=text.title,
        detail=detail if cause is None else f"{detail} {cause.why}",
        remedy=text.remedy if cause is None else cause.remedy,
        http_status=entry.http_status,
        retry=entry.retry,
        who_acts=entry.who_acts,
    )


@cache
def entries() -> Mapping[ErrorCode, Entry]:
    """The whole catalogue, one entry per code.

    Raises:
        ValueError: an entry without a code, or fields missing; tests hold the shipped file to be whole.
    """
    source = resources.files("contracts.errors").joinpath("catalogue.toml")
    table = tomllib.loads(source.read_text(encoding="utf-8"))
    return {ErrorCode(code): _entry(fields) for code, fields in table.items()}


def _entry(fields: Mapping[str, object]) -> Entry:
    match fields:
        case {"http_status": int(status), "retry": bool(retry), "who_acts": str(who), **texts}:
            return Entry(
                http_status=status,
                retry=retry,
                who_acts=WhoActs(who),
                texts={language: _text(text) for language, text in texts.items()},
            )
    raise ValueError(f"not an entry of the catalogue: {fields}")


def _text(fields: object) -> Text:
    match fields:
        case {"title": str(title), "detail": str(detail), "remedy": str(remedy)}:
            return Text(title=title, detail=detail, remedy=remedy)
    raise ValueError(f"not a text of the catalogue: {fields}")


def _fill(template: str, facts: Mapping[str, str]) -> str:
    """Put the facts in; a bracketed part whose fact is unknown is left out."""

    def part(match: re.Match[str]) -> str:
        inner = match[1]
        if not all(facts.get(name) for name in _PLACEHOLDER.findall(inner)):
            return ""
        return _PLACEHOLDER.sub(lambda name: _shorten(facts[name[1]]), inner)

    return _OPTIONAL.sub(part, template)


def _shorten(fact: str) -> str:
    line = " ".join(fact.split())
    return line if len(line) <= _FACT_MAX_CHARS else line[: _FACT_MAX_CHARS - 1] + "…"
