"""Messages between agents and AÖS: order (pacs.008), return (pacs.004), their status (pacs.002), enquiry (pacs.028).

One order or return per message. Amounts are integer qəpik; instants are UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from contracts.iso20022.codes import Reason, StatusKind, TransactionState
from contracts.iso20022.layout import Fixed, Layout, Leaf
from contracts.iso20022.names import MessageName
from contracts.iso20022.parties import Holder, Reasons, Status, account, agent, party, remittance
from contracts.iso20022.scalars import AZN, DAY, INSTANT, Scalar

STATE = Scalar(str, lambda text, path: TransactionState(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditTransfer:
    """pacs.008: the debtor agent's order (AOS-M1)."""

    message_id: str
    created_at: datetime
    instructing_bic: str
    instructed_bic: str
    end_to_end_id: str
    transaction_id: str
    amount_minor: int
    settlement_date: date
    debtor: Holder
    creditor: Holder
    purpose: str = ""
    case_number: str | None = None
    debtor_agent_account: str | None = None  # correspondent account (AOS-C7, AOS-C8)
    creditor_agent_account: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentReturn:
    """pacs.004: the creditor agent's order to return an executed payment (AOS-M3, AOS-T1).

    `debtor` and `creditor` are those of the original payment: the money goes from the creditor back to the debtor.
    """

    message_id: str
    created_at: datetime
    instructing_bic: str
    instructed_bic: str
    return_id: str
    original_message_id: str
    original_end_to_end_id: str
    original_transaction_id: str
    amount_minor: int
    settlement_date: date  # of the return
    debtor: Holder
    creditor: Holder
    reasons: tuple[Reason, ...]
    purpose: str = ""
    case_number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStatus:
    """pacs.002: AUTH or NAUT by the agent asked, STAT or RJCT by AÖS (AOS-P3 to AOS-P5).

    The end-to-end and transaction ids are missing only where AÖS could not read them in what it refuses (AOS-R1).
    """

    message_id: str
    created_at: datetime
    instructing_bic: str
    instructed_bic: str
    original_message_id: str
    original_message_name: str
    kind: StatusKind
    state: TransactionState
    original_end_to_end_id: str | None = None
    original_transaction_id: str | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEnquiry:
    """pacs.028: what became of an order (AOS-I1)."""

    message_id: str
    created_at: datetime
    instructing_bic: str
    instructed_bic: str
    original_message_id: str
    original_message_name: str
    original_end_to_end_id: str
    original_transaction_id: str


_T = "CdtTrfTxInf"
CREDIT_TRANSFER = Layout(
    CreditTransfer,
    "FIToFICstmrCdtTrf",
    rows=(
        Leaf("GrpHdr/MsgId", "message_id"),
        Leaf("GrpHdr/CreDtTm", "created_at", INSTANT),
        Fixed("GrpHdr/NbOfTxs", "1"),
        Fixed("GrpHdr/SttlmInf/SttlmMtd", "CLRG"),
        agent("GrpHdr/InstgAgt", "instructing_bic"),
        agent("GrpHdr/InstdAgt", "instructed_bic"),
        Leaf(f"{_T}/PmtId/EndToEndId", "end_to_end_id"),
        Leaf(f"{_T}/PmtId/TxId", "transaction_id"),
        Leaf(f"{_T}/IntrBkSttlmAmt", "amount_minor", AZN),
        Leaf(f"{_T}/IntrBkSttlmDt", "settlement_date", DAY),
        Fixed(f"{_T}/ChrgBr", "SLEV"),
        *party(f"{_T}/Dbtr", "debtor"),
        account(f"{_T}/DbtrAcct", "debtor.iban"),
        agent(f"{_T}/DbtrAgt", "debtor.bic"),
        account(f"{_T}/DbtrAgtAcct", "debtor_agent_account"),
        agent(f"{_T}/CdtrAgt", "creditor.bic"),
        account(f"{_T}/CdtrAgtAcct", "creditor_agent_account"),
        *party(f"{_T}/Cdtr", "creditor"),
        account(f"{_T}/CdtrAcct", "creditor.iban"),
        *remittance(f"{_T}/RmtInf"),
    ),
    parts={"debtor": Holder, "creditor": Holder},
)

_R = "TxInf/OrgnlTxRef"
PAYMENT_RETURN = Layout(
    PaymentReturn,
    "PmtRtr",
    rows=(
        Leaf("GrpHdr/MsgId", "message_id"),
        Leaf("GrpHdr/CreDtTm", "created_at", INSTANT),
        Fixed("GrpHdr/NbOfTxs", "1"),
        Fixed("GrpHdr/SttlmInf/SttlmMtd", "CLRG"),
        agent("GrpHdr/InstgAgt", "instructing_bic"),
        agent("GrpHdr/InstdAgt", "instructed_bic"),
        Leaf("TxInf/RtrId", "return_id"),
        Leaf("TxInf/OrgnlGrpInf/OrgnlMsgId", "original_message_id"),
        Fixed("TxInf/OrgnlGrpInf/OrgnlMsgNmId", MessageName.ORDER),
        Leaf("TxInf/OrgnlEndToEndId", "original_end_to_end_id"),
        Leaf("TxInf/OrgnlTxId", "original_transaction_id"),
        Leaf("TxInf/RtrdIntrBkSttlmAmt", "amount_minor", AZN),
        Leaf("TxInf/IntrBkSttlmDt", "settlement_date", DAY),
        Reasons("TxInf", "RtrRsnInf"),
        *remittance(f"{_R}/RmtInf"),
        *party(f"{_R}/Dbtr/Pty", "debtor"),
        account(f"{_R}/DbtrAcct", "debtor.iban"),
        agent(f"{_R}/DbtrAgt", "debtor.bic"),
        agent(f"{_R}/CdtrAgt", "creditor.bic"),
        *party(f"{_R}/Cdtr/Pty", "creditor"),
        account(f"{_R}/CdtrAcct", "creditor.iban"),
    ),
    parts={"debtor": Holder, "creditor": Holder},
)

_HEADER = (
    Leaf("GrpHdr/MsgId", "message_id"),
    Leaf("GrpHdr/CreDtTm", "created_at", INSTANT),
    agent("GrpHdr/InstgAgt", "instructing_bic"),
    agent("GrpHdr/InstdAgt", "instructed_bic"),
)
ORDER_STATUS = Layout(
    OrderStatus,
    "FIToFIPmtStsRpt",
    rows=(
        *_HEADER,
        Leaf("TxInfAndSts/OrgnlGrpInf/OrgnlMsgId", "original_message_id"),
        Leaf("TxInfAndSts/OrgnlGrpInf/OrgnlMsgNmId", "original_message_name"),
        Leaf("TxInfAndSts/OrgnlEndToEndId", "original_end_to_end_id"),
        Leaf("TxInfAndSts/OrgnlTxId", "original_transaction_id"),
        Leaf("TxInfAndSts/TxSts", "state", STATE),
        Status("TxInfAndSts"),
    ),
)
ORDER_ENQUIRY = Layout(
    OrderEnquiry,
    "FIToFIPmtStsReq",
    rows=(
        *_HEADER,
        Leaf("TxInf/OrgnlGrpInf/OrgnlMsgId", "original_message_id"),
        Leaf("TxInf/OrgnlGrpInf/OrgnlMsgNmId", "original_message_name"),
        Leaf("TxInf/OrgnlEndToEndId", "original_end_to_end_id"),
        Leaf("TxInf/OrgnlTxId", "original_transaction_id"),
    ),
)
