"""What a bank answers on the rail, decided by its own books: pure but for the books themselves.

As debtor agent of a passed pain.001: its pacs.008 is its consent, pain.002/NAUT its refusal (AOS-P7). As creditor agent
of a passed pacs.008, and as debtor agent of a passed pacs.004: pacs.002/AUTH or NAUT (AOS-P3, AOS-T3). Asked to return
a credit: pacs.004, or camt.029 (AOS-T6). STAT settles or credits, RJCT releases (AOS-P4, AOS-P5); each is booked once
however often it comes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from contracts.iso20022 import (
    CreditTransfer,
    Holder,
    MessageName,
    OrderStatus,
    PaymentRequest,
    PaymentReturn,
    Reason,
    ReasonCode,
    RequestStatus,
    ReturnRefusal,
    ReturnRequest,
    StatusKind,
    TransactionState,
)
from contracts.iso20022.codes import STATE_OF_KIND
from contracts.iso20022.registry import type_of
from gateway.domain.clock import local_date
from gateway.domain.money import Money
from gateway.wire.core_banking import CoreBanking


class Agent:
    """One bank as agent. `outgoing` and `incoming` hold what is not final, by end-to-end id or id of the return."""

    def __init__(self, bic: str, system_bic: str, core: CoreBanking, next_id: Callable[[datetime], str]) -> None:
        self._bic, self._system_bic, self._core, self._next_id = bic, system_bic, core, next_id
        self.outgoing: dict[str, CreditTransfer | PaymentReturn] = {}
        self.incoming: dict[str, CreditTransfer | PaymentReturn] = {}
        self.credited: dict[str, CreditTransfer] = {}  # by message id: what may be asked back

    def answer(self, message: Any, now: datetime) -> Any | None:
        """The message to send to AÖS in answer, if there is one."""
        match message:
            case PaymentRequest():
                return self._pay(message, now)
            case CreditTransfer() | PaymentReturn():
                return self._confirm(message, now)
            case ReturnRequest():
                return self._give_back(message, now)
            case OrderStatus():
                self._finish(message)
        return None

    def _pay(self, request: PaymentRequest, now: datetime) -> CreditTransfer | RequestStatus:
        amount = Money(request.amount_minor)
        code = ReasonCode.RC01 if request.debtor.bic != self._bic else self._core.can_debit(request.debtor.iban, amount)
        if code is not None:
            return self._declined(request, code, now)
        transfer = CreditTransfer(
            message_id=self._next_id(now),
            created_at=now,
            instructing_bic=self._bic,
            instructed_bic=request.creditor.bic,
            end_to_end_id=request.end_to_end_id,
            transaction_id=request.instruction_id,
            amount_minor=request.amount_minor,
            settlement_date=local_date(now),
            debtor=request.debtor,
            creditor=request.creditor,
            purpose=request.purpose,
            case_number=request.case_number,
        )
        self._core.reserve(request.end_to_end_id, request.debtor.iban, amount)
        self.outgoing[request.end_to_end_id] = transfer
        return transfer

    def _declined(self, request: PaymentRequest, code: str, now: datetime) -> RequestStatus:
        return RequestStatus(
            message_id=self._next_id(now),
            created_at=now,
            initiating_bic=self._system_bic,
            forwarding_bic=self._bic,
            original_message_id=request.message_id,
            original_payment_information_id=request.payment_information_id,
            original_instruction_id=request.instruction_id,
            original_end_to_end_id=request.end_to_end_id,
            kind=StatusKind.NAUT,
            state=TransactionState.RJCT,
            reasons=(Reason(code=code),),
        )

    def _give_back(self, request: ReturnRequest, now: datetime) -> PaymentReturn | ReturnRefusal:
        """AOS-T6: what we credited and the customer still has goes back as a return, anything else is refused."""
        paid = self.credited.get(request.original_message_id)
        amount = Money(request.amount_minor)
        if paid is None or paid.amount_minor != request.amount_minor:
            return self._kept(request, ReasonCode.NOOR, now)
        code = self._core.can_debit(paid.creditor.iban, amount)
        if self._is_going_back(paid):
            code = ReasonCode.ARDT
        if code is not None:
            return self._kept(request, code, now)
        message_id = self._next_id(now)
        order = PaymentReturn(
            message_id=message_id,
            created_at=now,
            instructing_bic=self._bic,
            instructed_bic=paid.debtor.bic,
            return_id=message_id,
            original_message_id=paid.message_id,
            original_end_to_end_id=paid.end_to_end_id,
            original_transaction_id=paid.transaction_id,
            amount_minor=paid.amount_minor,
            settlement_date=local_date(now),
            debtor=paid.debtor,
            creditor=paid.creditor,
            reasons=(Reason(code="FOCR"),),
            purpose=paid.purpose,
            case_number=paid.case_number,
        )
        self._core.reserve(order.return_id, paid.creditor.iban, amount)
        self.outgoing[order.return_id] = order
        return order

    def _is_going_back(self, paid: CreditTransfer) -> bool:
        returns = [order for order in self.outgoing.values() if isinstance(order, PaymentReturn)]
        return any(order.original_message_id == paid.message_id for order in returns)

    def _kept(self, request: ReturnRequest, code: str, now: datetime) -> ReturnRefusal:
        return ReturnRefusal(
            message_id=self._next_id(now),
            created_at=now,
            from_bic=self._bic,
            to_bic=request.from_bic,
            request_message_id=request.message_id,
            requester_bic=request.from_bic,
            reasons=(Reason(code=code),),
            original_message_id=request.original_message_id,
            original_end_to_end_id=request.original_end_to_end_id,
            original_transaction_id=request.original_transaction_id,
        )

    def _confirm(self, order: CreditTransfer | PaymentReturn, now: datetime) -> OrderStatus:
        """AOS-P3, AOS-T3."""
        payee = _payee(order)
        code = ReasonCode.RC01 if payee.bic != self._bic else self._core.can_credit(payee.iban)
        if code is None:
            self.incoming[_reference(order)] = order
        kind = StatusKind.AUTH if code is None else StatusKind.NAUT
        return OrderStatus(
            message_id=self._next_id(now),
            created_at=now,
            instructing_bic=self._bic,
            instructed_bic=self._system_bic,
            original_message_id=order.message_id,
            original_message_name=type_of(order).name,
            kind=kind,
            state=STATE_OF_KIND[kind],
            original_end_to_end_id=_end_to_end_id(order),
            original_transaction_id=_transaction_id(order),
            reasons=() if code is None else (Reason(code=code),),
        )

    def _finish(self, status: OrderStatus) -> None:
        """A refusal as a repetition (AM05) says nothing of the first copy; no final status, no change."""
        returning = status.original_message_name == MessageName.RETURN
        reference = (status.original_transaction_id if returning else status.original_end_to_end_id) or ""
        if any(reason.code == ReasonCode.AM05 for reason in status.reasons):
            return
        if status.state is TransactionState.ACSC:
            self._settle(reference, status.original_message_id)
        elif status.state is TransactionState.RJCT:
            self._release(reference, status.original_message_id)

    def _settle(self, reference: str, message_id: str) -> None:
        if _is(self.outgoing.get(reference), message_id):
            order = self.outgoing.pop(reference)
            self._core.settle(reference)
            if isinstance(order, PaymentReturn):
                self.credited.pop(order.original_message_id, None)
        elif _is(self.incoming.get(reference), message_id):
            order = self.incoming.pop(reference)
            self._core.credit(reference, _payee(order).iban, Money(order.amount_minor))
            if isinstance(order, CreditTransfer):
                self.credited[order.message_id] = order

    def _release(self, reference: str, message_id: str) -> None:
        if _is(self.outgoing.get(reference), message_id):
            del self.outgoing[reference]
            self._core.release(reference)
        elif _is(self.incoming.get(reference), message_id):
            del self.incoming[reference]


def _is(order: CreditTransfer | PaymentReturn | None, message_id: str) -> bool:
    return order is not None and order.message_id == message_id


def _payee(order: CreditTransfer | PaymentReturn) -> Holder:
    """Who is paid: a return goes back to the original debtor."""
    return order.debtor if isinstance(order, PaymentReturn) else order.creditor


def _end_to_end_id(order: CreditTransfer | PaymentReturn) -> str:
    return order.original_end_to_end_id if isinstance(order, PaymentReturn) else order.end_to_end_id


def _transaction_id(order: CreditTransfer | PaymentReturn) -> str:
    return order.return_id if isinstance(order, PaymentReturn) else order.transaction_id


def _reference(order: CreditTransfer | PaymentReturn) -> str:
    """What the books and the statuses know it by."""
    return order.return_id if isinstance(order, PaymentReturn) else order.end_to_end_id
