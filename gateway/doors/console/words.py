"""The console's words: a TOML file per language under `texts/`; the same keys in all of them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

LANGUAGES = {"az": "Azərbaycanca", "en": "English", "ru": "Русский"}  # each named in itself
DEFAULT = "az"


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Every text of a language by its dotted key."""
    source = resources.files("gateway.doors.console").joinpath("texts", f"{language}.toml")
    return dict(_flat("", tomllib.loads(source.read_text(encoding="utf-8"))))


def text(language: str, key: str, **facts: object) -> str:
    """One text with its facts in it.

    Raises:
        KeyError: there is no such text; a test holds that everything asked for is there.
    """
    return catalogue(language)[key].format_map(facts) if facts else catalogue(language)[key]


def text_or(language: str, key: str, otherwise: str) -> str:
    """One text, or the word itself where it comes from outside (a code of somebody else's)."""
    return catalogue(language).get(key, otherwise)


def _flat(prefix: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", value
