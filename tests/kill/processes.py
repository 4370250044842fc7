"""The programs that are killed (gateways, a ministry, Kafka, PostgreSQL), and the balancer in front of the gateways."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from kill.nursery import Forked, Nursery

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0  # of a test on a machine that others use; what is promised is measured, see `report`
_CHUNK_BYTES = 65_536


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours, with the project and its tests importable."""
    return os.environ | {"PYTHONUNBUFFERED": "1"} | _importable(ROOT) | dict(changes or {})


def _importable(build: Path) -> dict[str, str]:
    return {"PYTHONPATH": ":".join(map(str, (build, build / "tests", build / "tests" / "acceptance")))}


class StartError(Exception):
    """A program ended, or said nothing, before it was ready; with the end of its log."""


class Program:
    """One child that prints a line when it is ready."""

    def __init__(
        self, *arguments: str, log: Path, environ: Mapping[str, str] | None = None, nursery: Nursery | None = None
    ) -> None:
        self._arguments, self._log, self._environ, self._nursery = arguments, log, environment(environ), nursery
        self.build = ROOT  # the folder of the program that is started next, in a new interpreter if it is not this one
        self.process: asyncio.subprocess.Process | Forked | None = None

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def launch(self, *more: str, cold: bool = False) -> None:
        """Begin; `said` waits for a line. `cold`: a new interpreter, though there is a nursery."""
        if self._nursery is not None and not cold and self.build == ROOT:
            self.process = await self._nursery.fork(more, self._environ, self._log)
            return
        with self._log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, *self._arguments, *more,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=self.build,
                env=self._environ | _importable(self.build),
            )  # fmt: skip

    async def said(self) -> str:
        """Its next line; empty when it has ended."""
        assert self.process is not None
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            with suppress(ConnectionError):
                return (await self.process.stdout.readline()).decode().strip()
        return ""

    async def start(self, *more: str) -> str:
        """Launch and wait until it is ready; its first line."""
        await self.launch(*more)
        with suppress(TimeoutError):
            line = await self.said()
            if line:
                return line
        raise StartError(f"{self._arguments} did not start:\n{self.tail()}")

    async def tell(self, line: str) -> str:
        """Say a line and read the answer; empty when it has ended meanwhile."""
        assert self.process is not None
        assert self.process.stdin is not None
        with suppress(ConnectionError):
            self.process.stdin.write(f"{line}\n".encode())
            await self.process.stdin.drain()
        return await self.said()

    async def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Kill it, or ask it to stop and wait."""
        if self.process is None:
            return
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(how)
        await self.ended()

    async def ended(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait for its end; what it returned."""
        assert self.process is not None
        returned = await asyncio.wait_for(self.process.wait(), timeout_s)
        if self.process.stdin is not None:
            self.process.stdin.close()
        return returned

    @property
    def is_stopped(self) -> bool:
        """By SIGSTOP."""
        assert self.process is not None
        with suppress(FileNotFoundError):
            return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        return False

    def go_on(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def tail(self) -> str:
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-25:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """How long it took until a gateway was ready, by the clock and of CPU; `cold`: a new interpreter."""

    wall_s: float
    cpu_s: float
    cold: bool


class Gateway(Program):
    """One replica. `address` is where it listens, while it does."""

    def __init__(self, name: str, folder: Path, environ: Mapping[str, str], nursery: Nursery) -> None:
        super().__init__("-m", "kill.victim", log=folder / f"{name}.log", environ=environ, nursery=nursery)
        self.name, self._folder = name, folder
        self.address: tuple[str, int] | None = None

    async def begin(self, mark: Path, *, armed: str = "", nth: int = 1, cold: bool = False) -> None:
        """Start it, and do not wait."""
        self.address = None
        config = str(self._folder / "gateway.toml")
        await self.launch(str(mark), armed, str(nth), "serve", "--config", config, cold=cold)

    async def serve(self, mark: Path, *, armed: str = "", nth: int = 1, cold: bool = False) -> Started | None:
        """Start it; what it took until it was ready, or None when it died at a point before."""
        began = time.monotonic()
        await self.begin(mark, armed=armed, nth=nth, cold=cold)
        line = await self.said()
        if not line:
            returned = await self.ended()
            if returned == -signal.SIGKILL and was_left(mark):
                return None
            raise StartError(f"{self.name} ended with {returned}:\n{self.tail()}")
        wall_s = time.monotonic() - began
        host, _, port = json.loads(line)["http"].removeprefix("http://").partition(":")
        self.address = (host, int(port))
        assert self.process is not None
        return Started(wall_s=wall_s, cpu_s=_cpu_s(self.process.pid), cold=cold)


def was_left(mark: Path) -> bool:
    """Whether somebody died at a named point."""
    return mark.exists()


def _cpu_s(pid: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Balancer:
    """What stands in front of the replicas: each connection goes to one that takes it."""

    gateways: list[Gateway]
    _turn: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            upstream = await self._connected()
            if upstream is not None:
                await self._join(reader, writer, *upstream)
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        self._turn += 1
        order = self.gateways[self._turn % len(self.gateways) :] + self.gateways[: self._turn % len(self.gateways)]
        for gateway in order:
            if gateway.alive and gateway.address is not None:
                with suppress(OSError):
                    return await asyncio.open_connection(*gateway.address)
        return None

    @staticmethod
    async def _join(
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
    ) -> None:
        """Until either side ends."""
        pumps = [asyncio.create_task(_pump(reader, up_writer)), asyncio.create_task(_pump(up_reader, writer))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            up_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()


class Service(StrEnum):
    """What the tests' services are killed by."""

    POSTGRES = "postgres"
    KAFKA = "kafka"


class Services:
    """PostgreSQL and Apache Kafka as `scripts/services.sh` started them."""

    @staticmethod
    def are_ours(dsn: str) -> bool:
        """Whether this is the PostgreSQL that the script would kill."""
        said = subprocess.run([ROOT / "scripts" / "services.sh", "env"], capture_output=True, text=True, check=False)
        return "TEST_KAFKA_4_FOLDER" in os.environ and f"TEST_POSTGRES_DSN={dsn}\n" in said.stdout

    async def kill(self, service: Service) -> None:
        """SIGKILL to the process; PostgreSQL's children end with it."""
        if service is Service.POSTGRES:
            await _script("services.sh", "kill-postgres")
        else:
            await _script("kafka.sh", "kill", _kafka_folder())

    async def revive_as_standby(self) -> float:
        """Start PostgreSQL again as a server that only reads, until it is promoted; the seconds it took."""
        began = time.monotonic()
        await _script("services.sh", "revive-postgres", "standby")
        return time.monotonic() - began

    async def revive(self, service: Service) -> float:
        """Start it again, on its data and address; the seconds it took."""
        began = time.monotonic()
        if service is Service.POSTGRES:
            await _script("services.sh", "revive-postgres")
        else:
            await _script("kafka.sh", "start", _kafka_folder(), "4")
        return time.monotonic() - began


def _kafka_folder() -> str:
    return os.environ["TEST_KAFKA_4_FOLDER"]


async def _script(name: str, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        str(ROOT / "scripts" / name), *arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 3 * PATIENCE_S)
    if process.returncode:
        raise StartError(f"{name} {' '.join(arguments)}: {said.decode()[-2000:]}")
