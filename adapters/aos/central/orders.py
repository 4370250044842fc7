"""What the system remembers of each order and request, and in which state it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from contracts.iso20022 import CreditTransfer, PaymentRequest, Reason, TransactionState


class OrderState(StrEnum):
    """Where a pacs.008 is."""

    BLOCKED = "blocked"  # money held, the creditor agent asked (AOS-P2)
    SETTLED = "settled"  # AOS-P4
    REJECTED = "rejected"  # AOS-P5


class RequestState(StrEnum):
    """Where a pain.001 is (AOS-P7)."""

    PASSED = "passed"  # with the debtor agent
    CONSENTED = "consented"  # its pacs.008 runs
    SETTLED = "settled"
    REJECTED = "rejected"


@dataclass(slots=True, kw_only=True)
class HeldOrder:
    """One accepted pacs.008. `due` is the end of the confirmation interval."""

    transfer: CreditTransfer
    state: OrderState
    due: datetime
    request: HeldRequest | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(slots=True, kw_only=True)
class HeldRequest:
    """One accepted pain.001. `msid` names the debtor agent's order once it has consented."""

    request: PaymentRequest
    initiator_bic: str
    state: RequestState
    due: datetime
    msid: str | None = None
    reasons: tuple[Reason, ...] = ()


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
