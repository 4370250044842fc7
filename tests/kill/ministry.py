"""One ministry as a program that may be killed: `python -m kill.ministry KEYS BOOTSTRAP TOPIC RECEIPTS SESSION_S`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.sandbox import MinistrySandbox, MinistrySandboxSettings
from gateway.cli.serve import stop_signals
from gateway.keys import KeyFolder


async def run(keys: Path, bootstrap: str, topic: str, receipts: str, session_s: float) -> None:
    """Until SIGTERM; nothing is kept."""
    stop = stop_signals()
    kafka = KafkaSettings(
        bootstrap_servers=bootstrap,
        client_id=f"ministry-{keys.name}",
        session_timeout_s=session_s,
        fetch_wait_s=0.3,
    )
    identity = KeyFolder(directory=keys).identity()
    settings = MinistrySandboxSettings(identity=lambda: identity, kafka=kafka, topic=topic, receipts=receipts)
    sandbox = MinistrySandbox(settings)
    await sandbox.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await stop.wait()
    await sandbox.close()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), *sys.argv[2:5], float(sys.argv[5])))
