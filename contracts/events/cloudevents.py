"""The CloudEvents 1.0 envelope in structured JSON mode, strict: our attributes and no others."""

from __future__ import annotations

from typing import Literal

from contracts.fields import Id, Instant, MessageId, WireModel

MEDIA_TYPE = "application/cloudevents+json"


class CloudEvent(WireModel):
    """Every event's context attributes. `source` is the sender's participant code, `subject` the lot's id."""

    specversion: Literal["1.0"]
    id: MessageId
    source: MessageId
    type: str
    time: Instant
    subject: Id
    datacontenttype: Literal["application/json"] = "application/json"
