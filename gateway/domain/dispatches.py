"""What is sent, in the words of the trade: the bodies of outbox rows. Adapters turn them into wire messages.

Every class here is registered in `DISPATCHES` under its name, which is how an outbox row says what its body is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from gateway.domain.money import Money
from gateway.domain.values import Account, Bidder, DepositForm, Purpose, Regime


class Channel(StrEnum):
    """The way out; one adapter each."""

    AOS = "aos"
    ASAN_PAY = "asan_pay"
    AZIPS = "azips"
    BANKS = "banks"
    MINISTRIES = "ministries"
    NOTARY = "notary"  # our own office that draws up and seals protocols
    PLATFORM = "platform"
    REFUSALS = "refusals"  # to ministries whose receipts were refused; apart, so that no protocol waits behind one
    TIMER = "timer"  # no adapter: the engine tells the noun


class PaymentKind(StrEnum):
    """Which message carries a payment (AOS-M1, AOS-M2)."""

    REQUEST = "request"  # pain.001: we are the initiator and ask the debtor's bank
    TRANSFER = "transfer"  # pacs.008: we are the debtor agent and pay


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOrder:
    """One payment for the instant rail. All ids are fixed before the first send and never change on a resend."""

    kind: PaymentKind
    payment_id: str
    message_id: str
    end_to_end_id: str
    transaction_id: str
    amount: Money
    debtor: Account
    creditor: Account
    lot_id: str
    case_number: str | None
    purpose: str  # free text for the payee, Azerbaijani
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentEnquiry:
    """What became of it? pacs.028 for a transfer (AOS-I1), pain.998 for a request (AOS-I2)."""

    kind: PaymentKind
    payment_id: str
    message_id: str  # of this enquiry
    original_message_id: str
    original_end_to_end_id: str
    original_transaction_id: str
    created_at: datetime
    number: int = 1  # which question it is


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditAnswer:
    """Our answer, as creditor agent, to a pacs.008 passed to us: pacs.002/AUTH or NAUT with a reason (AOS-P3)."""

    credit_id: str
    message_id: str  # of this answer
    original_message_id: str
    original_end_to_end_id: str
    original_transaction_id: str
    of_return: bool = False  # to a pacs.004 (AOS-T3)
    authorised: bool
    reason: str | None  # an error code of ours, carried as proprietary reason
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditEnquiry:
    """pacs.028: what became of the order that we authorised, or of the return that we ordered (AOS-I1)?"""

    credit_id: str
    message_id: str  # of this enquiry
    original_message_id: str
    original_end_to_end_id: str
    original_transaction_id: str
    of_return: bool  # asked about is a pacs.004
    created_at: datetime
    number: int = 1  # which question it is


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallOrder:
    """camt.056: please return a settled payment of ours (AOS-M4)."""

    payment_id: str
    message_id: str  # of this request
    creditor_bic: str
    original_message_id: str
    original_end_to_end_id: str
    amount: Money
    paid_on: date  # value date of the payment
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallRefusal:
    """camt.029: we do not return a credit (AOS-T6)."""

    credit_id: str
    message_id: str  # of this refusal
    request_id: str
    requester_bic: str
    original_message_id: str
    original_end_to_end_id: str
    original_transaction_id: str
    code: str
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnOrder:
    """pacs.004: we, the creditor agent, return a credit (AOS-M3). Debtor and creditor are the original payment's."""

    credit_id: str
    message_id: str  # of this return
    original_message_id: str
    original_end_to_end_id: str
    original_transaction_id: str
    amount: Money
    debtor: Account
    creditor: Account
    case_number: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingQuery:
    """camt.009: how does our account in AÖS stand (AOS-L6)?"""

    account: str
    message_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSetting:
    """camt.011: set the debit limit of an account to an amount (AOS-L2, AOS-L3)."""

    account: str
    message_id: str
    limit: Money
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitIncrease:
    """MT205: add an amount to the debit limit of our settlement account (AOS-L1)."""

    account: str
    reference: str  # 16 characters
    amount: Money
    created_at: datetime


class InformationKind(StrEnum):
    """What AÖS can tell (AOS-I3 to AOS-I8)."""

    DAY = "day"  # the operating day: camt.018, camt.019
    STATEMENT = "statement"  # camt.060, camt.998/TRANSREP
    COPY = "copy"  # of an executed order: camt.033, camt.034
    TEXT = "text"  # camt.998/TEXTMESSAGE, only told


@dataclass(frozen=True, slots=True, kw_only=True)
class InformationQuery:
    """A question that moves nothing. `account` and `day` are a statement's, `order_id` a copy's."""

    kind: InformationKind
    message_id: str
    account: str | None
    day: date | None
    order_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeficiencyReport:
    """To the central bank at once: what AÖS sent us does not verify (AOS-S2)."""

    deficiency_id: str
    message_id: str  # of this report
    code: str
    sha256: str  # of the octets received
    found_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceOrder:
    """Ask Asan Pay to collect an amount."""

    collection_id: str
    lot_id: str
    purpose: Purpose
    amount: Money
    payer_name: str
    payer_tax_id: str
    payee: Account
    case_number: str | None
    due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceCancellation:
    """Take an unpaid invoice back."""

    collection_id: str
    invoice_number: str
    reason: str


class NoticeKind(StrEnum):
    """What banks and the platform are told (the names of our CloudEvents after `az.eherrac.gateway.`)."""

    OFFER_OPENED = "offer.opened"
    OFFER_CLOSED = "offer.closed"  # accepted, refused, lapsed, withdrawn: see `state`
    COLLECTION_STATE = "collection.state"
    PAYMENT_STATE = "payment.state"
    GUARANTEE_STATE = "guarantee.state"
    PROTOCOL_ISSUED = "protocol.issued"
    LOT_HELD = "lot.held"  # waiting for a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A signed callback. `version` is the subject's journal position: a reader drops what is older than it has seen."""

    kind: NoticeKind
    lot_id: str
    subject_id: str  # offer, payment, collection, guarantee or protocol id
    state: str
    occurred_at: datetime
    amount: Money | None = None
    deadline: datetime | None = None
    case_number: str | None = None
    reference: str | None = None  # guarantee reference, invoice number, MSID, protocol number
    reason: str | None = None


class AuctionResult(StrEnum):
    """What a protocol records."""

    SOLD = "sold"
    CLAIMANT_ACQUIRED = "claimant_acquired"  # unsold, the claimant took the property and paid
    NOT_HELD = "not_held"  # unsold, the claimant refused or let the offer lapse


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolContent:
    """Everything a protocol states (EHR-7, EHR-16). Rendering adds nothing of its own."""

    protocol_id: str
    number: str
    result: AuctionResult
    drawn_up_at: datetime
    lot_id: str
    lot_title: str
    lot_address: str
    regime: Regime
    rule_version: str
    case_number: str | None
    auction_at: datetime
    starting_price: Money
    claimant_code: str
    bidders: tuple[Bidder, ...]
    buyer_name: str | None
    buyer_tax_id: str | None
    price: Money | None
    deposit_form: DepositForm | None
    payment_references: tuple[str, ...]
    paid_on: date | None
    reason: str | None  # why it was not held
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealOrder:
    """Draw up XML and PDF and seal them in one container."""

    content: ProtocolContent


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolDelivery:
    """Deliver a sealed protocol to an authority. The container travels as the dispatch's attachment."""

    protocol_id: str
    number: str
    lot_id: str
    result: AuctionResult
    document_id: str
    sha256: str
    issued_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRefusal:
    """Tell a ministry that a receipt of its was refused. `is_verified`: it signed it; else the record only says so."""

    authority: str
    record: str  # topic/partition/offset
    record_sha256: str
    lot_id: str  # the record's key; empty where it is none of ours
    is_verified: bool
    code: str
    facts: dict[str, str]
    refused_at: datetime


DISPATCHES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        PaymentOrder,
        PaymentEnquiry,
        CreditAnswer,
        CreditEnquiry,
        InformationQuery,
        StandingQuery,
        LimitSetting,
        LimitIncrease,
        RecallOrder,
        RecallRefusal,
        ReturnOrder,
        DeficiencyReport,
        InvoiceOrder,
        InvoiceCancellation,
        Notice,
        SealOrder,
        ProtocolDelivery,
        ReceiptRefusal,
    )
}
