"""The log on standard error: structured, one JSON object a line, or written for the eye."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

_HEARD_MAX = 500  # alarms remembered; the one that was told longest ago is forgotten
_CHANGING = frozenset({"grace_left_s", "count", "reason"})  # facts by which an alarm is no other


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An alarm of this process: the same code about the same thing counts as one. `facts` are the last ones."""

    code: str
    facts: Mapping[str, str]
    first_at: datetime
    last_at: datetime
    times: int


_told: Counter[str] = Counter()  # like the log itself, one per process
_heard: dict[tuple[str, ...], Heard] = {}  # in order of `last_at`


def alarms_told() -> Mapping[str, int]:
    """How many alarms of each code this process has logged."""
    return _told


def alarms_heard() -> Sequence[Heard]:
    """The alarms this process has logged, the last one first."""
    return tuple(reversed(_heard.values()))


def _count_alarm(_: object, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Every alarm passes here, whoever raises it."""
    if isinstance(code := event.get("alarm"), str):
        _told[code] += 1
        facts = event.get("facts")
        _hear(code, {name: str(fact) for name, fact in facts.items()} if isinstance(facts, Mapping) else {})
    return event


def _hear(code: str, facts: Mapping[str, str]) -> None:
    now = datetime.now(UTC)
    about = (code, *(f"{name}={fact}" for name, fact in sorted(facts.items()) if name not in _CHANGING))
    before = _heard.pop(about, None)
    first_at, times = (now, 0) if before is None else (before.first_at, before.times)
    _heard[about] = Heard(code=code, facts=facts, first_at=first_at, last_at=now, times=times + 1)
    while len(_heard) > _HEARD_MAX:
        _heard.pop(next(iter(_heard)))


_SHARED: tuple[structlog.types.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)

_TOO_LOUD = ("aiokafka",)  # says an outage several times a second; our readers and writers say it once


def set_up(level: str, *, json_lines: bool) -> None:
    """Send our own and the libraries' records through one formatter. Call once, at start."""
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if json_lines else structlog.dev.ConsoleRenderer()
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TOO_LOUD:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[_count_alarm, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
