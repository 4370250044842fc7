"""What every alarm says to people: what it means, for money too, what the gateway does by itself, and what to do.

The texts stand in `data/alarms.toml`. `python -m gateway.alarms > docs/alarms.md` writes the page for those on call.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

_HEAD = """# Alarms

Written by `python -m gateway.alarms` from `gateway/data/alarms.toml`; the console says the same in Azerbaijani and
Russian. An alarm is a line `alarm` of the log and counts in `eherrac_alarms_total{code}`; one about a lot is a line of
its journal too. What stands now (not what once happened) is on the console's first page, in `/readyz` and in the
[metrics](operations.md#what-to-watch).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One alarm in one language."""

    title: str
    means: str
    itself: str  # what the gateway does without anybody
    todo: str  # and what must not be done


@cache
def book(language: str) -> Mapping[str, Entry]:
    """Every alarm by its code."""
    tables = tomllib.loads(resources.files("gateway").joinpath("data", "alarms.toml").read_text("utf-8"))
    return {code: Entry(**texts[language]) for code, texts in tables.items()}


def title(code: str, language: str) -> str:
    """What it is called; the code itself where an older program wrote one that is no more."""
    entry = book(language).get(code)
    return code if entry is None else entry.title


def page() -> Iterator[str]:
    """The page of docs, in English."""
    yield _HEAD
    for code, entry in sorted(book("en").items()):
        yield f"## {code}\n\n**{entry.title}.** {entry.means}\n"
        yield f"- *By itself:* {entry.itself}\n- *You:* {entry.todo}\n"


if __name__ == "__main__":
    sys.stdout.write("\n".join(page()))
