"""The table of a payment and the names it goes by; the rows stand in the modules beside."""

from __future__ import annotations

from contracts.errors import ErrorCode
from gateway.domain.events.payment import ORDER_ALIAS
from gateway.domain.payment.data import Payment, PaymentState
from gateway.domain.table import StateTable

_S = PaymentState
NOT_ON_A_RAIL = (_S.ORDERED, _S.AWAITING_APPROVAL, _S.QUEUED, _S.HELD)
AWAITING_CREDIT = (_S.ROUTED, _S.SENT, _S.CONSENTED, _S.UNKNOWN, _S.UNRESOLVED)
OPEN = (_S.ROUTED, _S.SENT, _S.CONSENTED, _S.AUTHORISED, _S.UNKNOWN, _S.UNRESOLVED)
TABLE = StateTable(
    "payment",
    Payment,
    PaymentState,
    final=(_S.SETTLED, _S.REFUSED, _S.RETURNED),
    waiting_for_person=(_S.AWAITING_APPROVAL, _S.UNRESOLVED, _S.HELD),
    scheduled=(_S.QUEUED, _S.AWAITING_TRANSFER, _S.ROUTED, _S.SENT, _S.CONSENTED, _S.AUTHORISED, _S.UNKNOWN),
    unknown=ErrorCode.PAYMENT_UNKNOWN,
    quoted=lambda payment: (payment.msid, payment.reference),
)
MESSAGE_ALIAS = ORDER_ALIAS
AZIPS_ALIAS = "azips.reference"
RECALL_ALIAS = "aos.recall"


def azips_reference(message_id: str) -> str:
    """The 16 characters AZIPS allows: `P` and the digits of the message id."""
    return f"P{message_id[-15:]}"
