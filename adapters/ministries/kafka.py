"""How to reach a Kafka cluster: settings for producers and consumers, and creating the declared topics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from contracts.events.topics import Topic


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """One cluster. With `ssl` the connection is TLS, with a user name SASL on top of it.

    `session_timeout_s`: how long a reader may be silent before its group gives its partitions away. `fetch_wait_s`: how
    long a broker holds an empty answer back; Apache Kafka answers at once when a record comes, the embedded broker does
    not, so this is its latency.
    """

    bootstrap_servers: str
    client_id: str = "eherrac-gateway"
    ssl: SSLContext | None = None
    sasl_mechanism: str = "SCRAM-SHA-512"
    user_name: str | None = None
    password: str | None = field(default=None, repr=False)
    request_timeout_s: float = 10.0
    session_timeout_s: float = 10.0
    fetch_wait_s: float = 0.1

    @property
    def client_options(self) -> dict[str, Any]:
        """What every aiokafka client is opened with."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "client_id": self.client_id,
            "request_timeout_ms": round(self.request_timeout_s * 1000),
            "security_protocol": ("SASL_" if self.user_name else "") + ("SSL" if self.ssl else "PLAINTEXT"),
            "ssl_context": self.ssl,
        }
        if self.user_name is not None:
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.user_name,
                "sasl_plain_password": self.password,
            }
        return options


async def create_topics(settings: KafkaSettings, topics: Iterable[Topic], *, replication: int = 1) -> list[str]:
    """Create the topics that are not there yet; the names of those created.

    Raises:
        KafkaError: the cluster refuses or is not there. The embedded broker cannot do this: it is started with them.
    """
    wanted = [_new_topic(topic, replication) for topic in topics]
    admin = AIOKafkaAdminClient(**settings.client_options)
    try:  # from the start on: what is cancelled half way is closed too
        await admin.start()
        answer = await admin.create_topics(wanted)
    finally:
        await admin.close()
    created = []
    for name, code, *_ in answer.topic_errors:
        error = for_code(code)
        if code == 0:
            created.append(name)
        elif error is not TopicAlreadyExistsError:
            raise error(name)
    return created


def _new_topic(topic: Topic, replication: int) -> NewTopic:
    return NewTopic(
        name=topic.name,
        num_partitions=topic.partitions,
        replication_factor=replication,
        topic_configs={
            "retention.ms": str(topic.retention_ms),
            "max.message.bytes": str(topic.record_max_bytes),
            "compression.type": topic.compression,
            "cleanup.policy": "delete",
        },
    )
