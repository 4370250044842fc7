"""Write what settings and declarations say into the documents again, each part between its two marks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from contracts.events.grants import declared_grants
from gateway.config.table import schedule_table, settings_table


def grants_table() -> str:
    """The grants of topics.toml, a row each."""
    places = {
        ("gateway", "group"): "group `<client_id>.receipts`",
        ("gateway", "protocol"): "every protocol topic",
        ("gateway", "refusal"): "every topic of refusals that is named",
        ("gateway", "receipt"): "the receipts topic",
        ("gateway", "cluster"): "the cluster",
        ("ministry", "group"): "groups that begin with `<a topic of its>.`",
        ("ministry", "protocol"): "its own protocol topic",
        ("ministry", "refusal"): "its own topic of refusals",
        ("ministry", "receipt"): "the receipts topic",
    }
    rows = [
        f"| {rule.role} | {', '.join(rule.operations)} | {places[rule.role.value, rule.on]} | {_without(rule.needed)} |"
        for rule in declared_grants()
        if rule.role == "gateway"
    ]
    rows += [
        f"| each {rule.role} | {', '.join(rule.operations)} | {places[rule.role.value, rule.on]} | |"
        for rule in declared_grants()
        if rule.role == "ministry"
    ]
    return "\n".join(["| who | may | on | without it |", "|---|---|---|---|", *rows]) + "\n"


def _without(needed: bool) -> str:
    return "no start" if needed else "an alarm at the start: what others may do is not seen"


ROOT = Path(__file__).resolve().parent.parent
PARTS: tuple[tuple[str, str, Callable[[], str]], ...] = (
    ("README.md", "settings", settings_table),
    ("docs/delivery.md", "schedule", schedule_table),
    ("docs/operations.md", "grants", grants_table),
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
