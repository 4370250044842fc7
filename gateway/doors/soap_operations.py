"""What each SOAP operation does: the same as its REST sister, in the words of the schema.

The envelope has been verified and the message validated before `perform` sees it. Another bank's noun answers exactly
like one that never was (EHR-4): the engine and the queries see to that by `actor`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

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
from gateway.doors.callers import Caller, Callers, found
from gateway.doors.queries import DocumentForm, FeedItem, OfferView, PaymentView, Queries
from gateway.ports import Answer, Exhibit, Receiver
from gateway.wire.notices import notice_event

_FORMS = {
    model.Format.XML: DocumentForm.XML,
    model.Format.PDF: DocumentForm.PDF,
    model.Format.ASICE: DocumentForm.ASICE,
}
MESSAGES: frozenset[type[Any]] = frozenset({model.PublishEvent, model.DecideOffer})
"""Requests that the inbox keeps by their id; all others only ask."""


@dataclass(frozen=True, slots=True)
class Sender(Caller):
    """A caller with the envelope it sent, as it came."""

    exhibit: Exhibit


class Operations:
    """The service behind the envelope."""

    def __init__(self, receiver: Receiver, queries: Queries, callers: Callers, *, offers_max: int) -> None:
        self._receiver, self._queries, self._callers, self._offers_max = receiver, queries, callers, offers_max

    def sender(self, verified: Verified, exhibit: Exhibit) -> Sender:
        """Who calls. Raises RefusedError(PARTICIPANT_UNKNOWN)."""
        caller = self._callers.known(verified.signer.participant)
        return Sender(caller.participant, caller.actor, exhibit)

    async def perform(self, message: Any, sender: Sender) -> Any:
        """Do what a request of `contracts.soap.model` asks; the response message.

        Raises:
            RefusedError: NOT_PERMITTED, *_UNKNOWN, faults in the content, and what the engine refuses.
        """
        match message:
            case model.PublishEvent():
                return await self._publish(message, sender)
            case model.DecideOffer():
                return await self._decide(message, sender)
            case model.ListOffers():
                return await self._list_offers(message, sender)
            case model.GetPayment():
                view = await self._queries.payment(message.payment_id, sender.actor)
                payment = payment_element(found(view, ErrorCode.PAYMENT_UNKNOWN, message.payment_id))
                return model.GetPaymentResponse(in_reply_to=message.message_id, payment=payment)
            case model.GetProtocol():
                return await self._protocol(message, sender)
            case model.GetFeed() | model.GetUnacknowledged():
                return await self._notices(message, sender)
        raise refuse(ErrorCode.OPERATION_UNKNOWN, operation=type(message).__name__)

    async def _publish(self, message: model.PublishEvent, sender: Sender) -> model.PublishEventResponse:
        sender.as_platform("PublishEvent")
        sender.speaks_as(message.source)
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
        said = mapping.event_message(sender, event, digest=_digest(message), exhibit=sender.exhibit)
        answer = await self._receiver.receive(said)
        return model.PublishEventResponse(in_reply_to=message.message_id, receipt=_receipt(answer))

    async def _decide(self, message: model.DecideOffer, sender: Sender) -> model.DecideOfferResponse:
        sender.as_bank("DecideOffer")
        id, digest = message.message_id, _digest(message)
        said = mapping.decision_message(
            sender, message.offer_id, _decision(message), id=id, digest=digest, exhibit=sender.exhibit
        )
        answer = await self._receiver.receive(said)
        return model.DecideOfferResponse(in_reply_to=message.message_id, receipt=_receipt(answer))

    async def _list_offers(self, message: model.ListOffers, sender: Sender) -> model.ListOffersResponse:
        bank, most = sender.as_bank("ListOffers"), self._offers_max
        views = await self._queries.offers(bank, after=message.after or "", limit=most + 1)
        return model.ListOffersResponse(
            in_reply_to=message.message_id,
            offer=tuple(map(_offer, views[:most])),
            more=True if len(views) > most else None,  # else left out: an older schema does not know it
        )

    async def _protocol(self, message: model.GetProtocol, sender: Sender) -> model.GetProtocolResponse:
        form = _FORMS[message.format]
        sealed = await self._queries.document(message.protocol_id, form, sender.actor)
        content = found(sealed, ErrorCode.PROTOCOL_UNKNOWN, message.protocol_id)
        document = model.Document(
            id=message.protocol_id,
            media_type=form.value,
            sha256=hashlib.sha256(content).hexdigest(),
            content=content,
        )
        return model.GetProtocolResponse(in_reply_to=message.message_id, document=document)

    async def _notices(
        self, message: model.GetFeed | model.GetUnacknowledged, sender: Sender
    ) -> model.GetFeedResponse | model.GetUnacknowledgedResponse:
        feed = isinstance(message, model.GetFeed)
        read = self._queries.feed if feed else self._queries.unacknowledged
        items = await read(sender.participant, after=message.after, limit=message.limit)
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


def payment_element(view: PaymentView) -> model.Payment:
    """A payment on the wire."""
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
