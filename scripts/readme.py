"""Write the generated part of README.md again: the table of settings, between its two marks."""

from __future__ import annotations

from pathlib import Path

from gateway.config.table import settings_table

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- settings: written by `make readme` -->\n", "<!-- settings: end -->"


def render(text: str) -> str:
    """`text` with the table as the models give it."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{settings_table()}\n{END}{tail}"


if __name__ == "__main__":
    README.write_text(render(README.read_text(encoding="utf-8")), encoding="utf-8")
