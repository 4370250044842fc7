"""Lot: what is auctioned, from the announcement to the protocol (EHR-3, EHR-5…7, EHR-10…14)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from contracts.errors import ErrorCode, Refusal
from gateway.domain import bidding
from gateway.domain.bidding import Standing, Terms
from gateway.domain.clock import add_business_days, add_calendar_days, local_date
from gateway.domain.collection import collection_id
from gateway.domain.dispatches import AuctionResult, Channel, Notice, NoticeKind, PaymentKind, ProtocolContent
from gateway.domain.events import offer as offers
from gateway.domain.events import payment as payments
from gateway.domain.events import protocol as protocols
from gateway.domain.events.lot import (
    Announced,
    AuctionCancelled,
    AuctionSold,
    AuctionUnsold,
    BidderRegistered,
    CollectionPaid,
    FinalAmountPaid,
    OfferAccepted,
    OfferDeclined,
    PaymentFailed,
    PaymentSettled,
    ProtocolIssued,
    WinnerDefaulted,
)
from gateway.domain.frozen import replace
from gateway.domain.money import ZERO, Money
from gateway.domain.offer import offer_id
from gateway.domain.protocol import protocol_id
from gateway.domain.rulebook import RegimeRule
from gateway.domain.table import Alarm, CancelTimer, Change, Context, Effect, Send, StateTable, Tell, Timer
from gateway.domain.values import Account, Purpose, Regime


class LotState(StrEnum):
    """Where a lot is."""

    ANNOUNCED = "announced"  # deposits and fees come in
    AWAITING_FINAL_AMOUNT = "awaiting_final_amount"  # sold; the winner has a term (EHR-13)
    OFFERED = "offered"  # unsold; the claimant bank is asked (EHR-5)
    AWAITING_PAYMENT = "awaiting_payment"  # the claimant accepted; its money is asked for
    DRAWING_UP = "drawing_up"  # the protocol is being made (EHR-7)
    CONCLUDED = "concluded"
    CANCELLED = "cancelled"
    DEFAULTED = "defaulted"  # the winner did not pay: a person decides what follows
    HELD = "held"  # the claimant's money did not come: a person decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """One lot and those who bid for it."""

    state: LotState
    lot_id: str
    owner: str  # the claimant bank
    regime: Regime
    announced_on: date  # which dated rule holds
    title: str
    address: str
    starting_price: Money
    auction_at: datetime
    case_number: str | None
    bidders: tuple[Standing, ...] = ()
    winner: str | None = None
    price: Money | None = None
    reason: str | None = None
    payer: Account | None = None
    protocol_number: str | None = None
    held_at: datetime | None = None  # when the auction was held, as the platform says


_S = LotState
TABLE = StateTable(
    "lot",
    Lot,
    LotState,
    final=(_S.CONCLUDED, _S.CANCELLED),
    waiting_for_person=(_S.DEFAULTED, _S.HELD),
    scheduled=(_S.AWAITING_FINAL_AMOUNT,),
    unknown=ErrorCode.LOT_UNKNOWN,
    expected_at=lambda lot: lot.auction_at if lot.state is _S.ANNOUNCED else None,
    quoted=lambda lot: (lot.case_number, lot.protocol_number),
)


def _rule(lot: Lot, context: Context) -> RegimeRule:
    rule = context.rules.regime(lot.regime, lot.announced_on)
    if rule is None:  # the announcement was refused without one, and rows are never taken out of the table
        raise LookupError(f"regime {lot.regime} has no rule on {lot.announced_on}")
    return rule


def _terms(lot: Lot, rule: RegimeRule, due: datetime) -> Terms:
    return Terms(lot_id=lot.lot_id, owner=lot.owner, payee=rule.payee, case_number=lot.case_number, due=due)


def _standing(lot: Lot, bidder_id: str | None) -> Standing | None:
    return next((standing for standing in lot.bidders if standing.bidder.id == bidder_id), None)


@TABLE.on(None, event=Announced, to=_S.ANNOUNCED)
def _announce(_: None, event: Announced, context: Context) -> Change[Lot] | Refusal:
    """EHR-12: an enforcement lot without its case number does not get in."""
    today = local_date(context.now)
    rule = context.rules.regime(event.regime, today)
    if rule is None:
        return Refusal(code=ErrorCode.REGIME_UNKNOWN, facts={"regime": event.regime})
    if rule.case_number_required and not event.case_number:
        return Refusal(code=ErrorCode.CASE_NUMBER_MISSING, facts={"lot": context.id})
    return Change(
        Lot(
            state=_S.ANNOUNCED,
            lot_id=context.id,
            owner=event.claimant,
            regime=event.regime,
            announced_on=today,
            title=event.title,
            address=event.address,
            starting_price=event.starting_price,
            auction_at=event.auction_at,
            case_number=event.case_number,
        )
    )


@TABLE.on(_S.ANNOUNCED, event=BidderRegistered)
def _register(lot: Lot, event: BidderRegistered, context: Context) -> Change[Lot] | Refusal:
    """EHR-3, EHR-11: everybody but the claimant owes a deposit, in money or as a guarantee."""
    refusal = bidding.check(lot.bidders, event.bidder, claimant=lot.owner)
    if refusal is not None:
        return refusal
    rule = _rule(lot, context)
    standing = bidding.admit(event.bidder, rule, lot.starting_price)
    effects = bidding.wanted(standing, _terms(lot, rule, lot.auction_at))
    return Change(replace(lot, bidders=(*lot.bidders, standing)), effects)


@TABLE.on(_S.DEFAULTED, event=BidderRegistered)
def _register_after_default(lot: Lot, event: BidderRegistered, context: Context) -> Refusal:
    """EHR-13: who won this lot and did not pay is barred from it; for all others it is over."""
    if event.bidder.id == lot.winner:
        return Refusal(code=ErrorCode.BARRED, facts={"bidder": event.bidder.id})
    facts = {"noun": "lot", "id": context.id, "event": "BidderRegistered", "state": lot.state.value}
    return Refusal(code=ErrorCode.STATE_CONFLICT, facts=facts)


@TABLE.on(_S.ANNOUNCED, event=CollectionPaid)
def _collected(lot: Lot, event: CollectionPaid, _: Context) -> Change[Lot]:
    return Change(replace(lot, bidders=bidding.with_payment(lot.bidders, event)))


@TABLE.on(_S.ANNOUNCED, event=AuctionSold, to=_S.AWAITING_FINAL_AMOUNT)
def _sell(lot: Lot, event: AuctionSold, context: Context) -> Change[Lot] | Refusal:
    """EHR-13: the winner has its calendar days to pay; everybody else's deposit goes back (EHR-10)."""
    winner = _standing(lot, event.winner)
    if winner is None or not winner.admitted:
        return Refusal(code=ErrorCode.WINNER_NOT_ADMITTED, facts={"bidder": event.winner})
    if event.price < lot.starting_price:  # a lower one is offered by a repeat auction, a lot of its own (EHR-14)
        facts = {"expected": f"≥ {lot.starting_price}", "received": str(event.price)}
        return Refusal(code=ErrorCode.AMOUNT_MISMATCH, facts=facts)
    lot = replace(lot, winner=event.winner, price=event.price, held_at=event.held_at)
    final = _final_payment(lot, winner, _rule(lot, context), context)
    return Change(lot, (*final, *_returned(lot, context, keep=event.winner, reason="auction closed")))


def _returned(lot: Lot, context: Context, *, keep: str | None, reason: str) -> tuple[Effect, ...]:
    """EHR-10, in the term of EHR-13."""
    due = add_calendar_days(context.now, _rule(lot, context).refund_days)
    return bidding.return_deposits(lot.bidders, lot.lot_id, keep=keep, reason=reason, due=due)


def _final_payment(lot: Lot, winner: Standing, rule: RegimeRule, context: Context) -> tuple[Effect, ...]:
    """What is owed is collected in time; where the deposit covers it nothing is, and the deposit is the payment."""
    owed = bidding.final_amount(winner, lot.price or ZERO, rule)
    if owed == ZERO:
        deposit = collection_id(lot.lot_id, Purpose.DEPOSIT, winner.bidder.id)
        facts = {"lot": context.id, "collection": deposit, "deposit": str(winner.deposit), "price": str(lot.price)}
        paid = FinalAmountPaid(operation_number=deposit, paid_on=local_date(context.now))
        return Alarm("DEPOSIT_COVERS_PRICE", facts), Tell("lot", context.id, paid)
    due = add_calendar_days(context.now, rule.winner_pays_days)
    collected = bidding.collect(winner.bidder, Purpose.FINAL_AMOUNT, owed, _terms(lot, rule, due))
    return collected, Timer("default", due, WinnerDefaulted())


@TABLE.on(_S.AWAITING_FINAL_AMOUNT, event=CollectionPaid)
def _paid_after_sale(lot: Lot, event: CollectionPaid, context: Context) -> Change[Lot]:
    if event.purpose is Purpose.FINAL_AMOUNT and event.bidder_id == lot.winner:
        paid = FinalAmountPaid(operation_number=event.operation_number, paid_on=local_date(event.paid_at))
        return Change(lot, (Tell("lot", context.id, paid),))
    return _paid_too_late(lot, event, context)


@TABLE.on(
    _S.OFFERED, _S.AWAITING_PAYMENT, _S.DRAWING_UP, _S.CONCLUDED, _S.CANCELLED, _S.DEFAULTED, _S.HELD,
    event=CollectionPaid,
)  # fmt: skip
def _paid_too_late(lot: Lot, event: CollectionPaid, context: Context) -> Change[Lot]:
    standing = _standing(lot, event.bidder_id)
    account = standing.bidder.refund_account if standing else None
    due = add_calendar_days(context.now, _rule(lot, context).refund_days)
    return Change(lot, bidding.paid_after_close(lot.lot_id, event, account, due))


@TABLE.on(_S.AWAITING_FINAL_AMOUNT, event=FinalAmountPaid, to=_S.DRAWING_UP)
def _final_amount_paid(lot: Lot, event: FinalAmountPaid, context: Context) -> Change[Lot]:
    winner = _standing(lot, lot.winner)
    deposit = bidding.conclude_deposit(winner, lot.lot_id) if winner else ()
    drawn_up = _draw_up(lot, context, AuctionResult.SOLD, payments=(event.operation_number,), paid_on=event.paid_on)
    return Change(lot, (CancelTimer("default"), *deposit, drawn_up))


@TABLE.on(_S.AWAITING_FINAL_AMOUNT, event=WinnerDefaulted, to=_S.DEFAULTED)
def _default(lot: Lot, _: WinnerDefaulted, context: Context) -> Change[Lot]:
    """EHR-13: the deposit is forfeited; what follows for the lot is decided by a person."""
    winner = _standing(lot, lot.winner)
    forfeited = bidding.forfeit_deposit(winner, lot.lot_id) if winner else ()
    facts = {"lot": context.id, "winner": str(lot.winner)}
    return Change(
        lot, (*forfeited, Alarm("WINNER_DEFAULTED", facts), *_stopped(lot, context, _S.DEFAULTED, "winner defaulted"))
    )


@TABLE.on(_S.ANNOUNCED, event=AuctionUnsold, to=_S.OFFERED)
def _offer(lot: Lot, event: AuctionUnsold, context: Context) -> Change[Lot]:
    """EHR-5, EHR-14: the property goes to its claimant first; all deposits go back."""
    rule = _rule(lot, context)
    opened = offers.Opened(
        lot_id=lot.lot_id,
        owner=lot.owner,
        title=lot.title,
        amount=lot.starting_price.share(rule.offer_price_bp),
        deadline=add_business_days(context.now, rule.claimant_answer_business_days, context.rules.is_business_day),
        case_number=lot.case_number,
    )
    return Change(
        replace(lot, reason=event.reason, held_at=event.held_at),
        (
            Tell("offer", offer_id(lot.lot_id), opened),
            *_returned(lot, context, keep=None, reason="auction closed"),
        ),
    )


@TABLE.on(_S.ANNOUNCED, event=AuctionCancelled, to=_S.CANCELLED)
def _cancel(lot: Lot, event: AuctionCancelled, context: Context) -> Change[Lot]:
    return Change(replace(lot, reason=event.reason), _returned(lot, context, keep=None, reason=event.reason))


@TABLE.on(_S.OFFERED, event=AuctionCancelled, to=_S.CANCELLED)
def _cancel_offered(lot: Lot, event: AuctionCancelled, _: Context) -> Change[Lot]:
    withdrawn = Tell("offer", offer_id(lot.lot_id), offers.Withdrawn(reason=event.reason))
    return Change(replace(lot, reason=event.reason), (withdrawn,))


@TABLE.on(_S.OFFERED, event=OfferAccepted, to=_S.AWAITING_PAYMENT)
def _accepted(lot: Lot, event: OfferAccepted, context: Context) -> Change[Lot]:
    """The claimant's bank is asked for the money by a payment request to the designated account (EHR-7, AOS-M2)."""
    rule = _rule(lot, context)
    price = lot.starting_price.share(rule.offer_price_bp)
    ordered = payments.Ordered(
        kind=PaymentKind.REQUEST,
        reason=payments.Reason.PURCHASE,
        origin=context.id,
        lot_id=lot.lot_id,
        owner=lot.owner,
        amount=price,
        debtor=event.payer,
        creditor=rule.payee,
        case_number=lot.case_number,
        case_number_required=rule.case_number_required,
        purpose=f"Hərrac əmlakının dəyəri, lot {lot.lot_id}",
    )
    return Change(replace(lot, payer=event.payer, price=price), (Tell("payment", purchase_id(lot.lot_id), ordered),))


def purchase_id(lot_id: str) -> str:
    """The claimant pays for a lot once."""
    return f"{lot_id}.purchase"


@TABLE.on(_S.OFFERED, event=OfferDeclined, to=_S.DRAWING_UP)
def _declined(lot: Lot, event: OfferDeclined, context: Context) -> Change[Lot]:
    """EHR-7: after the bank's answer, or its silence (EHR-6), the protocol of an auction that did not take place."""
    reason = "claimant_lapsed" if event.lapsed else "claimant_refused"
    return Change(lot, (_draw_up(lot, context, AuctionResult.NOT_HELD, reason=reason),))


@TABLE.on(_S.AWAITING_PAYMENT, _S.HELD, event=PaymentSettled, to=_S.DRAWING_UP)
def _settled(lot: Lot, event: PaymentSettled, context: Context) -> Change[Lot]:
    drawn_up = _draw_up(
        lot, context, AuctionResult.CLAIMANT_ACQUIRED, payments=(event.reference,), paid_on=event.paid_on
    )
    return Change(lot, (drawn_up,))


@TABLE.on(_S.AWAITING_PAYMENT, event=PaymentFailed, to=_S.HELD)
def _failed(lot: Lot, event: PaymentFailed, context: Context) -> Change[Lot]:
    """No money, no protocol: bank and platform are told, a person decides."""
    reason = f"{event.code} {event.reason}".strip()
    facts = {"lot": context.id, "payment": event.payment_id, "code": event.code}
    return Change(
        replace(lot, reason=reason), (Alarm("PAYMENT_FAILED", facts), *_stopped(lot, context, _S.HELD, reason))
    )


@TABLE.on(_S.DRAWING_UP, event=ProtocolIssued, to=_S.CONCLUDED)
def _issued(lot: Lot, event: ProtocolIssued, _: Context) -> Change[Lot]:
    return Change(replace(lot, protocol_number=event.number))


def _stopped(lot: Lot, context: Context, state: LotState, reason: str) -> tuple[Effect, ...]:
    """Bank and platform hear that it waits for a person, and as what."""
    notice = Notice(
        kind=NoticeKind.LOT_HELD,
        lot_id=lot.lot_id,
        subject_id=context.id,
        state=state,
        occurred_at=context.now,
        amount=lot.price,
        case_number=lot.case_number,
        reason=reason,
    )
    told: tuple[Effect, ...] = (Send(Channel.PLATFORM, context.rules.platform, notice),)
    if lot.owner in context.rules.banks:
        told = (Send(Channel.BANKS, lot.owner, notice), *told)
    return told


def _draw_up(
    lot: Lot,
    context: Context,
    result: AuctionResult,
    *,
    payments: tuple[str, ...] = (),
    paid_on: date | None = None,
    reason: str | None = None,
) -> Tell:
    winner = _standing(lot, lot.winner)
    identifier = protocol_id(lot.lot_id)
    content = ProtocolContent(
        protocol_id=identifier,
        number=f"{local_date(context.now).year}/{lot.lot_id}",
        result=result,
        drawn_up_at=context.now,
        lot_id=lot.lot_id,
        lot_title=lot.title,
        lot_address=lot.address,
        regime=lot.regime,
        rule_version=_rule(lot, context).version,
        case_number=lot.case_number,
        auction_at=lot.held_at or lot.auction_at,  # builds of before kept only when it was to be
        starting_price=lot.starting_price,
        claimant_code=lot.owner,
        bidders=tuple(standing.bidder for standing in lot.bidders),
        buyer_name=winner.bidder.name if winner else (lot.payer.holder if lot.payer else None),
        buyer_tax_id=winner.bidder.tax_id if winner else (lot.payer.tax_id if lot.payer else None),
        price=None if result is AuctionResult.NOT_HELD else lot.price,
        deposit_form=winner.bidder.deposit_form if winner else None,
        payment_references=payments,
        paid_on=paid_on,
        reason=reason or lot.reason,
        recipients=context.rules.authorities,
    )
    return Tell("protocol", identifier, protocols.DrawnUp(content=content, owner=lot.owner))
