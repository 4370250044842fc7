"""Return requests (AOS-T6): camt.056 to the creditor agent, granted as pacs.004, refused as camt.029.

What may be returned at all is judged here for both: an executed payment, and no more of it than was paid. The creditor
agent may take its time; no rule sets it an interval.
"""

from __future__ import annotations

from datetime import datetime

from adapters.aos.central.core import Core, Outgoings
from adapters.aos.central.orders import HeldOrder, HeldRecall, OrderState, RecallState
from adapters.aos.central.reasons import reason
from adapters.aos.central.words import Outgoing
from contracts.iso20022 import CreditTransfer, PaymentReturn, Reason, ReasonCode, ReturnRefusal, ReturnRequest


class Recalls:
    """Takes return requests and refusals of them; told by the execution of returns when one is granted."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def requested(self, request: ReturnRequest, sender_bic: str, now: datetime) -> Outgoings:
        """To the creditor agent, or AOS-R4."""
        found = self._request_faults(request, sender_bic)
        self._core.numbers.setdefault(request.message_id, sender_bic)
        if found:
            return (self._core.words.return_refusal(sender_bic, request.message_id, found, now),)
        self._core.recalls[request.message_id] = HeldRecall(request=request, state=RecallState.PASSED)
        return (Outgoing(to_bic=request.to_bic, message=request, end_to_end_id=request.original_end_to_end_id),)

    def refused(self, refusal: ReturnRefusal, sender_bic: str, now: datetime) -> Outgoings:
        """The creditor agent's camt.029, to the one that asked."""
        held = self._core.recalls.get(refusal.request_message_id)
        if held is None or held.request.to_bic != sender_bic or refusal.to_bic != held.request.from_bic:
            return self._core.error(refusal, sender_bic, now)
        if held.state is not RecallState.PASSED:
            return ()
        held.state = RecallState.REFUSED
        end_to_end_id = held.request.original_end_to_end_id
        return (Outgoing(to_bic=held.request.from_bic, message=refusal, end_to_end_id=end_to_end_id),)

    def granted(self, order: HeldOrder) -> None:
        """A return is executed: the requests for it are answered."""
        for held in self._core.recalls.values():
            same = held.request.original_message_id == _original(order)
            if same and held.state is RecallState.PASSED:
                held.state = RecallState.GRANTED

    def faults(self, order: PaymentReturn) -> tuple[Reason, ...]:
        """What is against a return: it must give back an executed payment, between the same accounts, once."""
        payment = self._executed(order.original_message_id)
        if payment is None:
            return (reason(ReasonCode.NOOR),)
        same = (order.debtor.iban, order.creditor.iban) == (payment.debtor.iban, payment.creditor.iban)
        agents = (order.debtor.bic, order.creditor.bic) == (payment.debtor.bic, payment.creditor.bic)
        if not (same and agents) or order.original_end_to_end_id != payment.end_to_end_id:
            return (reason(ReasonCode.NOOR),)
        left = payment.amount_minor - self._given_back(order.original_message_id)
        return (reason(ReasonCode.ARDT),) if order.amount_minor > left else ()

    def _request_faults(self, request: ReturnRequest, sender_bic: str) -> tuple[Reason, ...]:
        if request.message_id in self._core.numbers:
            return (reason(ReasonCode.AM05),)
        if request.from_bic != sender_bic or self._core.participants.of(request.to_bic) is None:
            return (reason(ReasonCode.RC01),)
        payment = self._executed(request.original_message_id)
        if payment is None or (payment.debtor.bic, payment.creditor.bic) != (sender_bic, request.to_bic):
            return (reason(ReasonCode.NOOR),)
        if payment.amount_minor != request.amount_minor or payment.end_to_end_id != request.original_end_to_end_id:
            return (reason(ReasonCode.NOOR),)
        gone = self._given_back(request.original_message_id) >= payment.amount_minor
        return (reason(ReasonCode.ARDT),) if gone else ()

    def _executed(self, message_id: str) -> CreditTransfer | None:
        held = self._core.orders.get(message_id)
        if held is None or held.state is not OrderState.SETTLED or not isinstance(held.transfer, CreditTransfer):
            return None
        return held.transfer

    def _given_back(self, message_id: str) -> int:
        """Of a payment, by returns that are executed or run."""
        return sum(
            held.transfer.amount_minor
            for held in self._core.orders.values()
            if _original(held) == message_id and held.state is not OrderState.REJECTED
        )


def _original(order: HeldOrder) -> str | None:
    return order.transfer.original_message_id if isinstance(order.transfer, PaymentReturn) else None
