"""What every part of the house is given: configuration, clock, keys, rules of the wire, metrics, and how to end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from certs.freshness import IssuerStanding
from gateway.config import Config
from gateway.doors.aos import AosDoorSettings
from gateway.doors.metrics import Metrics
from gateway.keys import WatchedKeys
from gateway.keys.keyring import key_folder, wire_rules
from gateway.wire.client import SignedClient
from gateway.wire.revocation import stop


def utc_now() -> datetime:
    """The clock of the house."""
    return datetime.now(UTC)


class Surroundings:
    """One per running gateway. What is put on `stack` is undone in the opposite order."""

    def __init__(self, config: Config, clock: Callable[[], datetime], stack: AsyncExitStack) -> None:
        self.config, self.clock, self.stack = config, clock, stack
        self.replica = f"{socket.gethostname()}.{os.getpid()}"  # unique among the processes over one store
        self.metrics = Metrics()
        self.rules = wire_rules(config)
        self.keys = WatchedKeys(key_folder(config), reload_s=config.keys.reload_s, clock=clock)

    def standings(self) -> tuple[IssuerStanding, ...]:
        """How the issuers of those we trust stand now."""
        return self.keys().trust.standings(self.clock())

    def rail(self) -> AosDoorSettings:
        """Who we and AÖS are on the instant rail."""
        return AosDoorSettings(
            own_bic=self.config.gateway.bic,
            own_address=self.config.gateway.address,
            system_bic=self.config.aos.system_address,
            participant=self.config.aos.participant,
            envelope=self.config.aos.envelope,
        )

    def client(self, timeout_s: float) -> SignedClient:
        """A client that signs as we."""
        return SignedClient(self.keys, timeout_s=timeout_s, clock=self.clock, rules=self.rules)

    def keep_running(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run something in the background until the house is closed."""
        task = asyncio.create_task(work, name=name)
        self.stack.push_async_callback(stop, task)
        return task
