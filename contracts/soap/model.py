"""One frozen dataclass per element and type of `gateway-1.xsd`, in its words. Amounts stay decimal text as written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from contracts.soap.codec import Attribute, Content


class Decision(StrEnum):
    """The bank's answer to an offer (EHR-5)."""

    ACCEPT = "accept"
    REFUSE = "refuse"


class Format(StrEnum):
    """The forms of a protocol (EHR-16)."""

    XML = "xml"
    PDF = "pdf"
    ASICE = "asice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Decimal text with at most two decimals, and its currency."""

    value: Annotated[str, Content]
    currency: Annotated[str, Attribute] = "AZN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account at a bank in Azerbaijan."""

    holder: str
    iban: str
    bic: str
    tax_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the gateway recorded; the same at every repetition."""

    noun: str
    id: str
    state: str
    version: int
    accepted_at: datetime
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An offer as its bank sees it."""

    id: str
    lot_id: str
    title: str
    amount: Amount
    case_number: str | None = None
    deadline: datetime
    state: str
    version: int
    payer: Account | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment as the bank that it concerns sees it; `reference` is the rail's own (MSID)."""

    id: str
    lot_id: str
    kind: str
    amount: Amount
    debtor: Account
    creditor: Account
    case_number: str | None = None
    state: str
    version: int
    reason: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file with its digest (hex SHA-256)."""

    id: str
    media_type: str
    sha256: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a bank is told; `sequence` is gap-free per bank, `version` orders the notices of one subject."""

    id: str
    sequence: int
    version: int
    kind: str
    lot_id: str
    subject_id: str
    state: str
    occurred_at: datetime
    amount: Amount | None = None
    deadline: datetime | None = None
    case_number: str | None = None
    reference: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishEvent:
    """The platform's business event; `data` is its JSON, judged by the same models as over REST."""

    message_id: str
    type: str
    source: str
    subject: str
    time: datetime
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishEventResponse:
    """The event is on disk."""

    in_reply_to: str
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOffers:
    """Ask for the caller's offers (EHR-4, EHR-5), from the one that follows `after`."""

    message_id: str
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOffersResponse:
    """The caller's offers in order of id; `more`, if any are left after these."""

    in_reply_to: str
    offer: tuple[Offer, ...] = ()
    more: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideOffer:
    """Accept, naming the account that pays, or refuse (EHR-5)."""

    message_id: str
    offer_id: str
    decision: Decision
    decided_by: str | None = None
    payer: Account | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideOfferResponse:
    """The decision is on disk."""

    in_reply_to: str
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class GetPayment:
    """Ask for one payment."""

    message_id: str
    payment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetPaymentResponse:
    """The payment."""

    in_reply_to: str
    payment: Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class GetProtocol:
    """Ask for a protocol in one of its forms."""

    message_id: str
    protocol_id: str
    format: Format


@dataclass(frozen=True, slots=True, kw_only=True)
class GetProtocolResponse:
    """The file, byte for byte as sealed (EHR-16)."""

    in_reply_to: str
    document: Document


@dataclass(frozen=True, slots=True, kw_only=True)
class GetFeed:
    """Ask for the notices after a sequence number, at most `limit` of them."""

    message_id: str
    after: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GetFeedResponse:
    """Notices without a gap."""

    in_reply_to: str
    notice: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GetUnacknowledged:
    """Ask for the notices after a sequence number that the caller has not acknowledged, at most `limit` of them."""

    message_id: str
    after: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GetUnacknowledgedResponse:
    """Notices still on their way to the caller."""

    in_reply_to: str
    notice: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """The gateway tells a bank; the message id is constant over all attempts."""

    message_id: str
    notice: Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyResponse:
    """The bank has it."""

    in_reply_to: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An error in one language."""

    title: str
    detail: str
    remedy: str
    language: Annotated[str, Attribute]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact of the case: the path of a fault, a limit."""

    value: Annotated[str, Content]
    name: Annotated[str, Attribute]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """The detail of every fault."""

    in_reply_to: str | None = None
    code: str
    said: tuple[Said, ...]
    retry: bool
    who_acts: str
    fact: tuple[Fact, ...] = ()


REQUESTS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (PublishEvent, ListOffers, DecideOffer, GetPayment, GetProtocol, GetFeed, GetUnacknowledged)
}
