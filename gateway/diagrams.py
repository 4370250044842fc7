"""State diagrams out of the tables: `python -m gateway.diagrams > docs/diagrams.md`. A test compares."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from gateway.domain import delivery
from gateway.domain.nouns import TABLES
from gateway.domain.table import Row, StateTable

_HEAD = """# State tables

Generated from the tables in `gateway/domain` by `make diagrams`; do not edit. An arrow is a row of the table: the event
on it is the only way from one state to the other; words in brackets say when that arrow is taken. Arrows to the end
mark final states; dashed boxes wait for a person.
"""


def mermaid(table: StateTable[Any]) -> str:
    """One table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    lines += [f"    {row.source or '[*]'} --> {row.target}: {row.event.__name__}{_guard(row)}" for row in table.rows()]
    lines += [f"    {state} --> [*]" for state in table.states if state in table.final]
    lines += [f"    class {state} person" for state in table.states if state in table.waiting_for_person]
    lines.append("    classDef person stroke-dasharray: 4 4")
    return "\n".join(lines)


def _guard(row: Row) -> str:
    return "" if row.guard is None else f" [{row.guard.__name__.strip('_').replace('_', ' ')}]"


def document() -> str:
    """Every diagram in one Markdown file."""
    return _HEAD + "".join(_section(table) for table in _tables())


def _tables() -> Iterable[StateTable[Any]]:
    yield from TABLES.values()
    yield delivery.TABLE


def _section(table: StateTable[Any]) -> str:
    about = (sys.modules[table.data.__module__].__doc__ or "").strip().splitlines()[0]
    return f"\n## {table.name}\n\n{about}\n\n```mermaid\n{mermaid(table)}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(document())
