"""Whatever a page, a text or a document tells somebody to type is a command that there is, with its options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.main import app

ROOT = Path(__file__).parents[2]
TELLING = sorted(
    path.relative_to(ROOT)
    for pattern in (
        "README.md",
        "compose.yaml",
        "docs/*.md",
        "examples/**/*.md",
        "gateway/data/*.toml",
        "gateway/doors/console/te*/*",
        "helm/*/templates/*",
    )
    for path in ROOT.glob(pattern)
)
# no command has a digit: that is a process, `eherrac-gateway HOST.PID`
_COMMAND = re.compile(r"eherrac-gateway +(?P<rest>(?!\S*\d)[a-z](?:(?!eherrac-gateway)[^`\"\n;|()<>#…])*)")


def told(text: str) -> Iterator[list[str]]:
    """The words of every command in a text, up to the end of its sentence."""
    for found in _COMMAND.finditer(text):
        yield re.split(r"[.,:] |[.,:]$", found["rest"].strip())[0].split()


def unknown(words: list[str]) -> str | None:
    """What of a command there is not. A group of commands may be named alone."""
    _, apps, rest = app.parse_commands([word for word in words if word != "--help"])
    if apps[-1].default_command is None:
        return f"no command {' '.join(words)}" if rest else None
    options = {name for one in apps[-1].assemble_argument_collection() for name in one.names}
    strange = [word for word in rest if word.startswith("--") and word not in options]
    return f"{' '.join(words)}: no {', '.join(strange)}" if strange else None


@pytest.mark.parametrize("path", TELLING, ids=str)
def test_every_command_that_is_told_is_there_with_its_options(path: Path) -> None:
    faults = [fault for words in told((ROOT / path).read_text("utf-8")) if (fault := unknown(words))]
    assert faults == []


@pytest.mark.parametrize(
    "words", ["payment aprove ID", "outbox retry ID --who Leyla", "resurrect", "ask copies"], ids=str
)
def test_what_is_no_command_would_be_found(words: str) -> None:
    assert unknown(words.split()) is not None
