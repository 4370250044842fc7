"""Whoever is called at night pastes what the documents say: every command and option in them is one that there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import gateway
from gateway.cli.main import COMMANDS, app

ROOT = Path(gateway.__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_SPAN = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"^\s*(?:\.venv/bin/|docker compose exec \w+ )?eherrac-gateway ([\w-].*)$")
_NAMES = {name for name, *_ in COMMANDS}
_PLAIN = str.maketrans("", "", "[]\"'")
_OPTION = re.compile(r"--[a-z][a-z-]+")
_OWN = {"--help", "--version"}


def commands(page: Path) -> Iterator[list[str]]:
    """Those written whole, in a span or on a line of their own; and spans that begin with a command's name."""
    text = page.read_text("utf-8")
    spans = _SPAN.findall(text)
    said = [found[1] for line in (*spans, *text.splitlines()) if (found := _COMMAND.match(line))]
    said += [span for span in spans if " " in span and span.split()[0] in _NAMES]
    for line in said:
        words = re.split(r"\s{2,}|\s#|[|…;&]", line)[0].translate(_PLAIN).split()
        if words := [word for word in words if word not in _OWN]:
            yield words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_there_with_its_options(page: Path) -> None:
    for words in commands(page):
        chain, apps, _ = app.parse_commands(words)
        assert chain, words
        assert not (apps[-1].default_command is None and len(words) > len(chain)), words
        if apps[-1].default_command is not None:
            known = {name for one in apps[-1].assemble_argument_collection() for name in one.names}
            assert set(_OPTION.findall(" ".join(words))) <= known, words
