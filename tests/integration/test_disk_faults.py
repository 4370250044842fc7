"""A real gateway process on a real SQLite file whose disk is full, read-only, or fails to sync; PostgreSQL likewise.

Whatever is answered with 2xx meanwhile is there afterwards, what is not is refused with STORE_UNAVAILABLE and a time to
come again, readiness turns red, and when the disk is well the same process goes on without a restart.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from store_rows import NOUN
from town import Town
from waiting import until

from gateway.engine.audit import audit
from gateway.store import Store, StoreUnavailableError, open_store
from gateway.wire.client import SignedClient

HERE = Path(__file__).parent
SHIM = HERE / "disk_faults.c"
HEALTHY, FULL, READ_ONLY, UNSYNCED = "-", "F", "R", "S"
AT_ONCE = 6  # announcements side by side: some share a commit


class Machine(Town):
    """A town whose gateway is a program of its own, on a disk that fails when told to."""

    shim: Path

    async def start_gateway(self, environ: dict[str, str]) -> None:
        store, fault = self.folder / "store", self.folder / "fault"
        store.mkdir(exist_ok=True)
        fault.write_text(HEALTHY)
        disk = {"LD_PRELOAD": str(self.shim), "DISK_FAULT": str(fault), "DISK_UNDER": str(store)}
        url = {"EHERRAC__STORE__URL": f"sqlite:///{store}/gateway.db", "EHERRAC__LOG__LEVEL": "ERROR"}
        command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(self.folder / "gateway.toml")]
        self.process = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, env=os.environ | environ | url | disk
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(90):
            said = await self.process.stdout.readline()
        self.system = SimpleNamespace(address=json.loads(said)["http"])  # type: ignore[assignment]

    def turn(self, fault: str) -> None:
        """What the disk does from now on."""
        with (self.folder / "fault").open("r+") as file:
            file.write(fault)

    def client(self, code: str) -> SignedClient:
        """More patient: who waits for another program's lock waits twice as long as the store does."""
        client = SignedClient(self.keys(code), timeout_s=60, clock=self.now)
        self._clients.append(client)
        return client

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        await self.kill()

    async def says(self, status: int) -> bool:
        """Whether `/readyz` answers so; what it has found it tells again for a while."""
        async with aiohttp.ClientSession() as session, session.get(self.system.address + "/readyz") as answer:
            return answer.status == status

    async def announce_all(self, prefix: str) -> dict[str, Any]:
        """Side by side, each under an id of its own; the answers by id."""
        ids = [f"{prefix}{number}" for number in range(AT_ONCE)]
        answers = await asyncio.gather(*(self.announce(id, id=id) for id in ids))
        return dict(zip(ids, answers, strict=True))

    async def announce(self, lot: str = "L1", **changes: Any) -> Any:
        id = changes.pop("id", None) or self.next_id()
        data = {
            "title": "Mənzil (nümunə)",
            "address": "Bakı",
            "regime": "voluntary",
            "claimant": "999101",
            "startingPrice": "20000.00",
            "auctionAt": "2027-01-01T10:00:00Z",
        }
        return await self.publish("lot.announced", lot, data, id=id, time="2026-11-22T10:00:00Z")

    async def stored(self) -> set[str]:
        """The ids in the inbox, read by another program after this one was killed; every chain holds."""
        await self.kill()
        store = await open_store(f"sqlite:///{self.folder}/store/gateway.db")
        try:
            assert (await audit(store)).holds
            rows = await store.read(lambda reader: reader.list_nouns("lot", limit=1000))
            return {row.id for row in rows if await store.read(lambda r, id=row.id: r.find_inbox("EHERRAC", id))}
        finally:
            await store.close()


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str, str], str]) -> Path:
    """The faults, compiled."""
    made = tmp_path_factory.mktemp("shim") / "disk_faults.so"
    subprocess.run([program("gcc", "gcc"), "-shared", "-fPIC", "-o", made, SHIM, "-ldl"], check=True)
    return made


@pytest.fixture
async def machine(tmp_path: Path, shim: Path) -> AsyncIterator[Machine]:
    town = Machine(tmp_path)
    town.shim = shim
    await town.open()
    yield town
    await town.close()


def accepted(answers: dict[str, Any]) -> set[str]:
    return {id for id, answer in answers.items() if 200 <= answer.status < 300}


@pytest.mark.parametrize("fault", [FULL, READ_ONLY, UNSYNCED], ids=["full", "read-only", "cannot sync"])
async def test_nothing_is_acknowledged_that_a_bad_disk_did_not_keep_and_it_goes_on_when_the_disk_is_well(
    machine: Machine, fault: str
) -> None:
    """Questions are refused too: that a signature was used must be kept before it is answered."""
    promised = accepted(await machine.announce_all("before"))
    assert len(promised) == AT_ONCE
    await until(lambda: machine.says(200))
    machine.turn(fault)
    during = await machine.announce_all("during")
    during["question"] = await machine.rest("EHERRAC", "GET", "/v1/lots/before0")
    for answer in during.values():
        assert (answer.status, answer.headers.get("retry-after")) == (503, "5")
        assert json.loads(answer.body)["code"] == "STORE_UNAVAILABLE"
    await until(lambda: machine.says(503))
    machine.turn(HEALTHY)
    again = await machine.announce_all("during")  # the same messages under the same ids
    assert accepted(again) == set(again)
    await until(lambda: machine.says(200))
    assert await machine.stored() == promised | set(again)


async def test_a_file_that_another_program_locks_is_a_refusal_until_it_lets_go(machine: Machine) -> None:
    with closing(sqlite3.connect(machine.folder / "store" / "gateway.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = await machine.announce("L1", id="one")
        assert (answer.status, answer.headers.get("retry-after")) == (503, "5")
        other.execute("ROLLBACK")
    assert (await machine.announce("L1", id="one")).status == 202


@pytest.mark.parametrize("damage", ["cut off", "overwritten"])
async def test_a_damaged_log_is_a_whole_store_of_an_earlier_moment_and_what_is_said_again_is_there_again(
    machine: Machine, damage: str
) -> None:
    """What SQLite's log has lost is lost: no chain can tell, for they end earlier together. Those outside can."""
    promised = [id for n in range(3) for id in sorted(accepted(await machine.announce_all(f"part{n}")))]
    await machine.kill()
    log = machine.folder / "store" / "gateway.db-wal"
    with log.open("r+b") as file:
        middle = log.stat().st_size * 2 // 3
        if damage == "cut off":
            file.truncate(middle)
        else:
            file.seek(middle)
            file.write(os.urandom(4096))
    kept = await machine.stored()  # whole: every chain holds
    assert set() < kept < set(promised)
    await machine.open()
    for id in promised:
        assert (await machine.announce(id, id=id)).status == 202
    assert await machine.stored() == set(promised)


# -- PostgreSQL ----------------------------------------------------------------------------------------------------


def _save(name: str) -> Callable[[Any], None]:
    return lambda tx: tx.save_noun(replace(NOUN, id=name), expected_version=0)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "state", ["53100", "58030", "25006", "0A000"], ids=["disk full", "input/output error", "read-only", "standby"]
)
async def test_a_server_that_cannot_write_is_unavailable_and_then_not(store_url: str, store: Store, state: str) -> None:
    import psycopg

    with psycopg.connect(store_url, autocommit=True) as server:
        server.execute(
            "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$"
        )
        server.execute("CREATE TRIGGER fails BEFORE INSERT OR UPDATE ON nouns EXECUTE FUNCTION fails()")
        with pytest.raises(StoreUnavailableError):
            await store.transact(_save("P1"))
        server.execute("DROP TRIGGER fails ON nouns")
    assert await store.read(lambda reader: reader.list_nouns("payment")) == []
    await store.transact(_save("P1"))
