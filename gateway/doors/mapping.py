"""What platform and banks say, as messages to the engine, and views in wire words, for every door."""

from __future__ import annotations

from contracts.events import platform
from contracts.events.notices import AmountModel
from contracts.fields import AccountModel
from contracts.rest.models import Accepted, Decision, LotModel, OfferModel, PaymentModel, ProtocolModel
from gateway.domain.events import lot as lots
from gateway.domain.events import offer as offers
from gateway.domain.money import Money
from gateway.domain.table import Event
from gateway.domain.values import Account, BankCode, Bidder, DepositForm, ParticipantId, Regime
from gateway.doors.callers import Caller
from gateway.doors.queries import LotView, OfferView, PaymentView, ProtocolView
from gateway.ports import Answer, Exhibit, Message, Target


def event_message(caller: Caller, event: platform.PlatformEvent, *, digest: str, exhibit: Exhibit) -> Message:
    """What the platform says of a lot. The event's own id is the key of idempotency."""
    return Message(
        source=caller.participant,
        id=event.id,
        target=event_target(event),
        event=domain_event(event),
        digest=digest,
        exhibits=(exhibit,),
    )


def event_target(event: platform.PlatformEvent) -> Target:
    """Every event of the platform speaks to its lot."""
    return Target(noun="lot", id=event.subject)


def decision_message(
    caller: Caller, offer_id: str, decision: Decision, *, id: str, digest: str, exhibit: Exhibit
) -> Message:
    """What a bank decides of its offer, under the message's own id (EHR-5)."""
    return Message(
        source=caller.participant,
        id=id,
        target=Target(noun="offer", id=offer_id),
        event=_decision_event(decision),
        digest=digest,
        exhibits=(exhibit,),
        actor=caller.actor,
    )


def domain_event(event: platform.PlatformEvent) -> Event:
    """What happened to the lot, in the words of the trade."""
    match event:
        case platform.LotAnnounced(data=data):
            return lots.Announced(
                regime=Regime(data.regime),
                title=data.title,
                address=data.address,
                claimant=data.claimant,
                starting_price=Money.parse(data.starting_price),
                auction_at=data.auction_at,
                case_number=data.case_number,
            )
        case platform.BidderRegistered(data=data):
            return lots.BidderRegistered(bidder=_bidder(data))
        case platform.AuctionClosed(data=data):
            return _closed(data)
        case platform.AuctionCancelled(data=data):
            return lots.AuctionCancelled(reason=data.reason)


def _bidder(data: platform.BidderRegisteredData) -> Bidder:
    return Bidder(
        id=ParticipantId(data.bidder_id),
        name=data.name,
        tax_id=data.tax_id,
        deposit_form=DepositForm(data.deposit_form),
        refund_account=None if data.refund_account is None else account(data.refund_account),
        guarantee_reference=data.guarantee_reference,
        guarantor=None if data.guarantor is None else BankCode(data.guarantor),
    )


def _closed(data: platform.AuctionClosedData) -> Event:
    if data.winner_id is not None and data.price is not None:
        return lots.AuctionSold(held_at=data.held_at, winner=data.winner_id, price=Money.parse(data.price))
    return lots.AuctionUnsold(held_at=data.held_at, reason=data.reason or "")


def _decision_event(decision: Decision) -> Event:
    if decision.payer is not None:
        return offers.Accepted(payer=account(decision.payer))
    return offers.Declined(reason=decision.reason)


def account(model: AccountModel) -> Account:
    """A wire account in the domain's words."""
    return Account(holder=model.holder, iban=model.iban, bic=model.bic, tax_id=model.tax_id)


def accepted(answer: Answer) -> Accepted:
    """The answer to a statement; equal for the first and every repetition."""
    return Accepted(
        noun=answer.noun,
        id=answer.id,
        state=answer.state,
        version=answer.version,
        accepted_at=answer.accepted_at,
    )


def offer_model(view: OfferView) -> OfferModel:
    """An offer on the wire."""
    return OfferModel(
        id=view.id,
        lot_id=view.lot_id,
        title=view.title,
        amount=_amount(view.amount),
        case_number=view.case_number,
        deadline=view.deadline,
        state=view.state,
        version=view.version,
        payer=None if view.payer is None else _account_model(view.payer),
        reason=view.reason,
    )


def payment_model(view: PaymentView) -> PaymentModel:
    """A payment on the wire."""
    return PaymentModel(
        id=view.id,
        lot_id=view.lot_id,
        kind=view.kind,
        amount=_amount(view.amount),
        debtor=_account_model(view.debtor),
        creditor=_account_model(view.creditor),
        case_number=view.case_number,
        state=view.state,
        version=view.version,
        reason=view.reason,
        reference=view.reference,
    )


def protocol_model(view: ProtocolView) -> ProtocolModel:
    """A protocol's particulars on the wire."""
    return ProtocolModel(
        id=view.id,
        number=view.number,
        lot_id=view.lot_id,
        result=view.result,
        state=view.state,
        version=view.version,
        sha256=view.sha256,
    )


def lot_model(view: LotView) -> LotModel:
    """A lot on the wire."""
    return LotModel(
        id=view.id,
        title=view.title,
        address=view.address,
        regime=view.regime,
        case_number=view.case_number,
        starting_price=_amount(view.starting_price),
        claimant=view.claimant,
        state=view.state,
        version=view.version,
    )


def _amount(money: Money) -> AmountModel:
    return AmountModel(value=str(money), currency=money.currency.value)


def _account_model(value: Account) -> AccountModel:
    return AccountModel(holder=value.holder, iban=value.iban, bic=value.bic, tax_id=value.tax_id)
