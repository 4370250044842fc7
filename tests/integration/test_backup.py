"""Backup and restore on both databases: whole, while it runs, and believed only when every journal chain holds."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dispatching import empty, working
from puppet import Clock, Hand, Heard, Opened, TestAdapter, Wished, engine_on, everything
from waiting import until

from gateway.cli.backup import backup as backup_command
from gateway.cli.backup import restore as restore_command
from gateway.cli.proofs import sentence, texts
from gateway.cli.verify import store as verify_store
from gateway.cli.world import packaged
from gateway.engine.audit import Audit, audit
from gateway.engine.proof import Mismatch, What
from gateway.store import Store, StoreError, backup, open_store
from gateway.store.backup import back_up, restored
from gateway.store.rows import JournalRow
from gateway.store.testing import blank_store_url
from gateway.timeline import LANGUAGES


async def filled(store: Store, count: int = 20) -> Hand:
    hand = Hand(engine_on(store, Clock()))
    for n in range(count):
        await hand.say(Opened(), to=f"P{n}")
        await hand.say(Wished(notices=(("banks", "999101"),), alarm="LOOK"), to=f"P{n}")
    return hand


def emptied(store_url: str, tmp_path: Path) -> str:
    """The disk is lost: a place where nothing is."""
    if store_url.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'new' / 'gateway.db'}"
    import psycopg

    (schema,) = re.findall(r"search_path%3D(\w+)", store_url)
    with psycopg.connect(store_url, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {schema} CASCADE")
        connection.execute(f"CREATE SCHEMA {schema}")
    return store_url


async def looked_at(url: str) -> Audit:
    store = await open_store(url)
    try:
        return await audit(store)
    finally:
        await store.close()


async def test_what_was_backed_up_is_restored_row_for_row(store: Store, store_url: str, tmp_path: Path) -> None:
    await filled(store)
    before = everything(store_url)
    file = tmp_path / "gateway.backup"
    back_up(store_url, file)
    url = emptied(store_url, tmp_path)
    with restored(file, url) as place:
        found = await looked_at(place)
    assert (found.holds, found.nouns, found.lines) == (True, 20, 60)
    assert everything(url) == before
    hand = Hand(engine_on(opened := await open_store(url), Clock()), serial=1000)
    await hand.say(Heard(word="work goes on"), to="P3")
    assert (await audit(opened)).lines == 61
    await opened.close()


async def test_nobody_else_reads_a_store_or_a_copy_of_it_nor_while_it_is_made(
    store: Store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PSP-7.5: names, accounts and FINs lie in it. A copy of gigabytes was open to all until it was whole, a restored
    store and a new one for ever.
    """
    await filled(store)
    modes: list[int] = []

    def look(folder: Path) -> None:
        modes.extend(file.stat().st_mode & 0o777 for file in folder.iterdir() if file.is_file())

    def watched(make: Callable[[Any, Path], None]) -> Callable[[Any, Path], None]:
        def making(source: Any, target: Path) -> None:
            look(target.parent)
            make(source, target)
            look(target.parent)

        return making

    for name in ("_copy_sqlite", "_dump"):
        monkeypatch.setattr(backup, name, watched(getattr(backup, name)))
    folder = tmp_path / "copies"
    folder.mkdir()
    before = os.umask(0o022)
    try:
        back_up(store_url, folder / "gateway.backup")
        await (await open_store(f"sqlite:///{folder}/new.db")).close()
        if store_url.startswith("sqlite"):
            with restored(folder / "gateway.backup", f"sqlite:///{folder}/again.db") as place:
                await looked_at(place)
    finally:
        os.umask(before)
    look(folder)
    assert len(modes) >= 3
    assert set(modes) == {0o600}


async def test_everything_acknowledged_before_the_backup_is_in_it_and_work_goes_on(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    """RPO 0 at the instant of the backup, without a pause."""
    hand, file, acknowledged, stop = await filled(store, 1), tmp_path / "gateway.backup", [], asyncio.Event()

    async def work() -> None:
        while not stop.is_set():
            answer = await hand.say(Opened(), to=f"W{len(acknowledged)}")
            acknowledged.append(answer.id)

    working = asyncio.create_task(work())
    await until(lambda: len(acknowledged) >= 20)
    before = set(acknowledged)
    await asyncio.to_thread(back_up, store_url, file)
    after = len(acknowledged)
    await until(lambda: len(acknowledged) > after)
    stop.set()
    await working
    url = emptied(store_url, tmp_path)
    with restored(file, url) as place:
        assert (await looked_at(place)).holds
    again = await open_store(url)
    assert before <= {row.id for row in await again.read(lambda r: r.list_nouns("puppet", limit=10_000))}
    await again.close()


async def test_a_copy_made_while_all_work_goes_on_where_it_stood(
    store: Store, store_url: str, clock: Clock, tmp_path: Path
) -> None:
    """The disk is lost afterwards: what was acknowledged before the copy is there, and what nobody had got is sent."""
    hand, file, stop = Hand(engine_on(store, clock)), tmp_path / "gateway.backup", asyncio.Event()
    first, acknowledged = TestAdapter("alpha"), 0

    async def work() -> None:
        nonlocal acknowledged
        while not stop.is_set():
            await hand.say(Opened(), to=f"W{acknowledged}")
            await hand.say(Wished(sends=(("alpha", f"R{acknowledged % 3}"),)), to=f"W{acknowledged}")
            acknowledged += 1

    async with working(hand.engine, first):
        telling = asyncio.create_task(work())
        await until(lambda: len(first.done) >= 10)
        before = acknowledged
        await asyncio.to_thread(back_up, store_url, file)
        stop.set()
        await telling
    url = emptied(store_url, tmp_path)
    with restored(file, url) as place:
        assert (await looked_at(place)).holds
    again = await open_store(url)
    second = TestAdapter("alpha")
    onward = Hand(engine_on(again, clock))
    async with working(onward.engine, second, worker="another", alone=True):
        await until(empty(onward))
    kept = await again.read(lambda reader: reader.list_nouns("puppet", limit=10_000))
    assert {f"W{number}" for number in range(before)} <= {row.id for row in kept}
    ordered = {line.noun_id for row in kept for line in await _journal(again, row.id) if line.event == "Wished"}
    got = {dispatch.id.split(".")[1] for dispatch in (*first.done, *second.done)}
    assert ordered <= got
    assert (await audit(again)).holds
    await again.close()


async def _journal(store: Store, id: str) -> list[JournalRow]:
    return await store.read(lambda reader: reader.journal_of("puppet", id))


def test_a_backup_of_a_stopped_gateway_works_too(tmp_path: Path) -> None:
    url = blank_store_url(tmp_path)
    asyncio.run(_one_puppet(url))
    back_up(url, tmp_path / "b")
    with restored(tmp_path / "b", f"sqlite:///{tmp_path}/new.db") as place:
        assert asyncio.run(looked_at(place)).nouns == 1
    assert sorted(path.name for path in tmp_path.iterdir() if "store" not in path.name) == ["b", "new.db"]


async def _one_puppet(url: str) -> None:
    store = await open_store(url)
    await filled(store, 1)
    await store.close()


TAMPERINGS: dict[str, tuple[str, str, bool]] = {
    "a line changed": ("UPDATE journal SET data = '{}' WHERE noun_id = 'P1' AND version = 2", "P1", True),
    "a line left out": ("DELETE FROM journal WHERE noun_id = 'P1' AND version = 2", "P1", True),
    "the end left out": ("DELETE FROM journal WHERE noun_id = 'P1' AND version = 3", "P1", True),
    "a noun taken away": ("DELETE FROM nouns WHERE id = 'P1'", "P1", False),
    "a noun put back in time": ("UPDATE nouns SET version = 1 WHERE id = 'P1'", "P1", True),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
async def test_what_is_not_what_was_written_is_found(store: Store, store_url: str, tampering: str) -> None:
    sql, id, in_chain = TAMPERINGS[tampering]
    await filled(store, 3)
    assert (await audit(store)).holds
    execute(store_url, sql)
    found = await audit(store)
    assert not found.holds
    named = [(one.noun, one.noun_id) for one in found.mismatches]
    assert named == [("puppet", id)]  # of one taken away, what it sent
    assert found.stray == (0 if in_chain else 3)


def execute(url: str, sql: str) -> None:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as file:
            file.execute(sql)
        return
    import psycopg

    with psycopg.connect(url, autocommit=True) as server:
        server.execute(sql.encode())


ACTING = {
    "sqlite": "CREATE TRIGGER turn_aside AFTER INSERT ON outbox BEGIN UPDATE outbox SET recipient = 'X'; END",
    "postgresql": "CREATE FUNCTION turn_aside() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "
    "CREATE TRIGGER turn_aside BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION turn_aside()",
}


async def test_a_copy_in_which_something_acts_by_itself_makes_no_store(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    """Every chain would hold, and every delivery go elsewhere."""
    await filled(store, 1)
    await store.close()
    file = tmp_path / "gateway.backup"
    if store_url.startswith("sqlite"):
        back_up(store_url, file)
        execute(f"sqlite:///{file}", ACTING["sqlite"])
    else:
        execute(store_url, ACTING["postgresql"])
        back_up(store_url, file)
    place = emptied(store_url, tmp_path)
    with pytest.raises(StoreError, match="turn_aside"), restored(file, place):
        pass
    assert (await looked_at(place)).nouns == 0


async def test_nothing_that_exists_is_overwritten(store: Store, store_url: str, tmp_path: Path) -> None:
    await filled(store, 1)
    file = tmp_path / "gateway.backup"
    back_up(store_url, file)
    with pytest.raises(StoreError, match="never overwritten"):
        back_up(store_url, file)
    with pytest.raises(StoreError, match="never overwritten"), restored(file, store_url):
        pass
    assert (await audit(store)).nouns == 1


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], Path]:
    """A configuration whose store is the named file."""

    def write(name: str) -> Path:
        path = tmp_path / f"{name}.toml"
        url = f'url = "sqlite:///{tmp_path}/{name}.db"'
        lines = packaged("demo.toml").splitlines()
        path.write_text("\n".join(url if line.startswith('url = "sqlite') else line for line in lines))
        return path

    return write


def test_the_commands_say_what_they_did(
    tmp_path: Path, config: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(_one_puppet(blank_store_url(tmp_path, "old.db")))
    backup_command(tmp_path / "b", config=config("old"))
    restore_command(tmp_path / "b", config=config("new"))
    assert "1 obyekt, 3 jurnal sətri, gözləyən 1 göndəriş: hamısı yazıldığı kimidir" in capsys.readouterr().out
    assert (tmp_path / "new.db").exists()


@pytest.mark.parametrize(("language", "said"), [("az", "göndərişi"), ("en", "delivery"), ("ru", "отправление")])
def test_a_store_that_does_not_hold_is_not_copied_where_it_is_judged_first(
    tmp_path: Path, config: Callable[[str], Path], capsys: pytest.CaptureFixture[str], language: str, said: str
) -> None:
    asyncio.run(_one_puppet(url := blank_store_url(tmp_path, "old.db")))
    backup_command(tmp_path / "a", verify=True, config=config("old"))
    execute(url, "UPDATE outbox SET recipient = '999202'")
    for command in (partial(backup_command, tmp_path / "b", verify=True), verify_store):
        with pytest.raises(SystemExit) as ended:
            command(config=config("old"), language=language)
        assert ended.value.code == 3
        told = capsys.readouterr().out
        assert "puppet P0: " in told
        assert said in told
    assert not (tmp_path / "b").exists()


def test_every_mismatch_has_its_sentence_in_every_language() -> None:
    plain = {"holds", "unbound", "stamped", "no"}
    for language in LANGUAGES:
        assert texts(language).keys() == {*What, *plain}
        assert all(sentence(Mismatch(what=what, noun="lot", noun_id="L1"), language) for what in What)


def test_a_backup_that_does_not_hold_becomes_no_store(
    tmp_path: Path, config: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(_one_puppet(blank_store_url(tmp_path, "old.db")))
    backup_command(tmp_path / "b", config=config("old"))
    execute(f"sqlite:///{tmp_path}/b", "UPDATE journal SET owner = '999202' WHERE version = 1")
    with pytest.raises(SystemExit) as ended:
        restore_command(tmp_path / "b", config=config("new"), language="en")
    assert ended.value.code == 3
    assert "puppet P0: journal line 1" in capsys.readouterr().out
    assert not [name for name in os.listdir(tmp_path) if name.startswith("new.db")]


@pytest.mark.parametrize("content", [None, b"not a database"])
def test_what_is_no_backup_is_refused_in_a_line(
    tmp_path: Path, config: Callable[[str], Path], content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "b").write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        restore_command(tmp_path / "b", config=config("new"))
    assert ended.value.code == 1
    assert not (tmp_path / "new.db").exists()
