"""An Apache Kafka that runs for the tests (`scripts/kafka.sh`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ApacheKafka:
    """Where it listens: `plain` for everybody, `secure` by TLS with a login; `ca` vouches for it."""

    plain: str
    secure: str
    ca: Path
