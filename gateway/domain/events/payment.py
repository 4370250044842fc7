"""What happens to a payment: our orders, the rail's answers, and silence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain.dispatches import PaymentKind
from gateway.domain.money import Money
from gateway.domain.values import Account


class Reason(StrEnum):
    """Why we pay; decides who is told of the outcome."""

    PURCHASE = "purchase"  # the claimant's money for an unsold lot; told to the lot
    REFUND = "refund"  # a deposit going back; told to its collection


ORDER_ALIAS = "aos.msg"  # our own message id
END_TO_END_ALIAS = "aos.e2e"  # how a credit finds the payment that awaits it


class Rail(StrEnum):
    """What carries a payment."""

    AOS = "AOS"  # the instant payment system
    AZIPS = "AZIPS"  # real-time gross settlement, in its operating window


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a rail's word says of the order it is about, besides its message id: all of it must be as we ordered."""

    rail: Rail
    kind: PaymentKind | None = None  # None where the word is the same for both
    end_to_end_id: str | None = None  # None where the word does not name it


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """Somebody in the house wants this paid. `origin` is the lot's or collection's id."""

    kind: PaymentKind
    reason: Reason
    origin: str
    lot_id: str
    owner: str
    amount: Money
    debtor: Account
    creditor: Account
    case_number: str | None
    case_number_required: bool
    purpose: str
    maker: str = ""  # the person who caused it, where one did; never its approver (VLT-4.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalNeeded:
    """Above the custody limit: persons must approve before anything is sent (VLT-3.2)."""

    limit: Money
    approvals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A person, by a sealed statement, releases exactly this amount to exactly this account."""

    person: str
    amount: Money
    creditor_iban: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """As many persons as the rule wants have approved."""

    approvals: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """A person will not have it paid."""

    person: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteChosen:
    """This rail carries it; `rule` names what decided, with its version."""

    rail: Rail
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteQueued:
    """This rail carries it, once its window opens."""

    rail: Rail
    rule: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowOpened:
    """The rail takes documents again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferAwaited:
    """Too great to be asked for over AÖS: the payer's bank transfers by itself, naming our end-to-end id."""

    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOverdue:
    """It has not come in the time it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditArrived:
    """Money is on our account that names this payment; final, nobody asks us to confirm it."""

    credit_id: str
    amount: Money
    creditor_iban: str
    case_number: str | None
    reference: str
    settled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteMissing:
    """No rail of ours carries it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Consented:
    """pain.002/ACSP: the debtor's bank agreed. Consent is not money (facts.md): keep the MSID, match the credit."""

    msid: str | None
    order_id: str | None = None  # message id of the order it speaks of, where it names one
    named: Named | None = None  # None where no rail says so, but the house itself


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditOffered:
    """A pacs.008 with this payment's end-to-end id was passed to us, the creditor agent, to confirm."""

    credit_id: str
    amount: Money
    creditor_iban: str
    case_number: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditAuthorised:
    """It is the awaited one; we answered AUTH."""

    credit_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """STAT: the money has moved. `reference` is the rail's or the debtor bank's id of the transfer."""

    reference: str
    settled_at: datetime
    order_id: str | None = None  # message id of the order it speaks of, where it names one
    named: Named | None = None  # None where no rail says so, but the house itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """RJCT or NAUT: it will not move. `code` is the rail's (AM04, EA178, EL202, EP252, …).

    A copy refused for its day (DT01, AOS-C2) says nothing of an earlier copy of the order; the answer to a question
    (`asked`) does.
    """

    code: str
    reason: str
    order_id: str | None = None  # message id of the order it speaks of, where it names one
    told_at: datetime | None = None  # by the rail's clock, where the rail is AÖS
    asked: bool = False  # in answer to a question of ours (AOS-I1, AOS-I2)
    named: Named | None = None  # None where no rail says so, but the house itself


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyTold:
    """AÖS has sent the copy of the order that it executed for this payment, or of its return (AOS-I3)."""

    inquiry_id: str
    transaction_id: str
    told_at: datetime
    amount: Money
    debtor_iban: str
    creditor_iban: str
    case_number: str | None
    of_return: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallOrdered:
    """A person wants a settled payment back (AOS-M4)."""

    person: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallRefused:
    """camt.029: the creditor agent, or AÖS, does not grant it (AOS-T6, AOS-R4)."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnProposed:
    """A pacs.004 that returns this payment was passed to us to confirm."""

    credit_id: str
    end_to_end_id: str
    amount: Money
    debtor_iban: str
    creditor_iban: str
    case_number: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnReleased:
    """The return that we agreed to was not booked: another may be proposed."""

    credit_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CameBack:
    """The return is settled: the money is with us again (AOS-T4)."""

    reference: str
