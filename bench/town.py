"""The town the bench plays in: the gateway and every counterparty as a process of its own, over real sockets.

It is the demonstration's stage with two things changed: nobody runs out of money, and banks decide at once.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.stage import Stage, Troupe, build_stage
from gateway.cli.world import World, read_world
from gateway.keys import KeyFolder
from gateway.wire.identity import Identity

_ROOT = Path(__file__).resolve().parents[1]
_PLENTY = "900000000.00"
_MINISTRIES = ("ECONOMY", "JUSTICE", "INTERIOR")
RECORDED_SERVE = "bench.recorded_serve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """A running town without its auction platform: that is played by whoever holds this."""

    stage: Stage
    world: World
    gateway_pid: int

    @property
    def database(self) -> Path:
        """The gateway's SQLite file."""
        return self.stage.folder / "eherrac.db"

    def identity(self, participant: str) -> Identity:
        """Keys and trust of anybody."""
        return KeyFolder(directory=self.stage.keys / participant).identity()


@asynccontextmanager
async def running_town(folder: Path, *, recorded: bool = False, key: str = "rsa") -> AsyncIterator[Town]:
    """Start everybody; stop them at the end. `recorded` starts the gateway through `bench.recorded_serve`;
    `key` is the kind of its key.

    Raises:
        StageError: a program did not start.
    """
    # The programs run in a folder of their own; there is no other way for them to find the bench.
    os.environ["PYTHONPATH"] = str(_ROOT)
    stage = build_stage(folder, gateway_key=key)
    stage.world.write_text(_rich(stage.world.read_text("utf-8")), "utf-8")
    troupe = Troupe(stage)
    try:
        await _start(troupe, stage, recorded=recorded)
        yield Town(stage=stage, world=read_world(stage.world), gateway_pid=troupe.pid("gateway"))
        troupe.check()
    finally:
        await troupe.stop()


def _rich(world: str) -> str:
    world = re.sub(r'(?m)^(opening_balance|balance) = ".*"', rf'\1 = "{_PLENTY}"', world)
    return re.sub(r"(?m)^decide_after_s = .*", "decide_after_s = 0.0", world)


async def _start(troupe: Troupe, stage: Stage, *, recorded: bool) -> None:
    common = ("--keys", str(stage.keys), "--world", str(stage.world))
    config = ("--config", str(stage.config))
    serve = (
        troupe.start("gateway", *config, module=RECORDED_SERVE)
        if recorded
        else troupe.start("gateway", "serve", *config)
    )
    gateway, *_ = await asyncio.gather(
        serve,
        troupe.start("aos", "sandbox", "aos", *common),
        troupe.start("asan-pay", "sandbox", "asan-pay", *common),
        *(troupe.start(f"bank-{code}", "sandbox", "bank", code, *common) for code in ("999101", "999202")),
    )
    kafka = ("--kafka", gateway["kafka"])
    for code in _MINISTRIES:
        await troupe.start(f"ministry-{code}", "sandbox", "ministry", code, *common, *kafka)
