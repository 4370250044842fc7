"""Execution of orders: pacs.008 (AOS-P1 to AOS-P6) and pacs.004 (AOS-T1 to AOS-T5), the same steps for both.

Block on the payer's clearing account, pass to the receiving agent, AUTH posts and STAT goes to both, NAUT or silence
releases and RJCT goes to both. A pacs.008 that answers a payment request runs for its initiator too (AOS-P7).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from adapters.aos.central.core import Core, Outgoings
from adapters.aos.central.limits import Limits
from adapters.aos.central.orders import HeldOrder, HeldRequest, Order, OrderState, end_to_end_id, payer_bic
from adapters.aos.central.reasons import reason
from adapters.aos.central.recalls import Recalls
from adapters.aos.central.requests import Requests
from adapters.aos.central.words import Outgoing
from contracts.iso20022 import (
    CreditTransfer,
    MessageName,
    OrderEnquiry,
    OrderStatus,
    PaymentReturn,
    Reason,
    ReasonCode,
    StatusKind,
)

_ANSWERS = (StatusKind.AUTH, StatusKind.NAUT)


class Execution:
    """Takes orders and returns, and what agents say to them."""

    def __init__(self, core: Core, requests: Requests, recalls: Recalls, limits: Limits) -> None:
        self._core, self._requests, self._recalls, self._limits = core, requests, recalls, limits

    def ordered(self, transfer: CreditTransfer, sender_bic: str, now: datetime) -> Outgoings:
        """AOS-P1, AOS-P2, AOS-R1."""
        held = self._requests.answered_by(transfer)
        found = self._core.faults(transfer, sender_bic, now)
        if not found and held is not None and not self._requests.is_answer(transfer, held):
            found = (reason(ReasonCode.AM09),)
        return self._taken(transfer, sender_bic, found, now, held)

    def returned(self, order: PaymentReturn, sender_bic: str, now: datetime) -> Outgoings:
        """AOS-T1, AOS-T2, AOS-R3."""
        found = self._core.faults(order, sender_bic, now) or self._recalls.faults(order)
        return self._taken(order, sender_bic, found, now, None)

    def answered(self, status: OrderStatus, sender_bic: str, now: datetime) -> Outgoings:
        """AOS-P3 to AOS-P5, AOS-T3 to AOS-T5. An answer again, or late, hears the outcome again and changes nothing."""
        order = self._core.orders.get(status.original_message_id)
        if order is None or order.payee_bic != sender_bic or status.kind not in _ANSWERS:
            return self._core.error(status, sender_bic, now)
        if order.state is not OrderState.BLOCKED:
            return (self._core.words.order_status(sender_bic, order, _final_kind(order), now),)
        if status.kind is StatusKind.NAUT:
            return self._reject(order, status.reasons or (reason(ReasonCode.EA178),), now)
        return self._settle(order, now)

    def asked(self, enquiry: OrderEnquiry, sender_bic: str, now: datetime) -> Outgoings:
        """AOS-I1: only the order's own agents are told."""
        order = self._core.orders.get(enquiry.original_message_id)
        if order is None or sender_bic not in (order.payer_bic, order.payee_bic):
            return self._core.error(enquiry, sender_bic, now)
        return (self._core.words.order_status(sender_bic, order, StatusKind.STAT, now, asked=True),)

    def expire(self, now: datetime) -> Outgoings:
        """End what the receiving agent did not answer within the interval (AOS-P5, AOS-T5)."""
        due = [order for order in self._core.orders.values() if order.state is OrderState.BLOCKED and order.due <= now]
        return tuple(out for order in due for out in self._reject(order, (reason(ReasonCode.EL202),), now))

    def next_due(self) -> list[datetime]:
        """When silence ends each order that waits."""
        return [order.due for order in self._core.orders.values() if order.state is OrderState.BLOCKED]

    def _taken(
        self, order: Order, sender_bic: str, found: tuple[Reason, ...], now: datetime, request: HeldRequest | None
    ) -> Outgoings:
        due = now + timedelta(seconds=self._core.rules.confirmation_interval_s)
        held = HeldOrder(transfer=order, state=OrderState.BLOCKED, due=due, request=request)
        account = self._core.participants.of(payer_bic(order))
        if not found and account is not None and not self._block(order, account.clearing_account):
            found = (reason(ReasonCode.AM04),)
        if found:
            return (self._refused(held, sender_bic, found, now),)
        self._core.orders[order.message_id] = held
        consent = () if request is None else self._requests.consented(request, order.message_id, now)
        passed = Outgoing(to_bic=held.payee_bic, message=order, end_to_end_id=end_to_end_id(order))
        return (*consent, passed, *self._limits.warnings(held.payer_bic, now))

    def _block(self, order: Order, account: str) -> bool:
        return self._core.ledger.block(order.message_id, account, order.amount_minor)

    def _refused(self, held: HeldOrder, sender_bic: str, reasons: tuple[Reason, ...], now: datetime) -> Outgoing:
        return self._core.words.order_refusal(
            sender_bic,
            held.transfer.message_id,
            reasons,
            now,
            name=held.name,
            end_to_end_id=held.end_to_end_id,
            transaction_id=held.transaction_id,
        )

    def _settle(self, order: HeldOrder, now: datetime) -> Outgoings:
        """AOS-P4, AOS-T4, and AOS-P7 for the initiator."""
        self._core.ledger.execute(order.transfer.message_id, self._core.clearing(order.payee_bic), now)
        order.state = OrderState.SETTLED
        if order.name is MessageName.RETURN:
            self._recalls.granted(order)
        told = self._tell_agents(order, StatusKind.STAT, now)
        initiator = () if order.request is None else self._requests.settled(order.request, now)
        return (*told, *initiator, *self._copies(order), *self._limits.warnings(order.payee_bic, now))

    def _reject(self, order: HeldOrder, reasons: tuple[Reason, ...], now: datetime) -> Outgoings:
        """AOS-P5, AOS-T5, and AOS-P7 for the initiator."""
        self._core.ledger.release(order.transfer.message_id)
        order.state, order.reasons = OrderState.REJECTED, reasons
        told = self._tell_agents(order, StatusKind.RJCT, now)
        initiator = () if order.request is None else self._requests.rejected(order.request, reasons, now)
        return (*told, *initiator, *self._limits.warnings(order.payer_bic, now))

    def _tell_agents(self, order: HeldOrder, kind: StatusKind, now: datetime) -> Outgoings:
        agents = (order.payer_bic, order.payee_bic)
        return tuple(self._core.words.order_status(bic, order, kind, now) for bic in agents)

    def _copies(self, order: HeldOrder) -> Outgoings:
        """AOS-P6: an executed order of an indirect participant, to the direct one that asked for copies."""
        members = [self._core.participants.member(bic) for bic in (order.payer_bic, order.payee_bic)]
        direct = [self._core.participants.direct_of(member) for member in members if member.settled_by is not None]
        wanting = dict.fromkeys(row.bic for row in direct if row.wants_copies)
        return tuple(
            Outgoing(to_bic=bic, message=order.transfer, end_to_end_id=order.end_to_end_id, copy=True)
            for bic in wanting
            if bic not in (order.payer_bic, order.payee_bic)
        )


def _final_kind(order: HeldOrder) -> StatusKind:
    return StatusKind.STAT if order.state is OrderState.SETTLED else StatusKind.RJCT
