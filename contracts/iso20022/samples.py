"""A valid sample of every message, between invented banks and people: for documentation, partners and tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from contracts.fields import make_iban
from contracts.iso20022.camt import Receipt
from contracts.iso20022.codes import Reason, ReceiptCode, StatusKind, TransactionState
from contracts.iso20022.pacs import CreditTransfer, OrderEnquiry, OrderStatus
from contracts.iso20022.pain import PaymentRequest, RequestEnquiry, RequestStatus
from contracts.iso20022.parties import Holder

SYSTEM_BIC = "NABZAZ2CIPS"
OPERATOR_BIC = "EHRNAZ22"
BANK_BIC = "XZRNAZ22"
MOMENT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
TODAY = date(2026, 11, 22)

CLAIMANT = Holder(name="Xəzər Nümunə Bankı ASC", iban=make_iban("XZRN", "1001"), bic=BANK_BIC, tax_id="9999991041")
DESIGNATED = Holder(name="Hərrac Əməliyyat Mərkəzi (nümunə)", iban=make_iban("EHRN", "2001"), bic=OPERATOR_BIC)
BIDDER = Holder(name="Nümunəvi Şəxs Çingiz oğlu", iban=make_iban("XZRN", "3001"), bic=BANK_BIC, tax_id="5ABC12D")


def message_id(number: int) -> str:
    """33 characters: address, yyMMdd, 15 digits."""
    return f"{OPERATOR_BIC}A001{TODAY:%y%m%d}{number:015d}"


TRANSFER = CreditTransfer(
    message_id=message_id(1),
    created_at=MOMENT,
    instructing_bic=OPERATOR_BIC,
    instructed_bic=BANK_BIC,
    end_to_end_id="pay-lot-7-refund-b2",
    transaction_id="pay-lot-7-refund-b2",
    amount_minor=50_000,
    settlement_date=TODAY,
    debtor=DESIGNATED,
    creditor=BIDDER,
    purpose="Behin qaytarılması, lot 7",
    case_number="2026/114-7",
)
STATUS = OrderStatus(
    message_id=message_id(2),
    created_at=MOMENT,
    instructing_bic=SYSTEM_BIC,
    instructed_bic=OPERATOR_BIC,
    original_message_id=TRANSFER.message_id,
    original_message_name="pacs.008.001.08",
    kind=StatusKind.STAT,
    state=TransactionState.ACSC,
    original_end_to_end_id=TRANSFER.end_to_end_id,
    original_transaction_id=TRANSFER.transaction_id,
)
ENQUIRY = OrderEnquiry(
    message_id=message_id(3),
    created_at=MOMENT,
    instructing_bic=OPERATOR_BIC,
    instructed_bic=SYSTEM_BIC,
    original_message_id=TRANSFER.message_id,
    original_message_name="pacs.008.001.08",
    original_end_to_end_id=TRANSFER.end_to_end_id,
    original_transaction_id=TRANSFER.transaction_id,
)
REQUEST = PaymentRequest(
    message_id=message_id(4),
    created_at=MOMENT,
    initiating_bic=SYSTEM_BIC,
    forwarding_bic=OPERATOR_BIC,
    payment_information_id="pay-lot-8-purchase",
    instruction_id="pay-lot-8-purchase",
    end_to_end_id="pay-lot-8-purchase",
    amount_minor=1_875_000,
    execution_date=TODAY,
    debtor=CLAIMANT,
    creditor=DESIGNATED,
    purpose="Satılmamış əmlakın alınması, lot 8",
    case_number="2026/115-8",
)
REQUEST_STATUS = RequestStatus(
    message_id=message_id(5),
    created_at=MOMENT,
    initiating_bic=SYSTEM_BIC,
    forwarding_bic=OPERATOR_BIC,
    original_message_id=REQUEST.message_id,
    original_payment_information_id=REQUEST.payment_information_id,
    original_instruction_id=REQUEST.instruction_id,
    original_end_to_end_id=REQUEST.end_to_end_id,
    kind=StatusKind.ACSP,
    state=TransactionState.ACSP,
    msid=f"{BANK_BIC}A001261122000000000000042",
)
REQUEST_ENQUIRY = RequestEnquiry(
    message_id=message_id(6),
    created_at=MOMENT,
    original_message_id=REQUEST.message_id,
    original_instruction_id=REQUEST.instruction_id,
    original_end_to_end_id=REQUEST.end_to_end_id,
)
RECEIPT = Receipt(
    message_id=message_id(7),
    created_at=MOMENT,
    original_message_id=REQUEST.message_id,
    original_message_name="pain.001.001.09",
    code=ReceiptCode.RJCT,
    reasons=(Reason(code="AM02", text="AOS-C9: məbləğ maksimumdan artıqdır"),),
)

SAMPLES: Mapping[str, Any] = {
    "pacs.008.001.08": TRANSFER,
    "pacs.002.001.10": STATUS,
    "pacs.028.001.03": ENQUIRY,
    "pain.001.001.09": REQUEST,
    "pain.002.001.10": REQUEST_STATUS,
    "pain.998.001.01": REQUEST_ENQUIRY,
    "camt.025.001.05": RECEIPT,
}
