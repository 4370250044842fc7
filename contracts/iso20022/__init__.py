"""ISO 20022 as AÖS speaks it: typed messages, their layouts, our profile schemas, the registry, the signed wrapper."""

from contracts.iso20022.camt import Receipt
from contracts.iso20022.camt_cases import CopyRequest, OrderCopy, ReturnRefusal, ReturnRequest
from contracts.iso20022.camt_day import DayQuery, DayReport
from contracts.iso20022.camt_limits import LimitChange, LimitQuery, LimitReport
from contracts.iso20022.camt_reports import Direction, Statement, StatementEntry, StatementRequest, TextMessage
from contracts.iso20022.codes import Reason, ReasonCode, ReceiptCode, StatusKind, TransactionState
from contracts.iso20022.head import BusinessHeader
from contracts.iso20022.names import MessageName
from contracts.iso20022.pacs import CreditTransfer, OrderEnquiry, OrderStatus, PaymentReturn
from contracts.iso20022.pain import PaymentRequest, RequestEnquiry, RequestStatus
from contracts.iso20022.parties import Holder
from contracts.iso20022.wrappers import Envelope

__all__ = [
    "BusinessHeader",
    "CopyRequest",
    "CreditTransfer",
    "DayQuery",
    "DayReport",
    "Direction",
    "Envelope",
    "Holder",
    "LimitChange",
    "LimitQuery",
    "LimitReport",
    "MessageName",
    "OrderCopy",
    "OrderEnquiry",
    "OrderStatus",
    "PaymentRequest",
    "PaymentReturn",
    "Reason",
    "ReasonCode",
    "Receipt",
    "ReceiptCode",
    "RequestEnquiry",
    "RequestStatus",
    "ReturnRefusal",
    "ReturnRequest",
    "Statement",
    "StatementEntry",
    "StatementRequest",
    "StatusKind",
    "TextMessage",
    "TransactionState",
]
