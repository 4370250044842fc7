"""Programs of several versions over one database: who may work over which schema, and when a step is made (ADR 24)."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from store_rows import NOUN
from test_backup import execute
from waiting import PATIENCE_S, until

from gateway.cli.world import packaged
from gateway.store import Store, StoreBusyError, StoreUnavailableError, open_store, revisions, schema
from gateway.store.revisions import SchemaError, known, read

ON_POSTGRESQL = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
EVERYWHERE = pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)


def stands(url: str, revision: str) -> None:
    execute(url, f"UPDATE alembic_version SET version_num = '{revision}'")


def save(id: str) -> Callable[[Any], None]:
    return lambda tx: tx.save_noun(replace(NOUN, id=id), expected_version=0)


async def made(url: str) -> None:
    await (await open_store(url)).close()


@EVERYWHERE
async def test_a_later_schema_that_serves_this_program_is_worked_over(store_url: str) -> None:
    """Who goes back a version, or is started again beside a later one, goes on."""
    await made(store_url)
    stands(store_url, f"v9999_serves_v{known()[-1].number:04}")
    store = await open_store(store_url)
    await store.transact(save("P1"))
    await store.close()


@EVERYWHERE
@pytest.mark.parametrize("words", [("verify", "store"), ("lot", "show", "L1")])
async def test_a_later_schema_that_does_not_is_refused_in_a_line_whatever_is_asked(
    store_url: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    await made(store_url)
    stands(store_url, "v9999")
    (tmp_path / "gateway.toml").write_text(packaged("demo.toml"))
    ended = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli", *words,
        cwd=tmp_path, env=os.environ | {"EHERRAC__STORE__URL": store_url}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await ended.communicate()
    assert ended.returncode == 1, said
    assert re.fullmatch(rb'eherrac-gateway: .*schema v9999, which serves .* v9999 on; .*"Going back"\n', said), said


# -- while others are at work: PostgreSQL -----------------------------------------------------------------------------


@pytest.fixture
def later_program(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """From the call on this process opens databases as a program does that knows one step more."""

    def become(name: str) -> None:
        steps = (*known(), read(name))
        monkeypatch.setattr(revisions, "known", lambda: steps)
        monkeypatch.setattr(
            schema, "_run_steps", lambda c: c.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{name}'")
        )

    return become


@ON_POSTGRESQL
async def test_a_step_that_does_not_serve_the_programs_of_before_waits_for_their_end(
    store: Store, store_url: str, later_program: Callable[[str], None]
) -> None:
    later_program("v9999")
    with pytest.raises(SchemaError, match=r"v9999 on is not made while others are connected"):
        await asyncio.to_thread(schema.ensure_postgres, store_url)
    await store.transact(save("P1"))
    await store.close()
    await asyncio.to_thread(schema.ensure_postgres, store_url)


@ON_POSTGRESQL
async def test_who_holds_a_step_back_is_named_so_that_a_hung_one_can_be_ended_at_the_server(
    store: Store, store_url: str, later_program: Callable[[str], None]
) -> None:
    await store.transact(save("P1"))
    later_program("v9999")
    with pytest.raises(SchemaError) as refused:
        await asyncio.to_thread(schema.ensure_postgres, store_url)
    here = f"{socket.gethostname()}.{os.getpid()}"
    named = re.search(rf"\(eherrac-gateway {here} from 127.0.0.1, server processes ([\d ]+)\)", str(refused.value))
    assert named is not None, refused.value
    for number in named[1].split():
        execute(store_url, f"SELECT pg_terminate_backend({number}, 5000)")
    await asyncio.to_thread(schema.ensure_postgres, store_url)


@ON_POSTGRESQL
async def test_connections_that_are_just_ending_hold_no_step_back(
    store: Store, store_url: str, later_program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that start at once after a kill: the second saw the locks of the first, which were on their way back."""
    monkeypatch.setattr(schema, "LEAVING_S", PATIENCE_S)
    later_program("v9999")
    step = asyncio.create_task(asyncio.to_thread(schema.ensure_postgres, store_url))
    await asyncio.sleep(0.4)
    assert not step.done()
    await store.close()
    await step


@ON_POSTGRESQL
async def test_many_that_start_at_once_find_one_step_made(store_url: str, before: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(schema.ensure_postgres, store_url) for _ in range(6)))


@ON_POSTGRESQL
async def test_a_step_that_serves_them_is_made_beside_them(
    store: Store, store_url: str, later_program: Callable[[str], None]
) -> None:
    later_program("v9999_serves_v0011")
    await asyncio.to_thread(schema.ensure_postgres, store_url)
    await store.transact(save("P1"))


@ON_POSTGRESQL
async def test_a_program_of_before_that_connects_again_too_late_does_nothing(store_url: str) -> None:
    """Its connections were gone while the step was made."""
    store = await open_store(store_url, lock_timeout_s=1.0)
    own = await store.transact(lambda tx: tx._session.link.server_process)  # type: ignore[attr-defined]
    stands(store_url, "v9999")
    execute(store_url, f"SELECT pg_terminate_backend({own}, 5000)")
    with pytest.raises(StoreUnavailableError, match="v9999"):
        await store.transact(save("P0"))
    stands(store_url, known()[-1].name)

    async def is_served() -> bool:
        """A loaded machine may need longer than this store's second to connect and prepare; nothing was begun then."""
        with suppress(StoreUnavailableError):
            await store.transact(save("P1"))
            return True
        return False

    await until(is_served)
    await store.close()


def brought_to(url: str, revision: str) -> None:
    """Every step up to this one, on PostgreSQL."""
    import psycopg
    import sqlalchemy

    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", "gateway.store:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


@pytest.fixture
def before(store_url: str) -> str:
    """A store of v0010; the step to v0011 wants the journal for itself."""
    brought_to(store_url, "v0010")
    return store_url


@ON_POSTGRESQL
async def test_a_step_lets_others_work_while_a_backup_keeps_its_table(
    before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for a table keeps all who come later from it: so it waits shortly, and again."""
    import psycopg

    monkeypatch.setattr(schema, "TABLE_WAIT_S", 0.2)
    with psycopg.connect(before) as backup, psycopg.connect(before, autocommit=True) as other:
        backup.execute("SELECT count(*) FROM journal")
        stepping = asyncio.create_task(made(before))
        other.execute("SET lock_timeout = '2s'")
        for _ in range(20):
            await asyncio.to_thread(other.execute, "SELECT count(*) FROM journal")
            await asyncio.sleep(0.05)
        assert not stepping.done()
        backup.rollback()
        await stepping


@ON_POSTGRESQL
async def test_a_step_that_gets_its_table_never_says_so(before: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    monkeypatch.setattr(schema, "TABLE_WAIT_S", 0.1)
    monkeypatch.setattr(schema, "TABLE_PATIENCE_S", 0.2)
    with psycopg.connect(before) as backup:
        backup.execute("SELECT count(*) FROM journal")
        with pytest.raises(StoreBusyError, match="v0011 waits for a table that others keep"):
            await open_store(before)
    with closing(psycopg.connect(before)) as after:
        assert after.execute("SELECT version_num FROM alembic_version").fetchone() == ("v0010",)
