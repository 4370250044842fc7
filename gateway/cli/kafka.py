"""`kafka create-topics|grants|check`: the declared topics and grants on the configured cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

from aiokafka.errors import InvalidReplicationFactorError, KafkaError
from cyclopts import App, Parameter

from adapters.ministries.grants import Verdict
from adapters.ministries.kafka import KafkaSettings, create_topics
from adapters.ministries.rights import give
from adapters.ministries.topics import topic_faults
from contracts.events.grants import wanted_grants
from gateway.bootstrap import access_of, kafka_settings, topics_of
from gateway.cli.console import fail, say
from gateway.cli.settings import ConfigPath, load
from gateway.config import Config

T = TypeVar("T")
_EMBEDDED = "embedded"

app = App(name="kafka", help="The topics between the gateway and the ministries, and who may use them.")


@app.command(name="create-topics")
def create(
    *,
    replication: Annotated[int, Parameter(help="Copies of every record; 3 where there are three brokers.")] = 3,
    config: ConfigPath = None,
) -> None:
    """Create the declared topics that are not there; those that are stay as they are."""

    async def work(settings: Config) -> list[str]:
        kafka = kafka_settings(settings, settings.kafka.bootstrap)
        try:
            return await create_topics(kafka, topics_of(settings), replication=replication)
        except InvalidReplicationFactorError:
            fail(f"{kafka.bootstrap_servers}: fewer than {replication} brokers; --replication says how many copies", 1)

    created = _asked(config, work)
    for name in created:
        say(name)
    say(f"{len(created)} topics created")


@app.command
def grants(
    *,
    apply: Annotated[bool, Parameter(help="Give them, instead of printing the commands.")] = False,
    user: Annotated[str | None, Parameter(help="Who gives them: a user with ALTER on the cluster.")] = None,
    password_file: Annotated[Path | None, Parameter(help="File with that user's password.")] = None,
    config: ConfigPath = None,
) -> None:
    """Print the commands of Kafka's own tool that grant what is declared, or give it; what is granted besides stays."""

    async def work(settings: Config) -> list[str]:
        kafka = _as(kafka_settings(settings, settings.kafka.bootstrap), user, password_file)
        access = access_of(settings, kafka)
        wanted = wanted_grants(access.topics, access.principals)
        if not apply:
            return [grant.command(kafka.bootstrap_servers) for grant in wanted]
        await give(kafka, wanted)
        return [str(grant) for grant in wanted]

    lines = _asked(config, work)
    for line in lines:
        say(line)
    if apply:
        say(f"{len(lines)} grants given")


@app.command
def check(*, config: ConfigPath = None) -> None:
    """Compare the cluster's topics and grants with the declared ones; exit code 3 where they differ."""

    async def work(settings: Config) -> list[str]:
        kafka = kafka_settings(settings, settings.kafka.bootstrap)
        verdict = await access_of(settings, kafka).look()
        unseen = {grant.name for grant in verdict.missing}  # the brokers hide what we may not use
        topics = [topic for topic in topics_of(settings) if topic.name not in unseen]
        if verdict.hidden:
            say("what others may do is hidden from us: that needs DESCRIBE on the cluster")
        return [*_told(verdict, kafka.bootstrap_servers), *await topic_faults(kafka, topics)]

    faults = _asked(config, work)
    for fault in faults:
        say(fault)
    if faults:
        raise SystemExit(3)
    say("every topic and every grant is as declared")


def _told(verdict: Verdict, bootstrap: str) -> Iterator[str]:
    if not verdict.enforced:
        say("the brokers have no authorizer: whoever connects may do everything")
    yield from verdict.sentences(bootstrap)
    yield from (f"excessive grant: {excess}" for excess in verdict.excessive)


def _as(kafka: KafkaSettings, user: str | None, password_file: Path | None) -> KafkaSettings:
    """Logged in as somebody else than the gateway, where one is named."""
    if user is None:
        return kafka
    if password_file is None:
        fail("--user needs --password-file")
    return replace(kafka, user_name=user, password=password_file.read_text(encoding="utf-8").strip())


def _asked(config: ConfigPath, work: Callable[[Config], Awaitable[T]]) -> T:
    settings = load(config)
    if settings.kafka.bootstrap == _EMBEDDED:
        fail("kafka.bootstrap is `embedded`: that broker is started with its topics")

    async def ask() -> T:
        return await work(settings)

    try:
        return asyncio.run(ask())
    except KafkaError as error:
        fail(f"{settings.kafka.bootstrap}: {error}", 1)
