"""What a bank answers on the rail, decided by its own books: pure but for the books themselves.

As debtor agent of a passed pain.001: its pacs.008 is its consent, pain.002/NAUT its refusal (AOS-P7). As creditor agent
of a passed pacs.008: pacs.002/AUTH or NAUT (AOS-P3). STAT settles or credits, RJCT releases (AOS-P4, AOS-P5); each is
booked once however often it comes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from contracts.iso20022 import (
    CreditTransfer,
    OrderStatus,
    PaymentRequest,
    Reason,
    ReasonCode,
    RequestStatus,
    StatusKind,
    TransactionState,
)
from contracts.iso20022.codes import STATE_OF_KIND
from gateway.domain.clock import local_date
from gateway.domain.money import Money
from gateway.wire.core_banking import CoreBanking

_ORDER_NAME = "pacs.008.001.08"


class Agent:
    """One bank as agent. `outgoing` and `incoming` hold the orders that are not final yet, by end-to-end id."""

    def __init__(self, bic: str, system_bic: str, core: CoreBanking, next_id: Callable[[datetime], str]) -> None:
        self._bic, self._system_bic, self._core, self._next_id = bic, system_bic, core, next_id
        self.outgoing: dict[str, CreditTransfer] = {}
        self.incoming: dict[str, CreditTransfer] = {}

    def answer(self, message: Any, now: datetime) -> Any | None:
        """The message to send to AÖS in answer, if there is one."""
        match message:
            case PaymentRequest():
                return self._pay(message, now)
            case CreditTransfer():
                return self._confirm(message, now)
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

    def _confirm(self, transfer: CreditTransfer, now: datetime) -> OrderStatus:
        code = ReasonCode.RC01 if transfer.creditor.bic != self._bic else self._core.can_credit(transfer.creditor.iban)
        if code is None:
            self.incoming[transfer.end_to_end_id] = transfer
        kind = StatusKind.AUTH if code is None else StatusKind.NAUT
        return OrderStatus(
            message_id=self._next_id(now),
            created_at=now,
            instructing_bic=self._bic,
            instructed_bic=self._system_bic,
            original_message_id=transfer.message_id,
            original_message_name=_ORDER_NAME,
            kind=kind,
            state=STATE_OF_KIND[kind],
            original_end_to_end_id=transfer.end_to_end_id,
            original_transaction_id=transfer.transaction_id,
            reasons=() if code is None else (Reason(code=code),),
        )

    def _finish(self, status: OrderStatus) -> None:
        """A refusal as a repetition (AM05) says nothing of the first copy; no final status, no change."""
        reference = status.original_end_to_end_id or ""
        if any(reason.code == ReasonCode.AM05 for reason in status.reasons):
            return
        if status.state is TransactionState.ACSC:
            self._settle(reference, status.original_message_id)
        elif status.state is TransactionState.RJCT:
            self._release(reference, status.original_message_id)

    def _settle(self, reference: str, message_id: str) -> None:
        if _is(self.outgoing.get(reference), message_id):
            del self.outgoing[reference]
            self._core.settle(reference)
        elif _is(self.incoming.get(reference), message_id):
            transfer = self.incoming.pop(reference)
            self._core.credit(reference, transfer.creditor.iban, Money(transfer.amount_minor))

    def _release(self, reference: str, message_id: str) -> None:
        if _is(self.outgoing.get(reference), message_id):
            del self.outgoing[reference]
            self._core.release(reference)
        elif _is(self.incoming.get(reference), message_id):
            del self.incoming[reference]


def _is(transfer: CreditTransfer | None, message_id: str) -> bool:
    return transfer is not None and transfer.message_id == message_id
