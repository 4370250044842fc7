"""A valid sample of every message, between invented banks and people: for documentation, partners and tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from contracts.fields import make_iban
from contracts.iso20022.camt import Receipt
from contracts.iso20022.camt_cases import CopyRequest, OrderCopy, ReturnRefusal, ReturnRequest
from contracts.iso20022.camt_day import DayQuery, DayReport
from contracts.iso20022.camt_limits import LimitChange, LimitQuery, LimitReport
from contracts.iso20022.camt_reports import Direction, Statement, StatementEntry, StatementRequest, TextMessage
from contracts.iso20022.codes import Reason, ReceiptCode, StatusKind, TransactionState
from contracts.iso20022.names import MessageName
from contracts.iso20022.pacs import CreditTransfer, OrderEnquiry, OrderStatus, PaymentReturn
from contracts.iso20022.pain import PaymentRequest, RequestEnquiry, RequestStatus
from contracts.iso20022.parties import Holder

SYSTEM_BIC = "NABZAZ2CIPS"
OPERATOR_BIC = "EHRNAZ22"
BANK_BIC = "XZRNAZ22"
MOMENT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
TODAY = date(2026, 11, 22)
CLEARING_ACCOUNT = make_iban("NABZ", "5001")

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
    original_message_name=MessageName.ORDER,
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
    original_message_name=MessageName.ORDER,
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
    original_message_name=MessageName.REQUEST,
    code=ReceiptCode.RJCT,
    reasons=(Reason(code="AM02", text="AOS-C9: məbləğ maksimumdan artıqdır"),),
)

RETURN = PaymentReturn(
    message_id=message_id(8),
    created_at=MOMENT,
    instructing_bic=BANK_BIC,
    instructed_bic=OPERATOR_BIC,
    return_id="rtr-lot-7-refund-b2",
    original_message_id=TRANSFER.message_id,
    original_end_to_end_id=TRANSFER.end_to_end_id,
    original_transaction_id=TRANSFER.transaction_id,
    amount_minor=TRANSFER.amount_minor,
    settlement_date=TODAY,
    debtor=DESIGNATED,
    creditor=BIDDER,
    reasons=(Reason(code="FOCR", text="Geri qaytarma sorğusu əsasında"),),
    purpose=TRANSFER.purpose,
    case_number=TRANSFER.case_number,
)
RETURN_REQUEST = ReturnRequest(
    message_id=message_id(9),
    created_at=MOMENT,
    from_bic=OPERATOR_BIC,
    to_bic=BANK_BIC,
    original_message_id=TRANSFER.message_id,
    original_end_to_end_id=TRANSFER.end_to_end_id,
    original_transaction_id=TRANSFER.transaction_id,
    amount_minor=TRANSFER.amount_minor,
    settlement_date=TODAY,
    reasons=(Reason(code="DUPL", text="Beh iki dəfə qaytarılıb"),),
)
RETURN_REFUSAL = ReturnRefusal(
    message_id=message_id(10),
    created_at=MOMENT,
    from_bic=BANK_BIC,
    to_bic=OPERATOR_BIC,
    request_message_id=RETURN_REQUEST.message_id,
    requester_bic=OPERATOR_BIC,
    reasons=(Reason(code="CUST", text="Müştəri razı deyil"),),
    original_message_id=TRANSFER.message_id,
    original_end_to_end_id=TRANSFER.end_to_end_id,
    original_transaction_id=TRANSFER.transaction_id,
)
COPY_REQUEST = CopyRequest(
    message_id=message_id(11),
    created_at=MOMENT,
    from_bic=OPERATOR_BIC,
    to_bic=SYSTEM_BIC,
    original_message_id=TRANSFER.message_id,
)
ORDER_COPY = OrderCopy(
    message_id=message_id(12),
    created_at=MOMENT,
    from_bic=SYSTEM_BIC,
    to_bic=OPERATOR_BIC,
    original_message_id=TRANSFER.message_id,
    order=TRANSFER,
)
LIMIT_QUERY = LimitQuery(message_id=message_id(13), created_at=MOMENT, owner_bic=OPERATOR_BIC, account=CLEARING_ACCOUNT)
LIMIT_REPORT = LimitReport(
    message_id=message_id(14),
    created_at=MOMENT,
    owner_bic=OPERATOR_BIC,
    account=CLEARING_ACCOUNT,
    limit_minor=5_000_000,
    balance_minor=-1_250_000,
    available_minor=3_750_000,
    original_message_id=LIMIT_QUERY.message_id,
    original_message_name=MessageName.LIMIT_QUERY,
)
LIMIT_CHANGE = LimitChange(
    message_id=message_id(15),
    created_at=MOMENT,
    owner_bic=OPERATOR_BIC,
    account=CLEARING_ACCOUNT,
    limit_minor=7_500_000,
)
DAY_QUERY = DayQuery(message_id=message_id(16), created_at=MOMENT)
DAY_REPORT = DayReport(
    message_id=message_id(17),
    created_at=MOMENT,
    original_message_id=DAY_QUERY.message_id,
    day=TODAY,
    begins_at=datetime(2026, 11, 21, 20, tzinfo=UTC),
    ends_at=datetime(2026, 11, 22, 20, tzinfo=UTC),
)
STATEMENT_REQUEST = StatementRequest(
    message_id=message_id(18), created_at=MOMENT, owner_bic=OPERATOR_BIC, account=CLEARING_ACCOUNT, day=TODAY
)
STATEMENT = Statement(
    message_id=message_id(19),
    created_at=MOMENT,
    owner_bic=OPERATOR_BIC,
    account=CLEARING_ACCOUNT,
    day=TODAY,
    opening_minor=1_000_000,
    closing_minor=950_000,
    entries=(
        StatementEntry(
            message_id=TRANSFER.message_id,
            message_name=MessageName.ORDER,
            direction=Direction.DEBIT,
            amount_minor=TRANSFER.amount_minor,
            counterparty_bic=BANK_BIC,
            booked_at=MOMENT,
            end_to_end_id=TRANSFER.end_to_end_id,
        ),
    ),
    original_message_id=STATEMENT_REQUEST.message_id,
)
TEXT = TextMessage(
    message_id=message_id(20),
    created_at=MOMENT,
    from_bic=OPERATOR_BIC,
    to_bic=BANK_BIC,
    text="Lot 7 üzrə behin qaytarılması barədə məlumat verin.",
)

SAMPLES: Mapping[str, Any] = {
    MessageName.ORDER: TRANSFER,
    MessageName.ORDER_STATUS: STATUS,
    MessageName.RETURN: RETURN,
    MessageName.ORDER_ENQUIRY: ENQUIRY,
    MessageName.REQUEST: REQUEST,
    MessageName.REQUEST_STATUS: REQUEST_STATUS,
    MessageName.REQUEST_ENQUIRY: REQUEST_ENQUIRY,
    MessageName.LIMIT_QUERY: LIMIT_QUERY,
    MessageName.LIMIT_REPORT: LIMIT_REPORT,
    MessageName.LIMIT_CHANGE: LIMIT_CHANGE,
    MessageName.DAY_QUERY: DAY_QUERY,
    MessageName.DAY_REPORT: DAY_REPORT,
    MessageName.RECEIPT: RECEIPT,
    MessageName.RETURN_REFUSAL: RETURN_REFUSAL,
    MessageName.COPY_REQUEST: COPY_REQUEST,
    MessageName.ORDER_COPY: ORDER_COPY,
    MessageName.RETURN_REQUEST: RETURN_REQUEST,
    MessageName.STATEMENT_REQUEST: STATEMENT_REQUEST,
    MessageName.PROPRIETARY: STATEMENT,
}
