"""Whether the cluster has the topics that are declared, as they are declared (`contracts/events/topics.toml`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from adapters.ministries.kafka import KafkaSettings
from contracts.events.grants import Operation
from contracts.events.topics import AS_PRODUCED, Topic, protocol_topics, receipts_topic, refusals_topic

_log = logging.getLogger(__name__)
_RETENTION, _RECORD_MAX, _COMPRESSION = "retention.ms", "max.message.bytes", "compression.type"
_FOR_EVER = -1  # a retention


def wanted_topics(
    protocols: Mapping[str, str], receipts: str, refusals: Mapping[str, str] = MappingProxyType({})
) -> tuple[Topic, ...]:
    """The declared topics under the configured names; a ministry that none is declared for gets one like the others'.

    Args:
        protocols: participant code of each ministry to the name of its topic.
        receipts: name of the topic that receipts come back on.
        refusals: participant code of each ministry that is told of refused receipts to the name of that topic.
    """
    declared = protocol_topics()
    like = next(iter(declared.values()))
    to_ministries = (replace(declared.get(code, like), name=name, authority=code) for code, name in protocols.items())
    told = (replace(refusals_topic(code), name=name, authority=code) for code, name in refusals.items())
    return (*to_ministries, *told, replace(receipts_topic(), name=receipts))


async def topic_faults(settings: KafkaSettings, topics: Iterable[Topic]) -> tuple[str, ...]:
    """What is not as declared, a line each; more than is declared is no fault.

    Raises:
        KafkaError: the cluster refuses or is not there.
    """
    wanted = {topic.name: topic for topic in topics}
    admin = AIOKafkaAdminClient(**settings.client_options)
    try:  # from the start on: what is cancelled half way is closed too
        await admin.start()
        names = set(await admin.list_topics())  # to ask for one by name would create it, where the cluster allows that
        there = [name for name in wanted if name in names]
        found = await admin.describe_topics(there) if there else []
        configured = await _configured(admin, there) if there else {}
    finally:
        await admin.close()
    missing = [f"topic {name} is missing" for name in wanted if name not in there]
    partitions = {row["topic"]: len(row["partitions"]) for row in found}
    lesser = (fault for name in there for fault in _faults(wanted[name], partitions[name], configured.get(name, {})))
    return (*missing, *lesser)


async def _configured(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    asked = dict.fromkeys((_RETENTION, _RECORD_MAX, _COMPRESSION))
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, configs=asked) for name in names]
    answers = [answer.to_object() for answer in await admin.describe_configs(resources)]
    return {
        row["resource_name"]: {entry["config_names"]: entry["config_value"] for entry in row["config_entries"]}
        for answer in answers
        for row in answer["resources"]
    }


def _faults(topic: Topic, partitions: int, configured: Mapping[str, str]) -> list[str]:
    if not configured.keys() >= {_RETENTION, _RECORD_MAX, _COMPRESSION}:  # no right to see them, or deleted just now
        return [f"topic {topic.name} hides its settings: is {Operation.DESCRIBE_CONFIGS} granted?"]
    retention_ms, record_max_bytes = int(configured[_RETENTION]), int(configured[_RECORD_MAX])
    compression = configured[_COMPRESSION]
    faults = []
    if partitions < topic.partitions:
        faults.append(f"topic {topic.name} has {partitions} partitions, {topic.partitions} are declared")
    if retention_ms != _FOR_EVER and retention_ms < topic.retention_ms:
        faults.append(f"topic {topic.name} keeps records {retention_ms} ms, {topic.retention_ms} are declared")
    if record_max_bytes < topic.record_max_bytes:
        faults.append(
            f"topic {topic.name} takes records of {record_max_bytes} bytes, {topic.record_max_bytes} are declared"
        )
    if topic.compression not in (AS_PRODUCED, compression):
        faults.append(f"topic {topic.name} is kept {compression}, {topic.compression} is declared")
    return faults


class TopicWatch:
    """Looks at the topics at the start and from time to time; `faults` is None until the cluster has been asked.

    `is_answered`: whether it answered last. A consumer that has nothing to read does not notice that its brokers went.
    """

    def __init__(self, settings: KafkaSettings, topics: Iterable[Topic], *, interval_s: float = 30.0) -> None:
        self._settings, self._topics, self._interval_s = settings, tuple(topics), interval_s
        self._task: asyncio.Task[None] | None = None
        self.faults: tuple[str, ...] | None = None
        self.is_answered = True

    def start(self) -> None:
        """Begin looking; while the cluster is away, what was found last stands."""
        self._task = asyncio.create_task(self._run(), name="topics")

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Look once; that nobody answers is said once, and once that somebody does again."""
        try:
            self._judge(await topic_faults(self._settings, self._topics))
        except (KafkaError, OSError, TimeoutError) as error:
            if self.is_answered:
                _log.warning("Kafka does not answer: %s", error)
            self.is_answered = False
        else:
            if not self.is_answered:
                _log.warning("Kafka answers again")
            self.is_answered = True

    async def _run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._interval_s)

    async def ready(self) -> bool:
        """Every topic is there as declared."""
        return self.faults == ()

    def _judge(self, faults: tuple[str, ...]) -> None:
        for fault in set(faults) - set(self.faults or ()):
            _log.warning("%s: eherrac-gateway kafka create-topics", fault)
        self.faults = faults
