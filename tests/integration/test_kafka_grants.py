"""The declared grants on Apache Kafka behind TLS, a login and ACLs: missing, excessive and right ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from apache_kafka import ApacheKafka
from confluent_kafka.admin import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from waiting import PATIENCE_S, until

from adapters.ministries.grant_watch import Alarm, GrantWatch
from adapters.ministries.grants import Verdict
from adapters.ministries.kafka import KafkaSettings, create_topics
from adapters.ministries.rights import give
from adapters.ministries.topics import TopicWatch
from contracts.events.grants import Grant, Operation, Resource, Role, wanted_grants
from gateway.bootstrap import access_of, kafka_settings
from gateway.bootstrap.brokers import watch_grants
from gateway.cli.kafka import check, grants
from gateway.cli.world import packaged
from gateway.config import Config, load_config
from gateway.errors import OurFaultError
from gateway.wire.broker import EmbeddedBroker


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A configuration over topics of the test's own, as the user `gateway`; `root` may do everything."""

    path: Path
    config: Config
    root: KafkaSettings

    @property
    def kafka(self) -> KafkaSettings:
        return kafka_settings(self.config, self.config.kafka.bootstrap)

    @property
    def wanted(self) -> tuple[Grant, ...]:
        access = access_of(self.config, self.kafka)
        return wanted_grants(access.topics, access.principals)

    async def give(self, *left_out: Operation) -> None:
        await give(self.root, [grant for grant in self.wanted if grant.operation not in left_out])


@pytest.fixture
async def lab(apache_kafka: ApacheKafka, tmp_path: Path) -> Lab:
    """The topics are there, nothing is granted."""
    mark = uuid4().hex[:8]
    (tmp_path / "password").write_text("gateway-secret\n")
    kafka = f"""[kafka]
bootstrap = "{apache_kafka.secure}"
receipts_topic = "{mark}.receipts"
client_id = "{mark}"
security_protocol = "SASL_SSL"
tls_ca = "{apache_kafka.ca}"
sasl_username = "gateway"
sasl_password_file = "password"
"""
    text = packaged("demo.toml").replace('topic = "eherrac.', f'principal = "User:{mark}"\ntopic = "{mark}.eherrac.')
    path = tmp_path / "gateway.toml"
    path.write_text(text.replace('[kafka]\nbootstrap = "embedded"\n', kafka))
    config = load_config(path, {})
    made = Lab(path=path, config=config, root=KafkaSettings(bootstrap_servers=apache_kafka.plain))
    await create_topics(made.root, access_of(config, made.kafka).topics)
    return made


@pytest.fixture(autouse=True)
async def cleared(apache_kafka: ApacheKafka) -> AsyncIterator[None]:
    """What is granted on the cluster is everybody's: it ends with the test."""
    yield
    every = (None, None, AclOperation.ANY, AclPermissionType.ANY)
    cluster = AclBindingFilter(ResourceType.BROKER, "kafka-cluster", ResourcePatternType.LITERAL, *every)
    admin = AdminClient({"bootstrap.servers": apache_kafka.plain})
    for done in admin.delete_acls([cluster]).values():
        done.result(timeout=PATIENCE_S)
    await until(lambda: admin.describe_acls(cluster).result(timeout=PATIENCE_S) == [])


async def look(lab: Lab, told: list[Alarm]) -> GrantWatch:
    """Look once what is just given has reached the broker: its first answer may be an older one."""
    watch = GrantWatch(access_of(lab.config, lab.kafka), told.append)
    await watch.look()
    return watch


async def test_with_the_declared_grants_nothing_is_wrong(lab: Lab) -> None:
    await lab.give()
    told: list[Alarm] = []

    async def right() -> bool:
        told.clear()
        return (await look(lab, told)).verdict is not None and not told

    await until(right)


async def test_without_grants_the_start_is_refused_with_every_command(lab: Lab) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(OurFaultError) as refused:
            await watch_grants(lab.config, stack, lab.kafka)
    needed = [grant for grant in lab.wanted if grant.role is Role.GATEWAY and grant.needed]
    assert str(refused.value).splitlines() == [
        f"missing grant: {grant}; give it: {grant.command(lab.config.kafka.bootstrap)}" for grant in needed
    ]


@pytest.mark.parametrize(
    ("left_out", "named_too"),
    [
        (Operation.DESCRIBE_CONFIGS, frozenset[Operation]()),
        (Operation.WRITE, frozenset({Operation.DESCRIBE_CONFIGS})),  # of a topic that is hidden all rights are unseen
    ],
)
async def test_one_missing_grant_is_named_and_may_be_passed_over(
    lab: Lab, left_out: Operation, named_too: frozenset[Operation]
) -> None:
    await lab.give(left_out)
    ours = [grant for grant in lab.wanted if grant.role is Role.GATEWAY and grant.needed]
    places = {grant.name for grant in ours if grant.operation is left_out}
    missing = {grant for grant in ours if grant.name in places and grant.operation in {left_out, *named_too}}

    async def named() -> bool:
        verdict = (await look(lab, [])).verdict
        return verdict is not None and set(verdict.missing) == missing

    await until(named)
    passed_over = lab.config.kafka.model_copy(update={"start_without_grants": True})
    async with AsyncExitStack() as stack:
        watch = await watch_grants(lab.config.model_copy(update={"kafka": passed_over}), stack, lab.kafka)
        assert watch is not None
        assert not await watch.ready()
        await lab.give()
        await until(lambda: seen_ready(watch))


async def test_topics_whose_settings_are_hidden_are_looked_at_until_they_can_be_seen(lab: Lab) -> None:
    """Kafka answers, and goes on being asked whether it does: only of these topics nothing can be said."""
    topics = access_of(lab.config, lab.kafka).topics
    watch = TopicWatch(lab.kafka, topics, interval_s=0.1)
    await lab.give(Operation.DESCRIBE_CONFIGS)
    watch.start()
    hidden = tuple(f"topic {topic.name} hides its settings: is DESCRIBE_CONFIGS granted?" for topic in topics)
    await until(lambda: watch.faults == hidden)
    assert watch.is_answered
    await lab.give()
    await until(watch.ready)
    await watch.close()


async def seen_ready(watch: GrantWatch) -> bool:
    await watch.look()
    return await watch.ready()


async def test_who_may_more_than_is_declared_is_an_alarm_by_name(lab: Lab) -> None:
    await lab.give()
    topics = access_of(lab.config, lab.kafka).topics
    more = [("User:stranger", topics[0].name), ("User:gateway", topics[-1].name)]
    await give(lab.root, [granted(who, topic) for who, topic in more])
    told: list[Alarm] = []
    watch = await look(lab, told)

    def facts() -> list[tuple[str, str]]:
        return [(fact["principal"], fact["topic"]) for name, fact in told if name == "GRANT_EXCESSIVE"]

    async def both() -> bool:
        await watch.look()
        return sorted(facts()) == sorted(more)

    await until(both)
    await watch.look()
    assert len(told) == len(set(map(str, told))), "told once"
    assert await watch.ready()


def granted(who: str, topic: str) -> Grant:
    return Grant(role=Role.MINISTRY, principal=who, operation=Operation.WRITE, resource=Resource.TOPIC, name=topic)


async def test_where_the_list_is_hidden_our_own_rights_are_judged_all_the_same(lab: Lab) -> None:
    await lab.give(Operation.DESCRIBE)
    names: list[str] = []

    async def only_hidden() -> bool:
        told: list[Alarm] = []
        await look(lab, told)
        names[:] = [name for name, _ in told]
        return names == ["GRANTS_HIDDEN"]

    await until(only_hidden)


async def test_brokers_that_are_away_refuse_no_start(lab: Lab) -> None:
    away = KafkaSettings(bootstrap_servers="127.0.0.1:9", request_timeout_s=0.5)
    async with AsyncExitStack() as stack:
        watch = await watch_grants(lab.config, stack, away)
        assert watch is not None
        assert watch.verdict is None


async def test_of_brokers_that_do_not_tell_rights_nothing_is_called_missing(lab: Lab) -> None:
    topics = {topic.name: 1 for topic in access_of(lab.config, lab.kafka).topics}
    with EmbeddedBroker(topics) as broker:
        async with AsyncExitStack() as stack:
            watch = await watch_grants(lab.config, stack, KafkaSettings(bootstrap_servers=broker.bootstrap_servers))
            assert watch is not None
            assert watch.verdict == Verdict(hidden=True)


async def test_the_commands_print_give_and_compare(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        await asyncio.to_thread(check, config=lab.path)
    assert ended.value.code == 3
    said = capsys.readouterr().out
    assert said.count("missing grant") == len([g for g in lab.wanted if g.role is Role.GATEWAY and g.needed])
    assert "is missing" not in said, "a topic that is hidden is not called missing"
    await asyncio.to_thread(grants, config=lab.path)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [grant.command(lab.config.kafka.bootstrap) for grant in lab.wanted]
    with pytest.raises(SystemExit):  # we may give nothing
        await asyncio.to_thread(grants, apply=True, config=lab.path)
    await lab.give()
    capsys.readouterr()

    async def compared() -> bool:
        try:
            await asyncio.to_thread(check, config=lab.path)
        except SystemExit:
            return False
        return True

    await until(compared)
    assert "every topic and every grant is as declared" in capsys.readouterr().out
