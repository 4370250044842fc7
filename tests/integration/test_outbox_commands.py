"""`outbox list|retry|discard`: a person's decisions about what is parked, from the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from store_rows import ITEM, NOW

from contracts.errors import ErrorCode, Refusal
from gateway.cli.outbox import app
from gateway.cli.world import packaged
from gateway.config import Config, build_rulebook, load_config
from gateway.domain.nouns import TABLES
from gateway.engine.engine import Engine
from gateway.store import Store, open_store
from gateway.store.rows import JournalRow, OutboxRow
from gateway.store.testing import blank_store_url

RECIPIENTS = ("999101", "999101", "999202")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A gateway with three parked rows."""
    blank_store_url(tmp_path, "gateway.db")
    path = tmp_path / "gateway.toml"
    lines = packaged("demo.toml").splitlines()
    here = [f'url = "sqlite:///{tmp_path}/gateway.db"' if line.startswith('url = "sqlite') else line for line in lines]
    path.write_text("\n".join(here))
    asyncio.run(_on_store(path, _park))
    return path


async def _on_store(path: Path, work: Callable[[Store, Config], Any]) -> Any:
    config = load_config(path, {})
    store = await open_store(config.store.url)
    try:
        return await work(store, config)
    finally:
        await store.close()


async def _park(store: Store, config: Config) -> None:
    engine = Engine(store, TABLES, build_rulebook(config), clock=lambda: NOW, policies={})
    await engine.record_refusal("S", "a noun that is there", Refusal(code=ErrorCode.NOT_FOUND, facts={}))
    for number, recipient in enumerate(RECIPIENTS):
        row = replace(ITEM, id=f"d{number}", recipient=recipient, noun="door", noun_id="S")
        await store.transact(lambda tx, row=row: tx.enqueue(row))
    claimed = await store.transact(lambda tx: tx.claim(now=NOW, worker="w", lease_s=9, limits={"banks": 9}))
    for row in claimed:
        await store.transact(lambda tx, row=row: tx.park(row, now=NOW, error="their no"))


def rows(config: Path) -> dict[str, OutboxRow | None]:
    async def read(store: Store, _: Config) -> dict[str, OutboxRow | None]:
        return {f"d{n}": await store.read(lambda r, n=n: r.find_outbox(f"d{n}")) for n in range(len(RECIPIENTS))}

    return asyncio.run(_on_store(config, read))


def due(config: Path) -> set[str]:
    return {id for id, row in rows(config).items() if row is not None and row.state == "due"}


def journal(config: Path) -> list[JournalRow]:
    async def read(store: Store, _: Config) -> list[JournalRow]:
        return await store.read(lambda r: r.journal_of("door", "S"))

    return asyncio.run(_on_store(config, read))[1:]


def outbox(config: Path, *arguments: str) -> None:
    app([*arguments, "--config", str(config)], result_action="return_value")


def test_what_is_parked_is_listed_by_recipient(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outbox(config, "list", "--parked", "--recipient", "999101")
    shown = capsys.readouterr().out
    assert "d0" in shown
    assert "d2" not in shown
    assert "2 rows" in shown


@pytest.mark.parametrize(
    ("choice", "again"),
    [
        (("d1",), {"d1"}),
        (("--recipient", "999101"), {"d0", "d1"}),
        (("--all-parked",), {"d0", "d1", "d2"}),
    ],
)
def test_one_row_one_recipients_or_all_are_sent_again(config: Path, choice: tuple[str, ...], again: set[str]) -> None:
    outbox(config, "retry", *choice, "--person", "Leyla")
    assert due(config) == again
    assert [(line.event, line.cause_source) for line in journal(config)] == [("Requeued", "Leyla")] * len(again)


def test_a_discarded_row_is_never_sent(config: Path) -> None:
    outbox(config, "discard", "d0", "--reason", "told by telephone", "--person", "Rauf")
    row = rows(config)["d0"]
    assert row is not None
    assert (row.state, row.last_error) == ("discarded", "Rauf: told by telephone")
    assert [(line.event, line.cause_source) for line in journal(config)] == [("Discarded", "Rauf")]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("retry", "--person", "Leyla"), 2),
        (("retry", "d0", "--all-parked", "--person", "Leyla"), 2),
        (("retry", "nobody", "--person", "Leyla"), 1),
        (("discard", "nobody", "--reason", "r", "--person", "Leyla"), 1),
    ],
)
def test_a_decision_about_nothing_changes_nothing(config: Path, arguments: tuple[str, ...], status: int) -> None:
    with pytest.raises(SystemExit) as ended:
        outbox(config, *arguments)
    assert ended.value.code == status
    assert due(config) == set()
    assert journal(config) == []
