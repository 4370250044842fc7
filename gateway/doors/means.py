"""What the doors of the platform and the banks work with, the same for both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from contracts.errors import Refusal
from gateway.doors.callers import Callers
from gateway.doors.metrics import Metrics
from gateway.doors.queries import Queries
from gateway.ports import Receiver
from gateway.wire.admission import Admission
from gateway.wire.identity import Identity
from gateway.wire.repetition import FORGETFUL, Memory
from gateway.wire.server import EVERYBODY, KeepAnswer

NoteRefusal = Callable[[str | None, str, Refusal, str | None], Awaitable[None]]
"""Told of every refused request: verified participant, path, refusal, hex SHA-256 of the body if it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """Who we are and who may come in, what the doors lead to, and what they keep."""

    callers: Callers
    identity: Callable[[], Identity]
    receiver: Receiver
    queries: Queries
    clock: Callable[[], datetime]
    note_refusal: NoteRefusal
    metrics: Metrics
    keep_answer: KeepAnswer | None = None
    admission: Admission = EVERYBODY
    memory: Memory = FORGETFUL
