"""The declared Kafka topics (`topics.toml`): which carries what, for whom, kept how long."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

AS_PRODUCED = "producer"  # as each producer likes


class Carries(StrEnum):
    """What a topic's records are."""

    PROTOCOL = "protocol"  # gateway to one ministry: a sealed container
    RECEIPT = "receipt"  # ministries to gateway: a signed receipt
    REFUSAL = "refusal"  # gateway to one ministry: a receipt of its that was refused, and why


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic. `authority` is the participant code of the only reader, where there is one."""

    name: str
    carries: Carries
    partitions: int
    retention_ms: int
    record_max_bytes: int
    compression: str = AS_PRODUCED  # Kafka's `compression.type`
    authority: str | None = None


@cache
def declared_topics() -> tuple[Topic, ...]:
    """All topics, in the order of the file."""
    text = files("contracts.events").joinpath("topics.toml").read_text(encoding="utf-8")
    return tuple(_topic(name, row) for name, row in tomllib.loads(text)["topics"].items())


def protocol_topics(topics: Iterable[Topic] | None = None) -> dict[str, Topic]:
    """Participant code of a ministry to its topic."""
    chosen = declared_topics() if topics is None else topics
    return {topic.authority: topic for topic in chosen if topic.carries is Carries.PROTOCOL and topic.authority}


def refusals_topic(authority: str) -> Topic:
    """The declared topic of refusals of a ministry; for one that none is declared for, another's."""
    declared = [topic for topic in declared_topics() if topic.carries is Carries.REFUSAL]
    return next((topic for topic in declared if topic.authority == authority), declared[0])


def receipts_topic() -> Topic:
    """The one topic that receipts come back on."""
    return next(topic for topic in declared_topics() if topic.carries is Carries.RECEIPT)


def _topic(name: str, row: dict[str, Any]) -> Topic:
    return Topic(name=name, **{**row, "carries": Carries(row["carries"])})
