"""`eherrac-gateway serve`: run the gateway until it is told to stop (SIGTERM, SIGINT)."""

from __future__ import annotations

import asyncio
import gc
import json
import signal

from gateway.cli.console import fail, say
from gateway.cli.settings import ConfigPath, load
from gateway.config import Config


def serve(*, config: ConfigPath = None) -> None:
    """Run doors, dispatcher and receipts consumer in one process.

    When it is ready, one JSON line on standard output says where it listens. On SIGTERM it takes nothing in any more,
    finishes what is under way and ends; what is not finished is on disk and goes on at the next start.
    """
    settings = load(config)
    asyncio.run(_serve(settings))


async def _serve(config: Config) -> None:
    from gateway.bootstrap import start
    from gateway.errors import OurFaultError
    from gateway.logs import set_up
    from gateway.store import StoreError

    set_up(config.log.level, json_lines=config.log.json_lines)
    stop = stop_signals()
    try:
        system = await start(config)
    except (OurFaultError, StoreError, OSError) as error:
        fail(f"cannot start: {error}", 1)
    gc.collect()
    gc.freeze()  # what stands by now stays: walking it again stopped everything for 50 ms at a time
    console = None if system.console is None else system.console.address
    say(json.dumps({"ready": True, "http": system.address, "kafka": system.kafka, "console": console}))
    await stop.wait()
    await system.close()


def stop_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set from now on. Ask for it before saying that you are ready."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
