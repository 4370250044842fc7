"""The stage of the demonstration: a folder with keys and configuration, free ports, and a process per program."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gateway.cli.pki import create_world
from gateway.cli.world import packaged

_PORTS = (8080, 8090, 8101, 8102, 8103, 8104, 8105, 8106, 8107, 8108)  # as in demo.toml and demo_world.toml
_SPOKEN_FOR: list[socket.socket] = []
_READY_S = 120.0  # a machine full of other work takes half a minute
_STOP_S = 15.0
PARTICIPANTS = {
    "GATEWAY": ("eHərrac şlüzü (nümunə)", "rsa"),
    "EHERRAC": ("eHərrac platforması (nümunə)", "p256"),
    "AOS": ("Ani Ödənişlər Sistemi (nümunə)", "rsa"),
    "AZIPS": ("AZIPS (nümunə)", "rsa"),
    "ASANPAY": ("Asan Pay (nümunə)", "p256"),
    "999101": ("Xəzər Nümunə Bankı", "rsa"),
    "999202": ("Günəş Nümunə Bankı", "p256"),
    "ECONOMY": ("İqtisadiyyat Nazirliyi (nümunə)", "p256"),
    "JUSTICE": ("Ədliyyə Nazirliyi (nümunə)", "rsa"),
    "INTERIOR": ("Daxili İşlər Nazirliyi (nümunə)", "p256"),
}


class StageError(Exception):
    """A program did not start, or ended by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What stands in the folder."""

    folder: Path
    config: Path
    world: Path
    keys: Path


def build_stage(folder: Path, *, gateway_key: str = "rsa") -> Stage:
    """Make keys for everybody and a configuration whose ports are free. What was in it goes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ports = _free_ports()
    stage = Stage(folder=folder, config=folder / "gateway.toml", world=folder / "world.toml", keys=folder / "keys")
    config = _moved(packaged("demo.toml"), ports).replace('directory = "keys"', 'directory = "keys/GATEWAY"')
    config = re.sub(r'(topic = "eherrac\.)protocols(.*\n)', r"\g<0>refusals_\1refusals\2", config)  # all are told
    config = config.replace("sqlite:///eherrac.db", f"sqlite:///{folder / 'eherrac.db'}")
    stage.config.write_text(config, "utf-8")
    stage.world.write_text(_moved(packaged("demo_world.toml"), ports), "utf-8")
    gateway_name, _ = PARTICIPANTS["GATEWAY"]
    create_world(stage.keys, PARTICIPANTS | {"GATEWAY": (gateway_name, gateway_key)})
    return stage


def _moved(text: str, ports: dict[int, int]) -> str:
    return re.sub(r"\b8\d{3}\b", lambda match: str(ports.get(int(match[0]), int(match[0]))), text)


def _free_ports() -> dict[int, int]:
    """Every usual port to itself, or to any free one where it is taken, or spoken for by another stage."""
    return {port: port if _is_free(port) and _speak_for(port) else _any_free() for port in _PORTS}


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _speak_for(port: int) -> bool:
    """Tell the stages beside us that a program of ours is about to listen there, until this process ends.

    A port that was only looked at is still free for whoever looks next: two towns begun at once took the same ones.
    """
    if sys.platform != "linux":
        return True
    word = socket.socket(socket.AF_UNIX)
    try:
        word.bind(f"\0eherrac-stage-{port}")  # a name, not a file: it goes with the process
    except OSError:
        word.close()
        return False
    _SPOKEN_FOR.append(word)
    return True


def _any_free() -> int:
    while True:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if _speak_for(port):
            return port


class Troupe:
    """The running programs. Each writes its log to FOLDER/logs."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        (stage.folder / "logs").mkdir(exist_ok=True)

    async def start(
        self,
        name: str,
        *arguments: str,
        module: str = "gateway.cli",
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, Any]:
        """Start `eherrac-gateway ARGUMENTS` (or another module that prints a ready line) and return what that says.

        `environ` is added to our own environment.

        Raises:
            StageError: it ended, or said nothing in time; with the end of its log.
        """
        with self.log(name).open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=self._stage.folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environ},
            )
        self._processes[name] = process
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), _READY_S)
            ready: dict[str, Any] = json.loads(line)
        except (TimeoutError, ValueError) as error:
            raise StageError(f"{name} did not start:\n{self._tail(name)}") from error
        return ready

    def log(self, name: str) -> Path:
        """What a program writes to its standard error."""
        return self._stage.folder / "logs" / f"{name}.log"

    def pid(self, name: str) -> int:
        """The process id of a program that was started."""
        return self._processes[name].pid

    def check(self) -> None:
        """Raises StageError if any program has ended."""
        for name, process in self._processes.items():
            if process.returncode is not None:
                raise StageError(f"{name} ended with {process.returncode}:\n{self._tail(name)}")

    async def stop(self) -> None:
        """Ask all to stop, and end those that do not."""
        for process in self._processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        waiting = [asyncio.create_task(process.wait()) for process in self._processes.values()]
        if waiting:
            await asyncio.wait(waiting, timeout=_STOP_S)
        for process in self._processes.values():
            if process.returncode is None:
                process.kill()
                await process.wait()

    def _tail(self, name: str) -> str:
        return "\n".join(self.log(name).read_text("utf-8", "replace").splitlines()[-15:])
