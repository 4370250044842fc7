"""A SQLite file is served by one process: a second waits for the first to end, and then refuses to start."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from gateway.bootstrap import alone
from gateway.bootstrap.alone import keep_others_out
from gateway.errors import OurFaultError

HOLDER = """
import asyncio, sys, time
from gateway.bootstrap.alone import keep_others_out
asyncio.run(keep_others_out(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'new' / 'eherrac.db'}"


async def held(url: str) -> int:
    descriptor = await keep_others_out(url)
    assert descriptor is not None
    return descriptor


async def test_a_second_process_is_told_what_to_do(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "_PATIENCE_S", 0.2)
    first = await held(url)
    with pytest.raises(OurFaultError, match=r"another process serves .*eherrac\.db; several need PostgreSQL"):
        await keep_others_out(url)
    os.close(first)
    os.close(await held(url))


async def test_another_name_of_the_file_is_the_same_file(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "_PATIENCE_S", 0.2)
    first = await held(url)
    (tmp_path / "link").symlink_to(tmp_path / "new")
    (tmp_path / "other.db").symlink_to(tmp_path / "new" / "eherrac.db")
    for other in ("link/eherrac.db", "new/../new/eherrac.db", "other.db"):
        with pytest.raises(OurFaultError):
            await keep_others_out(f"sqlite:///{tmp_path}/{other}")
    os.close(first)


async def test_who_is_started_while_the_first_still_ends_waits_for_it(url: str) -> None:
    first = await held(url)
    waiting = asyncio.create_task(held(url))
    await asyncio.sleep(0.15)
    assert not waiting.done()
    os.close(first)
    os.close(await waiting)


async def test_a_process_that_is_killed_leaves_no_lock(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "_PATIENCE_S", 0.2)
    holder = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLDER, url, stdout=asyncio.subprocess.PIPE)
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    with pytest.raises(OurFaultError):
        await keep_others_out(url)
    holder.kill()
    await holder.wait()
    os.close(await held(url))


async def test_a_servers_store_may_have_many(tmp_path: Path) -> None:
    assert await keep_others_out("postgresql://gateway@127.0.0.1/x") is None
