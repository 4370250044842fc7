"""Bidders of a lot: what each owes, what was paid, and what becomes of deposits at the end (EHR-3, 10, 11)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from contracts.errors import ErrorCode, Refusal
from gateway.domain.collection import collection_id
from gateway.domain.events import collection as collections
from gateway.domain.events import guarantee as guarantees
from gateway.domain.events.lot import CollectionPaid
from gateway.domain.frozen import replace
from gateway.domain.guarantee import guarantee_id
from gateway.domain.money import ZERO, Money
from gateway.domain.rulebook import RegimeRule
from gateway.domain.table import Alarm, Effect, Tell
from gateway.domain.values import Account, Bidder, DepositForm, Purpose

LEAST = Money(1)  # of a deposit: everybody else pays one (EHR-3), and no invoice is over 0.00


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A bidder and what is settled of what they owe."""

    bidder: Bidder
    deposit: Money
    fee: Money
    deposit_paid: bool = False
    fee_paid: bool = False

    @property
    def admitted(self) -> bool:
        """May win: deposit paid, guaranteed or not owed, and the participation fee paid."""
        return (self.deposit_paid or not self.pays_deposit) and (self.fee_paid or self.fee == ZERO)

    @property
    def pays_deposit(self) -> bool:
        """Owes one in money; nobody does under a regime that has none."""
        return self.bidder.deposit_form is DepositForm.MONEY and self.deposit != ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What every amount of one lot carries."""

    lot_id: str
    owner: str
    payee: Account
    case_number: str | None
    due: datetime


def check(standings: Iterable[Standing], bidder: Bidder, *, claimant: str) -> Refusal | None:
    """Why this bidder cannot be registered, or None."""
    if any(standing.bidder.id == bidder.id for standing in standings):
        return Refusal(code=ErrorCode.ALREADY_EXISTS, facts={"noun": "bidder", "id": bidder.id})
    if bidder.deposit_form is DepositForm.EXEMPT and bidder.id != claimant:
        return Refusal(code=ErrorCode.NOT_PERMITTED, facts={"participant": bidder.id, "what": "exempt deposit"})
    missing = _missing(bidder)
    if missing is not None:
        facts = {"path": f"/data/bidder/{missing}", "fault": f"required for a deposit by {bidder.deposit_form}"}
        return Refusal(code=ErrorCode.SCHEMA_INVALID, facts=facts)
    return None


def _missing(bidder: Bidder) -> str | None:
    if bidder.deposit_form is DepositForm.MONEY and bidder.refund_account is None:
        return "refundAccount"
    if bidder.deposit_form is DepositForm.GUARANTEE:
        if not bidder.guarantee_reference:
            return "guaranteeReference"
        if not bidder.guarantor:
            return "guarantor"
    return None


def admit(bidder: Bidder, rule: RegimeRule, starting_price: Money) -> Standing:
    """EHR-13: the deposit is a percentage of the starting price; the claimant alone owes none (EHR-3)."""
    is_owed = bidder.deposit_form is not DepositForm.EXEMPT and rule.deposit_bp > 0
    deposit = max(starting_price.share(rule.deposit_bp), LEAST) if is_owed else ZERO
    return Standing(bidder=bidder, deposit=deposit, fee=rule.participation_fee)


def wanted(standing: Standing, terms: Terms) -> tuple[Effect, ...]:
    """What a bidder is asked for on registration."""
    effects: list[Effect] = []
    if standing.pays_deposit:
        effects.append(collect(standing.bidder, Purpose.DEPOSIT, standing.deposit, terms))
    if standing.bidder.deposit_form is DepositForm.GUARANTEE:
        effects.append(_lodge(standing, terms))
    if standing.fee != ZERO:
        effects.append(collect(standing.bidder, Purpose.PARTICIPATION_FEE, standing.fee, terms))
    return tuple(effects)


def collect(bidder: Bidder, purpose: Purpose, amount: Money, terms: Terms) -> Tell:
    """Have an amount collected by Asan Pay; enforcement money carries its case number (EHR-12)."""
    event = collections.Wanted(
        lot_id=terms.lot_id,
        owner=terms.owner,
        bidder_id=bidder.id,
        purpose=purpose,
        amount=amount,
        payer_name=bidder.name,
        payer_tax_id=bidder.tax_id,
        payee=terms.payee,
        case_number=terms.case_number,
        due=terms.due,
    )
    return Tell("collection", collection_id(terms.lot_id, purpose, bidder.id), event)


def _lodge(standing: Standing, terms: Terms) -> Tell:
    bidder = standing.bidder
    event = guarantees.Lodged(
        lot_id=terms.lot_id,
        owner=terms.owner,
        bidder_id=bidder.id,
        guarantor=str(bidder.guarantor),
        reference=str(bidder.guarantee_reference),
        amount=standing.deposit,
        case_number=terms.case_number,
    )
    return Tell("guarantee", guarantee_id(terms.lot_id, bidder.id), event)


def with_payment(standings: Iterable[Standing], paid: CollectionPaid) -> tuple[Standing, ...]:
    """The standings after a deposit or fee was paid."""

    def update(standing: Standing) -> Standing:
        if standing.bidder.id != paid.bidder_id:
            return standing
        if paid.purpose is Purpose.DEPOSIT:
            return replace(standing, deposit_paid=True)
        return replace(standing, fee_paid=True)

    return tuple(update(standing) for standing in standings)


def return_deposits(
    standings: Iterable[Standing], lot_id: str, *, keep: str | None, reason: str, due: datetime
) -> tuple[Effect, ...]:
    """EHR-10: all deposits but the winner's go back; EHR-11: only money is refunded, guarantees are released."""
    effects: list[Effect] = []
    for standing in standings:
        if standing.bidder.id != keep:
            effects.extend(_return_one(standing, lot_id, reason, due))
    return tuple(effects)


def _return_one(standing: Standing, lot_id: str, reason: str, due: datetime) -> Iterable[Effect]:
    bidder = standing.bidder
    if bidder.deposit_form is DepositForm.GUARANTEE:
        yield Tell("guarantee", guarantee_id(lot_id, bidder.id), guarantees.Released())
    elif standing.pays_deposit:
        deposit = collection_id(lot_id, Purpose.DEPOSIT, bidder.id)
        if standing.deposit_paid and bidder.refund_account is not None:
            yield Tell("collection", deposit, collections.RefundOrdered(account=bidder.refund_account, due=due))
        else:
            yield Tell("collection", deposit, collections.Cancelled(reason=reason))
    if not standing.fee_paid and standing.fee != ZERO:
        fee = collection_id(lot_id, Purpose.PARTICIPATION_FEE, bidder.id)
        yield Tell("collection", fee, collections.Cancelled(reason=reason))


def conclude_deposit(standing: Standing, lot_id: str) -> tuple[Effect, ...]:
    """The winner has paid: money is counted into the price, a guarantee is released."""
    if standing.bidder.deposit_form is DepositForm.GUARANTEE:
        return (Tell("guarantee", guarantee_id(lot_id, standing.bidder.id), guarantees.Released()),)
    if standing.deposit_paid:
        return (Tell("collection", collection_id(lot_id, Purpose.DEPOSIT, standing.bidder.id), collections.Applied()),)
    return ()


def forfeit_deposit(standing: Standing, lot_id: str) -> tuple[Effect, ...]:
    """EHR-13: a winner who does not pay loses the deposit; a guarantee is called."""
    final = collection_id(lot_id, Purpose.FINAL_AMOUNT, standing.bidder.id)
    effects: tuple[Effect, ...] = (Tell("collection", final, collections.Cancelled(reason="winner defaulted")),)
    if standing.bidder.deposit_form is DepositForm.GUARANTEE:
        return (*effects, Tell("guarantee", guarantee_id(lot_id, standing.bidder.id), guarantees.Called()))
    if standing.deposit_paid:
        deposit = collection_id(lot_id, Purpose.DEPOSIT, standing.bidder.id)
        return (*effects, Tell("collection", deposit, collections.Forfeited()))
    return effects


def final_amount(standing: Standing, price: Money, rule: RegimeRule) -> Money:
    """What the winner still owes: the price, the service fee where there is one, less a money deposit (EHR-13)."""
    owed = price + price.share(rule.service_fee_bp)
    held = standing.deposit if standing.deposit_paid else ZERO
    return owed - held if held < owed else ZERO


def paid_after_close(lot_id: str, paid: CollectionPaid, account: Account | None, due: datetime) -> tuple[Effect, ...]:
    """A deposit that was paid while the auction was closing goes back; a fee needs a person."""
    if paid.purpose is Purpose.DEPOSIT and account is not None:
        return (Tell("collection", paid.collection_id, collections.RefundOrdered(account=account, due=due)),)
    return (Alarm("PAID_AFTER_CLOSE", {"lot": lot_id, "collection": paid.collection_id}),)
