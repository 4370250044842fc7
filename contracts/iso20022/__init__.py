"""ISO 20022 as AÖS speaks it: typed messages, their layouts, our profile schemas, the registry, the signed wrapper."""

from contracts.iso20022.camt import Receipt
from contracts.iso20022.codes import Reason, ReasonCode, ReceiptCode, StatusKind, TransactionState
from contracts.iso20022.head import BusinessHeader
from contracts.iso20022.pacs import CreditTransfer, OrderEnquiry, OrderStatus
from contracts.iso20022.pain import PaymentRequest, RequestEnquiry, RequestStatus
from contracts.iso20022.parties import Holder

__all__ = [
    "BusinessHeader",
    "CreditTransfer",
    "Holder",
    "OrderEnquiry",
    "OrderStatus",
    "PaymentRequest",
    "Reason",
    "ReasonCode",
    "Receipt",
    "ReceiptCode",
    "RequestEnquiry",
    "RequestStatus",
    "StatusKind",
    "TransactionState",
]
