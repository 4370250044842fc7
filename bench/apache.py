"""An Apache Kafka of the bench's own, by scripts/kafka.sh: it can be killed and started again with what it holds."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "kafka.sh"
MAJOR = "4"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApacheKafka:
    """One broker whose data lie in `folder`."""

    folder: Path
    major: str

    @property
    def bootstrap(self) -> str:
        """`host:port`, the same over restarts."""
        lines = (self.folder / "env").read_text().splitlines()
        return next(line.removeprefix("plain=") for line in lines if line.startswith("plain="))

    def start(self) -> None:
        """Start it, with what it held. Raises CalledProcessError when it does not come up; its log says why."""
        subprocess.run([_SCRIPT, "start", self.folder, self.major], check=True)

    def kill(self) -> None:
        """End it at once."""
        subprocess.run([_SCRIPT, "kill", self.folder], check=True)


@contextmanager
def running_kafka(folder: Path, *, major: str = MAJOR) -> Iterator[ApacheKafka]:
    """A running broker; its archives are there after `scripts/jars.sh fetch`."""
    broker = ApacheKafka(folder=folder.resolve(), major=major)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
