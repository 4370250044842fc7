"""What the console works with: the engine, the finder of how things stand, who is there, and others' names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.domain.rulebook import Rulebook
from gateway.doors.console.finding import Finder
from gateway.doors.console.visits import Visits
from gateway.engine.engine import Engine
from gateway.logs import Heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One per process."""

    engine: Engine
    rules: Rulebook
    visits: Visits
    finder: Finder
    clock: Callable[[], datetime]
    replica: str  # this process, as leases name it
    names: Mapping[str, str] = field(default_factory=dict)  # of participants, by code
    heard: Callable[[], Sequence[Heard]] = tuple  # alarms of this process
    sources: tuple[str, ...] = ()  # codes of those who send messages
