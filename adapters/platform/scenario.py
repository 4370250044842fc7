"""Scenarios for the platform's sandbox: what it publishes, and which callback each step waits for. Pure; data is TOML.

    [[lot]]
    id = "LOT-B"
    [[lot.step]]
    publish = "az.eherrac.lot.announced.v1"
    data = { regime = "mortgage", auctionAt = "@now+5s", … }   # @now and @now+Ns become the moment of publishing
    [[lot.step]]
    wait = { kind = "payment.state", subject = "LOT-B.payment", state = "settled" }
    [[lot.step]]
    pause_s = 0.5

The lots of a scenario run side by side, the steps of a lot one after another.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from typing import Any

from contracts.events.platform import PlatformEvent, read_event

_NOW = re.compile(r"@now(?:\+([0-9]{1,7})s)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Send an event; `data` may hold `@now` times."""

    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitFor:
    """Go on when a callback of this kind has told this state of this subject."""

    kind: str
    subject: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Go on after a while."""

    seconds: float


ScenarioStep = Publish | WaitFor | Pause


@dataclass(frozen=True, slots=True, kw_only=True)
class LotScript:
    """One lot and its steps."""

    lot_id: str
    steps: tuple[ScenarioStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Lots that run side by side."""

    name: str
    lots: tuple[LotScript, ...]


def parse_scenario(text: str) -> Scenario:
    """Read a scenario.

    Raises:
        ValueError: not TOML, or a step that is none of publish, wait and pause_s.
    """
    table = tomllib.loads(text)
    lots = tuple(LotScript(lot_id=lot["id"], steps=tuple(_step(step) for step in lot["step"])) for lot in table["lot"])
    return Scenario(name=table["name"], lots=lots)


def demo_scenario() -> Scenario:
    """The four lots of the demonstration."""
    source = resources.files("adapters.platform").joinpath("scenario_demo.toml")
    return parse_scenario(source.read_text(encoding="utf-8"))


def event_of(script: LotScript, index: int, *, source: str, now: datetime) -> PlatformEvent:
    """The event of one publishing step. Its id is made from lot and position, so that a resend cannot invent another.

    Raises:
        TypeError: the step publishes nothing.
        RefusedError: the scenario's data is not by the contract.
    """
    step = script.steps[index]
    if not isinstance(step, Publish):
        raise TypeError(f"step {index} of {script.lot_id} publishes nothing")
    return read_event(
        {
            "specversion": "1.0",
            "id": f"{script.lot_id}-{index:02d}",
            "source": source,
            "type": step.type,
            "time": now.isoformat(),
            "subject": script.lot_id,
            "datacontenttype": "application/json",
            "data": _dated(step.data, now),
        }
    )


def _step(table: Mapping[str, Any]) -> ScenarioStep:
    match table:
        case {"publish": str(type), "data": dict(data)}:
            return Publish(type=type, data=data)
        case {"wait": {"kind": str(kind), "subject": str(subject), "state": str(state)}}:
            return WaitFor(kind=kind, subject=subject, state=state)
        case {"pause_s": int() | float() as seconds}:
            return Pause(seconds=seconds)
    raise ValueError(f"not a step: {table}")


def _dated(value: Any, now: datetime) -> Any:
    if isinstance(value, dict):
        return {name: _dated(member, now) for name, member in value.items()}
    match = _NOW.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    return (now + timedelta(seconds=int(match[1] or 0))).isoformat()
