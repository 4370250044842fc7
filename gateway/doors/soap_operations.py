"""What each SOAP operation does: the same as its REST sister, in the words of the schema.

The envelope has been verified and the message validated before `perform` sees it. Another bank's noun answers exactly
like one that never was (EHR-4): the engine and the queries see to that by `actor`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from lxml import etree

from certs.trust import Verified
from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError, refuse
from contracts.events.platform import read_event
from contracts.fields import validated
from contracts.json import JsonLimits, parse_json
from contracts.rest.models import Decision
from contracts.soap import model
from contracts.soap.codec import write
from contracts.soap.notices import notice_element
from gateway.domain.money import Money
from gateway.domain.values import Account
from gateway.doors import mapping
from gateway.doors.queries import DocumentForm, FeedItem, OfferView, PaymentView, Queries
from gateway.ports import Answer, Exhibit, Message, Receiver, Target
from gateway.wire.notices import notice_event

_FORMS = {
    model.Format.XML: DocumentForm.XML,
    model.Format.PDF: DocumentForm.PDF,
    model.Format.ASICE: DocumentForm.ASICE,
}
MESSAGES: frozenset[type[Any]] = frozenset({model.PublishEvent, model.DecideOffer})
"""Requests that the inbox keeps by their id; all others only ask."""

_FoundT = TypeVar("_FoundT")


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified participant; `actor` limits what it sees: a bank's code, or None for the platform."""

    participant: str
    actor: str | None
    exhibit: Exhibit  # the envelope as it came


class Operations:
    """The service behind the envelope."""

    def __init__(
        self, receiver: Receiver, queries: Queries, *, platform: str, banks: Collection[str], offers_max: int
    ) -> None:
        self._receiver, self._queries = receiver, queries
        self._platform, self._banks, self._offers_max = platform, banks, offers_max

    def caller(self, verified: Verified, exhibit: Exhibit) -> Caller:
        """Who calls.

        Raises:
            RefusedError: PARTICIPANT_UNKNOWN.
        """
        participant = verified.signer.participant
        if participant == self._platform:
            return Caller(participant, None, exhibit)
        if participant in self._banks:
            return Caller(participant, participant, exhibit)
        raise refuse(ErrorCode.PARTICIPANT_UNKNOWN, participant=participant)

    async def perform(self, message: Any, caller: Caller) -> Any:
        """Do what a request of `contracts.soap.model` asks; the response message.

        Raises:
            RefusedError: NOT_PERMITTED, *_UNKNOWN, faults in the content, and what the engine refuses.
        """
        match message:
            case model.PublishEvent():
                return await self._publish(message, caller)
            case model.DecideOffer():
                return await self._decide(message, caller)
            case model.ListOffers():
                return await self._list_offers(message, caller)
            case model.GetPayment():
                view = await self._queries.payment(message.payment_id, caller.actor)
                payment = _payment(_found(view, ErrorCode.PAYMENT_UNKNOWN, message.payment_id))
                return model.GetPaymentResponse(in_reply_to=message.message_id, payment=payment)
            case model.GetProtocol():
                return await self._protocol(message, caller)
            case model.GetFeed() | model.GetUnacknowledged():
                return await self._notices(message, caller)
        raise refuse(ErrorCode.OPERATION_UNKNOWN, operation=type(message).__name__)

    async def _publish(self, message: model.PublishEvent, caller: Caller) -> model.PublishEventResponse:
        _only(caller.actor is None, caller, "PublishEvent")
        if message.source != caller.participant:
            raise refuse(ErrorCode.PARTICIPANT_MISMATCH, expected=caller.participant, received=message.source)
        data = parse_json(message.data.encode(), JsonLimits())
        event = read_event(
            {
                "specversion": "1.0",
                "id": message.message_id,
                "source": message.source,
                "type": message.type,
                "time": message.time.isoformat(),
                "subject": message.subject,
                "data": data,
            }
        )
        answer = await self._receiver.receive(
            Message(
                source=caller.participant,
                id=message.message_id,
                target=mapping.event_target(event),
                event=mapping.domain_event(event),
                digest=_digest(message),
                exhibits=(caller.exhibit,),
            )
        )
        return model.PublishEventResponse(in_reply_to=message.message_id, receipt=_receipt(answer))

    async def _decide(self, message: model.DecideOffer, caller: Caller) -> model.DecideOfferResponse:
        _only(caller.actor is not None, caller, "DecideOffer")
        decision = _decision(message)
        answer = await self._receiver.receive(
            Message(
                source=caller.participant,
                id=message.message_id,
                target=Target(noun="offer", id=message.offer_id),
                event=mapping.decision_event(decision),
                digest=_digest(message),
                exhibits=(caller.exhibit,),
                actor=caller.actor,
            )
        )
        return model.DecideOfferResponse(in_reply_to=message.message_id, receipt=_receipt(answer))

    async def _list_offers(self, message: model.ListOffers, caller: Caller) -> model.ListOffersResponse:
        _only(caller.actor is not None, caller, "ListOffers")
        views = await self._queries.offers(caller.actor, limit=self._offers_max)
        return model.ListOffersResponse(in_reply_to=message.message_id, offer=tuple(map(_offer, views)))

    async def _protocol(self, message: model.GetProtocol, caller: Caller) -> model.GetProtocolResponse:
        form = _FORMS[message.format]
        found = await self._queries.document(message.protocol_id, form, caller.actor)
        content = _found(found, ErrorCode.PROTOCOL_UNKNOWN, message.protocol_id)
        document = model.Document(
            id=message.protocol_id,
            media_type=form.value,
            sha256=hashlib.sha256(content).hexdigest(),
            content=content,
        )
        return model.GetProtocolResponse(in_reply_to=message.message_id, document=document)

    async def _notices(
        self, message: model.GetFeed | model.GetUnacknowledged, caller: Caller
    ) -> model.GetFeedResponse | model.GetUnacknowledgedResponse:
        feed = isinstance(message, model.GetFeed)
        read = self._queries.feed if feed else self._queries.unacknowledged
        items = await read(caller.participant, after=message.after, limit=message.limit)
        response = model.GetFeedResponse if feed else model.GetUnacknowledgedResponse
        return response(in_reply_to=message.message_id, notice=_notices(items))


def _decision(message: model.DecideOffer) -> Decision:
    """Judge the decision by the model REST uses; a fault's path is said in the words of our schema."""
    payer = message.payer
    value = {
        "decision": message.decision.value,
        "decidedBy": message.decided_by,
        "payer": None
        if payer is None
        else {"holder": payer.holder, "iban": payer.iban, "bic": payer.bic, "taxId": payer.tax_id},
        "reason": message.reason,
    }
    try:
        return validated(Decision, value)
    except RefusedError as error:
        raise RefusedError(_in_xml_words("DecideOffer", error.refusal)) from error


def _in_xml_words(operation: str, refusal: Refusal) -> Refusal:
    steps = [step[:1].upper() + step[1:] for step in refusal.facts.get("path", "").split("/") if step]
    return Refusal(code=refusal.code, facts={**refusal.facts, "path": "/".join(["", operation, *steps])})


def _digest(message: Any) -> str:
    """Of what is said, not of how it was written: a repetition may be signed anew and use other prefixes."""
    return hashlib.sha256(etree.tostring(write(message), method="c14n", exclusive=True)).hexdigest()


def _only(permitted: bool, caller: Caller, operation: str) -> None:
    if not permitted:
        raise refuse(ErrorCode.NOT_PERMITTED, operation=operation, participant=caller.participant)


def _found(value: _FoundT | None, unknown: ErrorCode, id: str) -> _FoundT:
    if value is None:
        raise refuse(unknown, id=id)
    return value


def _receipt(answer: Answer) -> model.Receipt:
    return model.Receipt(
        noun=answer.noun,
        id=answer.id,
        state=answer.state,
        version=answer.version,
        accepted_at=answer.accepted_at,
        repeated=answer.repeated,
    )


def _notices(items: Iterable[FeedItem]) -> tuple[model.Notice, ...]:
    events = (notice_event(item.notice, id=item.id, sequence=item.sequence, version=item.version) for item in items)
    return tuple(map(notice_element, events))


def _offer(view: OfferView) -> model.Offer:
    return model.Offer(
        id=view.id,
        lot_id=view.lot_id,
        title=view.title,
        amount=_amount(view.amount),
        case_number=view.case_number,
        deadline=view.deadline,
        state=view.state,
        version=view.version,
        payer=None if view.payer is None else _account(view.payer),
        reason=view.reason,
    )


def _payment(view: PaymentView) -> model.Payment:
    return model.Payment(
        id=view.id,
        lot_id=view.lot_id,
        kind=view.kind,
        amount=_amount(view.amount),
        debtor=_account(view.debtor),
        creditor=_account(view.creditor),
        case_number=view.case_number,
        state=view.state,
        version=view.version,
        reason=view.reason,
        reference=view.reference,
    )


def _amount(money: Money) -> model.Amount:
    return model.Amount(value=str(money), currency=money.currency.value)


def _account(value: Account) -> model.Account:
    return model.Account(holder=value.holder, iban=value.iban, bic=value.bic, tax_id=value.tax_id)
