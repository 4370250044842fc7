"""What the REST door reads and answers, model by model (contracts/rest/openapi.yaml describes the same)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from contracts.events.notices import AmountModel, NoticeEvent
from contracts.fields import AccountModel, Instant, Name, Text, WireModel


class Decision(WireModel):
    """The claimant bank's answer to an offer (EHR-5): accept and pay from `payer`, or refuse with a reason."""

    decision: Literal["accept", "refuse"]
    payer: AccountModel | None = None
    reason: Text | None = None
    decided_by: Name | None = None  # the bank's officer, kept with the evidence

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.decision == "accept" and self.payer is None:
            raise PydanticCustomError("payer_missing", "an acceptance names the account that pays, in payer")
        if self.decision == "refuse" and self.reason is None:
            raise PydanticCustomError("reason_missing", "a refusal says why, in reason")
        if self.decision == "refuse" and self.payer is not None:
            raise PydanticCustomError("payer_unwanted", "a refusal names no payer")
        return self


class Accepted(WireModel):
    """The first answer to a statement, and the answer to every repetition of it. On disk before it is given."""

    noun: str
    id: str
    state: str
    version: int
    accepted_at: Instant


class OfferModel(WireModel):
    """An offer to the claimant bank."""

    id: str
    lot_id: str
    title: str
    amount: AmountModel
    case_number: str | None
    deadline: Instant
    state: str
    version: int
    payer: AccountModel | None
    reason: str | None


class OfferList(WireModel):
    """A page of the bank's own offers, in order of id. `next` is the `after` of the following call."""

    items: tuple[OfferModel, ...]
    next: str
    more: bool


class PaymentModel(WireModel):
    """A payment and what is known of it."""

    id: str
    lot_id: str
    kind: str
    amount: AmountModel
    debtor: AccountModel
    creditor: AccountModel
    case_number: str | None
    state: str
    version: int
    reason: str | None
    reference: str | None


class ProtocolModel(WireModel):
    """A protocol's particulars; the document itself is fetched as XML, PDF or ASiC-E."""

    id: str
    number: str
    lot_id: str
    result: str
    state: str
    version: int
    sha256: str | None


class LotModel(WireModel):
    """A lot as the platform and its claimant bank see it."""

    id: str
    title: str
    address: str
    regime: str
    case_number: str | None
    starting_price: AmountModel
    claimant: str
    state: str
    version: int


class FeedPage(WireModel):
    """Notices in the order of their gap-free sequence. `next` is the `after` of the following call."""

    items: tuple[NoticeEvent, ...]
    next: int
    more: bool
