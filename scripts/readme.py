"""Write what the settings' models say into the documents again, each part between its two marks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gateway.config.table import schedule_table, settings_table

ROOT = Path(__file__).resolve().parent.parent
PARTS: tuple[tuple[str, str, Callable[[], str]], ...] = (
    ("README.md", "settings", settings_table),
    ("docs/delivery.md", "schedule", schedule_table),
)


def render(text: str, name: str, table: str) -> str:
    """`text` with the table of this name as the models give it."""
    begin, end = f"<!-- {name}: written by `make readme` -->\n", f"<!-- {name}: end -->"
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}\n{table}\n{end}{tail}"


if __name__ == "__main__":
    for path, name, table in PARTS:
        document = ROOT / path
        document.write_text(render(document.read_text(encoding="utf-8"), name, table()), encoding="utf-8")
