"""The town the bench plays in: the gateway and every counterparty as a process of its own, over real sockets.

It is the demonstration's stage with two things changed: nobody runs out of money or patience, and banks decide at once.
Settings of the gateway may be given, by environment name, to put another database or broker under it.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from adapters.ministries.kafka import create_topics
from gateway.bootstrap import kafka_settings, topics_of
from gateway.cli.stage import Stage, Troupe, build_stage
from gateway.cli.world import World, read_world
from gateway.config import Config, load_config
from gateway.keys import KeyFolder
from gateway.wire.identity import Identity

_ROOT = Path(__file__).resolve().parents[1]
_PLENTY = "900000000.00"
_PATIENCE_S = 7200.0  # banks wait for a gateway that takes nothing new, and AÖS for everybody on a busy machine
_MINISTRIES = ("ECONOMY", "JUSTICE", "INTERIOR")
RECORDED_SERVE = "bench.recorded_serve"
EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """A running town without its auction platform: that is played by whoever holds this."""

    stage: Stage
    world: World
    config: Config
    gateway_pid: int
    gateway_log: Path

    def identity(self, participant: str) -> Identity:
        """Keys and trust of anybody."""
        return KeyFolder(directory=self.stage.keys / participant).identity()


@asynccontextmanager
async def running_town(
    folder: Path, *, recorded: bool = False, key: str = "rsa", settings: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Town]:
    """Start everybody; stop them at the end. `recorded` starts the gateway through `bench.recorded_serve`;
    `key` is the kind of its key.

    A broker named in `settings` is given its topics first.

    Raises:
        StageError: a program did not start.
    """
    # The programs run in a folder of their own; there is no other way for them to find the bench.
    os.environ["PYTHONPATH"] = str(_ROOT)
    stage = build_stage(folder, gateway_key=key)
    stage.world.write_text(_rich(stage.world.read_text("utf-8")), "utf-8")
    config, troupe = load_config(stage.config, settings), Troupe(stage)
    if config.kafka.bootstrap != EMBEDDED:
        await create_topics(kafka_settings(config, config.kafka.bootstrap), topics_of(config))
    try:
        await _start(troupe, stage, recorded=recorded, settings=settings)
        yield Town(
            stage=stage,
            world=read_world(stage.world),
            config=config,
            gateway_pid=troupe.pid("gateway"),
            gateway_log=troupe.log("gateway"),
        )
        troupe.check()
    finally:
        await troupe.stop()


def _rich(world: str) -> str:
    world = world.replace(
        "[aos]\n", f"[aos]\nconfirmation_interval_s = {_PATIENCE_S}\nrequest_interval_s = {_PATIENCE_S}\n"
    )
    world = re.sub(r'(?m)^(opening_balance|balance) = ".*"', rf'\1 = "{_PLENTY}"', world)
    return re.sub(r"(?m)^decide_after_s = .*", f"decide_after_s = 0.0\ndecide_for_s = {_PATIENCE_S}", world)


async def _start(troupe: Troupe, stage: Stage, *, recorded: bool, settings: Mapping[str, str]) -> None:
    common = ("--keys", str(stage.keys), "--world", str(stage.world))
    config = ("--config", str(stage.config))
    serve = (
        troupe.start("gateway", *config, module=RECORDED_SERVE, environ=settings)
        if recorded
        else troupe.start("gateway", "serve", *config, environ=settings)
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
