"""What the gateway tells banks and the platform: the wire shape of a signed callback and of a feed item.

The id of a notice is constant over all attempts. `sequence` is gap-free per recipient; `version` is the subject's
journal position: a reader that has seen a higher one drops this one (it is old news, not a change back).
"""

from __future__ import annotations

from typing import Literal

import orjson

from contracts.events.cloudevents import CloudEvent
from contracts.fields import Amount, Id, Instant, Reference, SubjectId, Text, WireModel, validated
from contracts.json import DEFAULT, JsonLimits, parse_json

SOURCE = "GATEWAY"
TYPE_PREFIX = "az.eherrac.gateway."

KINDS = (
    "offer.opened",
    "offer.closed",
    "collection.state",
    "payment.state",
    "guarantee.state",
    "protocol.issued",
    "lot.held",
)

NoticeType = Literal[
    "az.eherrac.gateway.offer.opened",
    "az.eherrac.gateway.offer.closed",
    "az.eherrac.gateway.collection.state",
    "az.eherrac.gateway.payment.state",
    "az.eherrac.gateway.guarantee.state",
    "az.eherrac.gateway.protocol.issued",
    "az.eherrac.gateway.lot.held",
]


class AmountModel(WireModel):
    """An amount with its currency."""

    value: Amount
    currency: Literal["AZN"] = "AZN"


class NoticeData(WireModel):
    """What happened, to which subject, and the state it is in now."""

    lot_id: Id
    subject_id: SubjectId  # of the offer, payment, collection, guarantee or protocol
    state: Reference
    version: int
    sequence: int | None
    occurred_at: Instant
    amount: AmountModel | None = None
    deadline: Instant | None = None
    case_number: Reference | None = None
    reference: Text | None = None  # guarantee reference, invoice number, MSID or protocol number
    reason: Text | None = None


class NoticeEvent(CloudEvent):
    """One notice as it stands on the wire."""

    type: NoticeType
    data: NoticeData

    @property
    def kind(self) -> str:
        """The type without our prefix: `offer.opened`."""
        return self.type.removeprefix(TYPE_PREFIX)

    def to_bytes(self) -> bytes:
        """The JSON that is signed and sent; equal notices give equal bytes."""
        return orjson.dumps(self.model_dump(mode="json"))


def parse_notice(body: bytes, limits: JsonLimits = DEFAULT) -> NoticeEvent:
    """Read a notice, as banks and the platform do.

    Raises:
        RefusedError: not JSON, or not a notice.
    """
    return validated(NoticeEvent, parse_json(body, limits))
