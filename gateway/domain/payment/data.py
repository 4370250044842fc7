"""Payment: one order for a rail and what is known of its outcome (AOS-M1, AOS-M2, AOS-P1…P7). Its data and states."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain.dispatches import PaymentKind
from gateway.domain.events.payment import Rail, Reason
from gateway.domain.money import Money
from gateway.domain.values import Account


class PaymentState(StrEnum):
    """What is known of a payment."""

    ORDERED = "ordered"  # ids fixed, route not chosen yet
    AWAITING_APPROVAL = "awaiting_approval"  # VLT-3.2: above the custody limit, two approvers
    QUEUED = "queued"  # AZIPS is closed: goes when its window opens
    AWAITING_TRANSFER = (
        "awaiting_transfer"  # above AÖS: the payer's bank pays by itself over AZIPS, we match the credit
    )
    ROUTED = "routed"  # on its way to the rail
    SENT = "sent"  # the rail has the message
    CONSENTED = "consented"  # ACSP: agreed, not money
    AUTHORISED = "authorised"  # we, the creditor agent, confirmed its credit
    UNKNOWN = "unknown"  # nobody knows; we ask
    UNRESOLVED = "unresolved"  # asked in vain: a person goes on, we keep listening
    HELD = "held"  # no rail carries it: a person decides
    SETTLED = "settled"
    REFUSED = "refused"
    RETURNED = "returned"  # settled, and the money came back (AOS-T4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One payment and its fixed ids."""

    state: PaymentState
    lot_id: str
    owner: str
    kind: PaymentKind
    reason: Reason
    origin: str
    amount: Money
    debtor: Account
    creditor: Account
    case_number: str | None
    purpose: str
    message_id: str
    end_to_end_id: str
    created_at: datetime
    maker: str = ""  # who caused it; never its approver (VLT-4.4)
    approvals: tuple[str, ...] = ()  # persons, in order
    rail: Rail | None = None
    msid: str | None = None
    credit_id: str | None = None
    reference: str | None = None
    settled_at: datetime | None = None
    refusal_code: str | None = None
    refusal_reason: str | None = None
    enquiry_id: str | None = None  # of the last enquiry
    recall_id: str | None = None  # of our camt.056
    resends: int = 0  # how often it went again because the rail had never seen it
    day_refused_at: datetime | None = None  # by AÖS's clock: a copy came on another day than the order's (AOS-C2)
    renewals: int = 0  # how often it became an order of another day, each under an id of its own
