"""`kafka create-topics|check`: the declared topics on the configured cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from aiokafka.errors import KafkaError
from cyclopts import App, Parameter

from adapters.ministries.kafka import create_topics
from adapters.ministries.topics import topic_faults
from gateway.bootstrap import kafka_settings, topics_of
from gateway.cli.console import fail, say
from gateway.cli.settings import ConfigPath, load
from gateway.config import Config

T = TypeVar("T")
_EMBEDDED = "embedded"

app = App(name="kafka", help="The topics between the gateway and the ministries.")


@app.command(name="create-topics")
def create(
    *,
    replication: Annotated[int, Parameter(help="Copies of every record; 3 where there are three brokers.")] = 3,
    config: ConfigPath = None,
) -> None:
    """Create the declared topics that are not there; those that are stay as they are."""

    async def work(settings: Config) -> list[str]:
        return await create_topics(
            kafka_settings(settings, settings.kafka.bootstrap), topics_of(settings), replication=replication
        )

    created = _asked(config, work)
    for name in created:
        say(name)
    say(f"{len(created)} topics created")


@app.command
def check(*, config: ConfigPath = None) -> None:
    """Compare the cluster's topics with the declared ones; exit code 3 where they differ."""

    async def work(settings: Config) -> tuple[str, ...]:
        return await topic_faults(kafka_settings(settings, settings.kafka.bootstrap), topics_of(settings))

    faults = _asked(config, work)
    for fault in faults:
        say(fault)
    if faults:
        raise SystemExit(3)
    say("every topic is as declared")


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
