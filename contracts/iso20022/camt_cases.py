"""Cases about an executed order: asking for it back (camt.056), the refusal (camt.029), copies (camt.033, camt.034).

All four carry their own id in `Assgnmt`, and name in `Case` what they are about: camt.056 itself, camt.029 the request
it refuses, camt.033 and camt.034 the executed order by its message id. Whoever passes a camt.056 on may assign it anew,
under an id of its own; the case stays the bank's that opened it, and is what camt.029 answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from lxml import etree

from contracts.iso20022.codes import Reason
from contracts.iso20022.layout import Again, Element, Fixed, Layout, Leaf, Row, default_namespace, qualified
from contracts.iso20022.names import URN, MessageName, namespace
from contracts.iso20022.pacs import CREDIT_TRANSFER, PAYMENT_RETURN, CreditTransfer, PaymentReturn
from contracts.iso20022.parties import Reasons, agent
from contracts.iso20022.scalars import AZN, DAY, INSTANT


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnRequest:
    """camt.056: please return this executed payment (AOS-M4, AOS-T6), says the debtor agent to the creditor agent."""

    message_id: str
    created_at: datetime
    from_bic: str
    to_bic: str
    original_message_id: str
    original_end_to_end_id: str
    original_transaction_id: str
    amount_minor: int  # of the original payment
    settlement_date: date  # of the original payment
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnRefusal:
    """camt.029: the request is not granted, by the creditor agent (AOS-T6) or by AÖS itself (AOS-R4).

    The original payment is not named only where AÖS could not read it in the request it refuses.
    """

    message_id: str
    created_at: datetime
    from_bic: str
    to_bic: str
    request_message_id: str
    requester_bic: str
    reasons: tuple[Reason, ...]
    original_message_id: str | None = None
    original_end_to_end_id: str | None = None
    original_transaction_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRequest:
    """camt.033: send a copy of an executed order (AOS-I3)."""

    message_id: str
    created_at: datetime
    from_bic: str
    to_bic: str
    original_message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCopy:
    """camt.034: the copy of an executed order or return (AOS-I3)."""

    message_id: str
    created_at: datetime
    from_bic: str
    to_bic: str
    original_message_id: str
    order: CreditTransfer | PaymentReturn


class _Enclosed:
    """`Dplct`: the name of the copied message and its whole `Document`, in its own namespace."""

    steps = ("Dplct",)
    layouts: Mapping[MessageName, Layout[Any]] = {
        MessageName.ORDER: CREDIT_TRANSFER,
        MessageName.RETURN: PAYMENT_RETURN,
    }

    def value(self, message: OrderCopy) -> Any:
        return message.order

    def put(self, parent: Element, namespace_: str, value: Any) -> None:
        name = MessageName.ORDER if isinstance(value, CreditTransfer) else MessageName.RETURN
        layout, inner = self.layouts[name], namespace(name)
        etree.SubElement(parent, namespace_ + "Tp").text = name
        data = etree.SubElement(etree.SubElement(parent, namespace_ + "Data"), namespace_ + "Any")
        document = etree.SubElement(data, inner + "Document", nsmap=default_namespace(URN + name))
        layout.write(etree.SubElement(document, inner + layout.element), value, inner)

    def take(self, root: Element, namespace_: str) -> Mapping[str, Any]:
        document = root.find(qualified(namespace_, ("Dplct", "Data", "Any")))[0]
        name = MessageName(etree.QName(document).namespace.removeprefix(URN))
        return {"order": self.layouts[name].read(document[0], namespace(name))}


def _assignment() -> tuple[Row, ...]:
    return (
        Leaf("Assgnmt/Id", "message_id"),
        agent("Assgnmt/Assgnr/Agt", "from_bic"),
        agent("Assgnmt/Assgne/Agt", "to_bic"),
        Leaf("Assgnmt/CreDtTm", "created_at", INSTANT),
    )


_T = "Undrlyg/TxInf"
RETURN_REQUEST = Layout(
    ReturnRequest,
    "FIToFIPmtCxlReq",
    rows=(
        Again(Leaf("Assgnmt/Id", "message_id")),
        Again(agent("Assgnmt/Assgnr/Agt", "from_bic")),
        *_assignment()[2:],
        Leaf("Case/Id", "message_id"),
        agent("Case/Cretr/Agt", "from_bic"),
        Again(Leaf(f"{_T}/CxlId", "message_id")),
        Leaf(f"{_T}/OrgnlGrpInf/OrgnlMsgId", "original_message_id"),
        Fixed(f"{_T}/OrgnlGrpInf/OrgnlMsgNmId", MessageName.ORDER),
        Leaf(f"{_T}/OrgnlEndToEndId", "original_end_to_end_id"),
        Leaf(f"{_T}/OrgnlTxId", "original_transaction_id"),
        Leaf(f"{_T}/OrgnlIntrBkSttlmAmt", "amount_minor", AZN),
        Leaf(f"{_T}/OrgnlIntrBkSttlmDt", "settlement_date", DAY),
        Reasons(_T, "CxlRsnInf"),
    ),
)

_D = "CxlDtls/TxInfAndSts"
RETURN_REFUSAL = Layout(
    ReturnRefusal,
    "RsltnOfInvstgtn",
    rows=(
        *_assignment(),
        Leaf("RslvdCase/Id", "request_message_id"),
        agent("RslvdCase/Cretr/Agt", "requester_bic"),
        Fixed("Sts/Conf", "RJCR"),
        Leaf(f"{_D}/OrgnlGrpInf/OrgnlMsgId", "original_message_id"),
        Fixed(f"{_D}/OrgnlGrpInf/OrgnlMsgNmId", MessageName.ORDER, where="original_message_id"),
        Leaf(f"{_D}/OrgnlEndToEndId", "original_end_to_end_id"),
        Leaf(f"{_D}/OrgnlTxId", "original_transaction_id"),
        Fixed(f"{_D}/TxCxlSts", "RJCR"),
        Reasons(_D, "CxlStsRsnInf"),
    ),
)
COPY_REQUEST = Layout(
    CopyRequest,
    "ReqForDplct",
    rows=(*_assignment(), Leaf("Case/Id", "original_message_id"), agent("Case/Cretr/Agt", "from_bic")),
)
ORDER_COPY = Layout(
    OrderCopy,
    "Dplct",
    rows=(
        *_assignment(),
        Leaf("Case/Id", "original_message_id"),
        agent("Case/Cretr/Agt", "to_bic"),
        _Enclosed(),
    ),
)
