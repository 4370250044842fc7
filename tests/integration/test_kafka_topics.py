"""The declared topics on Apache Kafka: missing ones are said by name and created, lesser ones are said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from uuid import uuid4

import pytest
from waiting import until

from adapters.ministries.kafka import KafkaSettings, create_topics
from adapters.ministries.topics import TopicWatch, topic_faults, wanted_topics
from contracts.events.topics import Topic, declared_topics
from gateway.bootstrap import topics_of
from gateway.cli.kafka import check, create
from gateway.cli.world import packaged
from gateway.config import load_config


def topics(mark: str) -> tuple[Topic, ...]:
    return wanted_topics({"ECONOMY": f"economy.{mark}", "JUSTICE": f"justice.{mark}"}, f"receipts.{mark}")


@pytest.fixture
def mark() -> str:
    return uuid4().hex[:8]


@pytest.fixture
def kafka(kafka_bootstrap: str) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka_bootstrap)


async def faults_of(kafka: KafkaSettings, wanted: tuple[Topic, ...]) -> tuple[str, ...]:
    """Once the cluster agrees with itself about what was just created."""
    found: tuple[str, ...] = ()

    async def nothing_is_missing() -> bool:
        nonlocal found
        found = await topic_faults(kafka, wanted)
        return not any("missing" in fault for fault in found)

    await until(nothing_is_missing)
    return found


AUTHORITIES = ("economy", "justice", "interior")


def test_every_configured_topic_is_wanted_as_declared() -> None:
    path = Path(str(resources.files("gateway").joinpath("data", "demo.toml")))
    told = {
        f"EHERRAC__MINISTRIES__{n}__REFUSALS_TOPIC": f"eherrac.refusals.{code}" for n, code in enumerate(AUTHORITIES)
    }
    assert set(topics_of(load_config(path, told))) == set(declared_topics())
    other = wanted_topics({"OTHER": "t"}, "r")
    assert (other[0].name, other[0].authority, other[0].partitions) == ("t", "OTHER", declared_topics()[0].partitions)


async def test_missing_topics_are_named_and_created(kafka: KafkaSettings, mark: str) -> None:
    wanted = topics(mark)
    assert await topic_faults(kafka, wanted) == tuple(f"topic {topic.name} is missing" for topic in wanted)
    assert sorted(await create_topics(kafka, wanted)) == sorted(topic.name for topic in wanted)
    assert await faults_of(kafka, wanted) == ()
    assert await create_topics(kafka, wanted) == []


async def test_what_is_less_than_declared_is_said_and_what_is_more_is_not(kafka: KafkaSettings, mark: str) -> None:
    small = Topic(
        name=f"small.{mark}",
        carries=topics(mark)[0].carries,
        partitions=2,
        retention_ms=3_600_000,
        record_max_bytes=1000,
    )
    await create_topics(kafka, [small])
    assert await faults_of(kafka, (small,)) == ()
    assert await topic_faults(kafka, (replace(small, partitions=1, retention_ms=1, record_max_bytes=1),)) == ()
    wanted = replace(small, partitions=3, retention_ms=7_200_000, record_max_bytes=2000, compression="uncompressed")
    assert await topic_faults(kafka, (wanted,)) == (
        f"topic {small.name} has 2 partitions, 3 are declared",
        f"topic {small.name} keeps records 3600000 ms, 7200000 are declared",
        f"topic {small.name} takes records of 1000 bytes, 2000 are declared",
        f"topic {small.name} is kept producer, uncompressed is declared",
    )


async def test_readiness_follows_the_topics(kafka: KafkaSettings, mark: str) -> None:
    watch = TopicWatch(kafka, topics(mark), interval_s=0.1)
    assert not await watch.ready()
    watch.start()
    await until(lambda: watch.faults is not None)
    assert not await watch.ready()
    await create_topics(kafka, topics(mark))
    await until(watch.ready)
    await watch.close()


async def test_a_cluster_that_is_away_is_asked_again_not_called_ready_and_told_of_once(
    kafka: KafkaSettings, mark: str, caplog: pytest.LogCaptureFixture
) -> None:
    away = KafkaSettings(bootstrap_servers="127.0.0.1:9", request_timeout_s=0.5)
    watch = TopicWatch(away, topics(mark))
    for _ in range(2):
        await watch.look()
        assert (watch.is_answered, watch.faults, await watch.ready()) == (False, None, False)
    watch._settings = kafka
    await watch.look()
    assert watch.is_answered
    told = [line.message.split(":")[0] for line in caplog.records if "Kafka" in line.message]
    assert told == ["Kafka does not answer", "Kafka answers again"]


@pytest.fixture
def config(tmp_path: Path, mark: str) -> Callable[[str], Path]:
    def write(bootstrap: str) -> Path:
        path = tmp_path / "gateway.toml"
        text = packaged("demo.toml").replace('bootstrap = "embedded"', f'bootstrap = "{bootstrap}"')
        text = text.replace('topic = "eherrac.', f'topic = "{mark}.eherrac.')
        path.write_text(text.replace("[kafka]\n", f'[kafka]\nreceipts_topic = "{mark}.receipts"\n'))
        return path

    return write


def test_the_commands_create_and_compare(
    kafka_bootstrap: str, config: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(kafka_bootstrap)
    with pytest.raises(SystemExit) as ended:
        check(config=path)
    assert ended.value.code == 3
    assert capsys.readouterr().out.count("is missing") >= 3
    create(replication=1, config=path)
    assert "topics created" in capsys.readouterr().out
    settings = load_config(path, {})
    asyncio.run(faults_of(KafkaSettings(bootstrap_servers=kafka_bootstrap), topics_of(settings)))
    with pytest.raises(SystemExit):
        check(config=path)
    receipts = settings.kafka.receipts_topic  # to this listener everybody is a super user
    said = f"excessive grant: User:ANONYMOUS may WRITE topic {receipts}, which nobody declared\n"
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(("bootstrap", "status"), [("embedded", 2), ("127.0.0.1:9", 1)])
def test_a_cluster_that_cannot_be_asked_is_said_in_a_line(
    config: Callable[[str], Path], bootstrap: str, status: int
) -> None:
    with pytest.raises(SystemExit) as ended:
        check(config=config(bootstrap))
    assert ended.value.code == status
