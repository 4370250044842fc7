"""The brokers as they should be: what is looked at before anything opens, and afterwards from time to time."""

from __future__ import annotations

from contextlib import AsyncExitStack

import structlog

from adapters.ministries.grant_watch import Access, Alarm, GrantWatch
from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.topics import TopicWatch
from gateway.bootstrap.ways_out import EMBEDDED, principals_of, topics_of
from gateway.config import Config
from gateway.errors import OurFaultError

_log = structlog.get_logger(__name__)
_FIRST_LOOK_S = 5.0  # brokers that do not answer by then are away: the gateway starts without them
_FOR_THE_LABORATORY = "GRANTS_NOT_ENFORCED"  # no alarm where the configuration is a demonstration's


def access_of(config: Config, kafka: KafkaSettings) -> Access:
    """Whose grants on which topics."""
    return Access(kafka=kafka, topics=topics_of(config), principals=principals_of(config))


def watch_topics(config: Config, stack: AsyncExitStack, kafka: KafkaSettings) -> TopicWatch | None:
    """Start looking at the topics; the embedded broker has them."""
    if config.kafka.bootstrap == EMBEDDED:
        return None
    watch = TopicWatch(kafka, topics_of(config))
    watch.start()
    stack.push_async_callback(watch.close)
    return watch


async def watch_grants(config: Config, stack: AsyncExitStack, kafka: KafkaSettings) -> GrantWatch | None:
    """Look at the grants, and go on looking; the embedded broker lets everybody do everything.

    Raises:
        OurFaultError: the brokers answer, and something that we need is not granted.
    """
    if config.kafka.bootstrap == EMBEDDED:
        return None

    def tell(alarm: Alarm) -> None:
        name, facts = alarm
        if name == _FOR_THE_LABORATORY and config.outbound.loopback_allowed:
            _log.info("brokers without an authorizer", facts=facts)
        else:
            _log.warning("alarm", alarm=name, facts=facts)

    watch = GrantWatch(access_of(config, kafka), tell)
    verdict = await watch.look(within_s=_FIRST_LOOK_S)
    if verdict is not None and verdict.missing and not config.kafka.start_without_grants:
        raise OurFaultError("\n".join(verdict.sentences(kafka.bootstrap_servers)))
    watch.start()
    stack.push_async_callback(watch.close)
    return watch
