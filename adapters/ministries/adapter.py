"""Channel `ministries`: a sealed protocol to one ministry's topic. The receipt comes back by itself (`receipts`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from adapters.ministries.mapping import protocol_event
from adapters.ministries.publisher import Publisher, PublishError, PublisherSettings, Record, Written
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

    `records_at_once`: to one ministry, `records_together` of them in one hand.
    """

    publisher: PublisherSettings
    topics: Mapping[str, str] = field(default_factory=declared_names)
    source: str = "GATEWAY"
    records_at_once: int = 64
    records_together: int = 16


class MinistriesAdapter:
    """Sends protocols. Acknowledged means: all in-sync replicas have the record."""

    channel = Channel.MINISTRIES.value

    def __init__(self, settings: MinistriesSettings) -> None:
        self._settings = settings
        self._publisher = Publisher(settings.publisher)
        self.places_per_recipient, self.together_max = settings.records_at_once, settings.records_together

    async def send(self, dispatch: Dispatch) -> Outcome:
        """Publish one protocol under the dispatch's id."""
        [outcome] = await self.send_all([dispatch])
        return outcome

    async def send_all(self, dispatches: Sequence[Dispatch]) -> list[Outcome]:
        """Publish protocols, each under its dispatch's id; what is refused at home keeps no other back."""
        prepared = [self._prepared(dispatch) for dispatch in dispatches]
        records = [record for record in prepared if isinstance(record, Record)]
        ends = iter(await self._publisher.publish_all(records))
        return [outcome_of(it, next(ends)) if isinstance(it, Record) else it for it in prepared]

    def _prepared(self, dispatch: Dispatch) -> Record | Refused:
        topic = self._settings.topics.get(dispatch.recipient)
        if topic is None:
            return Refused(code="PARTICIPANT_UNKNOWN", reason=f"no topic is declared for {dispatch.recipient}")
        try:
            return _record(topic, protocol_event(dispatch, source=self._settings.source))
        except RefusedError as error:
            return _refused(error)

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


def outcome_of(record: Record, end: Written | PublishError, *exhibits: Exhibit) -> Outcome:
    """What became of a record; written, it is kept where it lies, and the `exhibits` with it."""
    match end:
        case Written():
            return Acknowledged(exhibits=(*exhibits, _exhibit(record, end)))
        case RefusedError():
            return _refused(end)
        case NotSentError(reason=reason):
            return NotSent(reason=reason)
        case OutcomeUnknownError(reason=reason):
            return Unknown(reason=reason)


def _refused(error: RefusedError) -> Refused:
    facts = ", ".join(f"{name} {value}" for name, value in error.refusal.facts.items())
    return Refused(code=error.refusal.code, reason=facts or error.refusal.code.value)
