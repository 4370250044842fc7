"""Channel `ministries`: a sealed protocol to one ministry's topic. The receipt comes back by itself (`receipts`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from adapters.ministries.mapping import protocol_event
from adapters.ministries.publisher import Publisher, PublisherSettings, Record, Written
from contracts.errors.refusal import RefusedError
from contracts.events.protocols import ProtocolIssued, write_protocol
from contracts.events.topics import protocol_topics
from gateway.domain.dispatches import Channel
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.ports import Acknowledged, Dispatch, Exhibit, NotSent, Outcome, Refused, Unknown

_EXHIBIT_TYPE = "application/json"


def declared_names() -> dict[str, str]:
    """Ministry to topic as declared in `topics.toml`."""
    return {authority: topic.name for authority, topic in protocol_topics().items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class MinistriesSettings:
    """`topics` by the ministries' participant codes; `source` is our own code, as `ce_source`.

    `records_at_once`: to one ministry; the producer sends together what waits for a broker.
    """

    publisher: PublisherSettings
    topics: Mapping[str, str] = field(default_factory=declared_names)
    source: str = "GATEWAY"
    records_at_once: int = 32


class MinistriesAdapter:
    """Sends protocols. Acknowledged means: all in-sync replicas have the record."""

    channel = Channel.MINISTRIES.value

    def __init__(self, settings: MinistriesSettings) -> None:
        self._settings = settings
        self._publisher = Publisher(settings.publisher)
        self.places_per_recipient = settings.records_at_once

    async def send(self, dispatch: Dispatch) -> Outcome:
        """Publish one protocol under the dispatch's id."""
        topic = self._settings.topics.get(dispatch.recipient)
        if topic is None:
            return Refused(code="PARTICIPANT_UNKNOWN", reason=f"no topic is declared for {dispatch.recipient}")
        try:
            event = protocol_event(dispatch, source=self._settings.source)
            record = _record(topic, event)
            written = await self._publisher.publish(record)
        except RefusedError as error:
            return Refused(code=error.refusal.code, reason=_reason(error))
        except NotSentError as error:
            return NotSent(reason=error.reason)
        except OutcomeUnknownError as error:
            return Unknown(reason=error.reason)
        return Acknowledged(exhibits=(_exhibit(record, written),))

    async def close(self) -> None:
        """Close the connections."""
        await self._publisher.close()


def _record(topic: str, event: ProtocolIssued) -> Record:
    return Record(topic=topic, key=event.lot_id.encode(), value=event.container, headers=write_protocol(event))


def _exhibit(record: Record, written: Written) -> Exhibit:
    """Where the record lies; the container itself is kept as a document."""
    facts = {
        "topic": written.topic,
        "partition": written.partition,
        "offset": written.offset,
        "headers": {name: value.decode() for name, value in record.headers},
    }
    return Exhibit(direction="out", media_type=_EXHIBIT_TYPE, content=orjson.dumps(facts))


def _reason(error: RefusedError) -> str:
    facts = ", ".join(f"{name} {value}" for name, value in error.refusal.facts.items())
    return facts or error.refusal.code.value
