"""What the system remembers of each order, return, request and return request, and in which state it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from contracts.iso20022 import (
    CreditTransfer,
    MessageName,
    PaymentRequest,
    PaymentReturn,
    Reason,
    ReturnRequest,
    TransactionState,
)

Order = CreditTransfer | PaymentReturn


class OrderState(StrEnum):
    """Where a pacs.008 or pacs.004 is."""

    BLOCKED = "blocked"  # money held, the receiving agent asked (AOS-P2, AOS-T2)
    SETTLED = "settled"  # AOS-P4, AOS-T4
    REJECTED = "rejected"  # AOS-P5, AOS-T5


class RequestState(StrEnum):
    """Where a pain.001 is (AOS-P7)."""

    PASSED = "passed"  # with the debtor agent
    CONSENTED = "consented"  # its pacs.008 runs
    SETTLED = "settled"
    REJECTED = "rejected"


class RecallState(StrEnum):
    """Where a camt.056 is (AOS-T6)."""

    PASSED = "passed"  # with the creditor agent, which may take its time
    GRANTED = "granted"  # its pacs.004 is settled
    REFUSED = "refused"  # its camt.029 is passed on


@dataclass(slots=True, kw_only=True)
class HeldOrder:
    """One accepted pacs.008 or pacs.004. `due` is the end of the confirmation interval."""

    transfer: Order
    state: OrderState
    due: datetime
    request: HeldRequest | None = None
    reasons: tuple[Reason, ...] = ()

    @property
    def name(self) -> MessageName:
        """Which message it came as."""
        return MessageName.ORDER if isinstance(self.transfer, CreditTransfer) else MessageName.RETURN

    @property
    def payer_bic(self) -> str:
        """The agent whose clearing account pays."""
        return payer_bic(self.transfer)

    @property
    def payee_bic(self) -> str:
        """The agent that is asked to confirm, and receives."""
        return payee_bic(self.transfer)

    @property
    def end_to_end_id(self) -> str:
        """Of the payment, the same for its return."""
        return end_to_end_id(self.transfer)

    @property
    def transaction_id(self) -> str:
        """The order's own, or the return's."""
        return self.transfer.transaction_id if isinstance(self.transfer, CreditTransfer) else self.transfer.return_id


@dataclass(slots=True, kw_only=True)
class HeldRequest:
    """One accepted pain.001. `msid` names the debtor agent's order once it has consented."""

    request: PaymentRequest
    initiator_bic: str
    state: RequestState
    due: datetime
    msid: str | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(slots=True, kw_only=True)
class HeldRecall:
    """One accepted camt.056."""

    request: ReturnRequest
    state: RecallState


def payer_bic(order: Order | PaymentRequest) -> str:
    """Whose customer pays: a return runs from the original creditor's agent to the debtor's."""
    return order.creditor.bic if isinstance(order, PaymentReturn) else order.debtor.bic


def payee_bic(order: Order | PaymentRequest) -> str:
    """Whose customer is paid."""
    return order.debtor.bic if isinstance(order, PaymentReturn) else order.creditor.bic


def end_to_end_id(order: Order) -> str:
    """The end-to-end id of the payment it is or gives back."""
    return order.end_to_end_id if isinstance(order, CreditTransfer) else order.original_end_to_end_id


ISO_STATE_OF_ORDER = {
    OrderState.BLOCKED: TransactionState.PDNG,
    OrderState.SETTLED: TransactionState.ACSC,
    OrderState.REJECTED: TransactionState.RJCT,
}
ISO_STATE_OF_REQUEST = {
    RequestState.PASSED: TransactionState.PDNG,
    RequestState.CONSENTED: TransactionState.ACSP,
    RequestState.SETTLED: TransactionState.ACSC,
    RequestState.REJECTED: TransactionState.RJCT,
}
