"""The log on standard error: structured, one JSON object a line, or written for the eye."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Mapping

import structlog

_told: Counter[str] = Counter()  # like the log itself, one per process


def alarms_told() -> Mapping[str, int]:
    """How many alarms of each code this process has logged."""
    return _told


def _count_alarm(_: object, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Every alarm passes here, whoever raises it."""
    if isinstance(code := event.get("alarm"), str):
        _told[code] += 1
    return event


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
