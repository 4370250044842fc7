"""Messages of the payment initiator: the request (pain.001), its status (pain.002), the enquiry (pain.998).

As seen on the real wire (facts.md): the initiating party is the system's own address, the forwarding agent ours,
method TRF, local instrument CPRQ, and a consent names the debtor agent's transfer as referred document MSID.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from contracts.iso20022.codes import Reason, StatusKind, TransactionState
from contracts.iso20022.layout import Fixed, Layout, Leaf, Referred
from contracts.iso20022.names import MessageName
from contracts.iso20022.pacs import STATE
from contracts.iso20022.parties import Holder, Status, account, agent, party, remittance
from contracts.iso20022.scalars import AZN, DAY, INSTANT


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRequest:
    """pain.001: an initiator asks the debtor's agent to pay (AOS-M2)."""

    message_id: str
    created_at: datetime
    initiating_bic: str  # address of the system
    forwarding_bic: str  # of the initiator
    payment_information_id: str
    instruction_id: str
    end_to_end_id: str
    amount_minor: int
    execution_date: date
    debtor: Holder
    creditor: Holder
    purpose: str = ""
    case_number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStatus:
    """pain.002: NAUT by the debtor agent, ACSP, STAT and RJCT by AÖS (AOS-P7). `msid` comes with ACSP and STAT."""

    message_id: str
    created_at: datetime
    initiating_bic: str
    forwarding_bic: str
    original_message_id: str
    original_payment_information_id: str
    original_instruction_id: str
    original_end_to_end_id: str
    kind: StatusKind
    state: TransactionState
    reasons: tuple[Reason, ...] = ()
    msid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEnquiry:
    """pain.998: what became of a request (AOS-I2)."""

    message_id: str
    created_at: datetime
    original_message_id: str
    original_instruction_id: str
    original_end_to_end_id: str


_T = "PmtInf/CdtTrfTxInf"
PAYMENT_REQUEST = Layout(
    PaymentRequest,
    "CstmrCdtTrfInitn",
    rows=(
        Leaf("GrpHdr/MsgId", "message_id"),
        Leaf("GrpHdr/CreDtTm", "created_at", INSTANT),
        Fixed("GrpHdr/NbOfTxs", "1"),
        Leaf("GrpHdr/InitgPty/Id/OrgId/AnyBIC", "initiating_bic"),
        agent("GrpHdr/FwdgAgt", "forwarding_bic"),
        Leaf("PmtInf/PmtInfId", "payment_information_id"),
        Fixed("PmtInf/PmtMtd", "TRF"),
        Fixed("PmtInf/PmtTpInf/LclInstrm/Prtry", "CPRQ"),
        Leaf("PmtInf/ReqdExctnDt/Dt", "execution_date", DAY),
        *party("PmtInf/Dbtr", "debtor"),
        account("PmtInf/DbtrAcct", "debtor.iban"),
        agent("PmtInf/DbtrAgt", "debtor.bic"),
        Leaf(f"{_T}/PmtId/InstrId", "instruction_id"),
        Leaf(f"{_T}/PmtId/EndToEndId", "end_to_end_id"),
        Leaf(f"{_T}/Amt/InstdAmt", "amount_minor", AZN),
        agent(f"{_T}/CdtrAgt", "creditor.bic"),
        *party(f"{_T}/Cdtr", "creditor"),
        account(f"{_T}/CdtrAcct", "creditor.iban"),
        *remittance(f"{_T}/RmtInf"),
    ),
    parts={"debtor": Holder, "creditor": Holder},
)

_S = "OrgnlPmtInfAndSts/TxInfAndSts"
REQUEST_STATUS = Layout(
    RequestStatus,
    "CstmrPmtStsRpt",
    rows=(
        Leaf("GrpHdr/MsgId", "message_id"),
        Leaf("GrpHdr/CreDtTm", "created_at", INSTANT),
        Leaf("GrpHdr/InitgPty/Id/OrgId/AnyBIC", "initiating_bic"),
        agent("GrpHdr/FwdgAgt", "forwarding_bic"),
        Leaf("OrgnlGrpInfAndSts/OrgnlMsgId", "original_message_id"),
        Fixed("OrgnlGrpInfAndSts/OrgnlMsgNmId", MessageName.REQUEST),
        Leaf("OrgnlGrpInfAndSts/GrpSts", "state", STATE),
        Leaf("OrgnlPmtInfAndSts/OrgnlPmtInfId", "original_payment_information_id"),
        Leaf(f"{_S}/OrgnlInstrId", "original_instruction_id"),
        Leaf(f"{_S}/OrgnlEndToEndId", "original_end_to_end_id"),
        Leaf(f"{_S}/TxSts", "state", STATE),
        Status(_S),
        Referred(f"{_S}/OrgnlTxRef/RmtInf/Strd", "MSID", "msid"),
    ),
)

_E = "PrtryData/Data/PmtStsReq"
REQUEST_ENQUIRY = Layout(
    RequestEnquiry,
    "CshMgmtPrtryMsg",
    rows=(
        Leaf("MsgHdr/MsgId", "message_id"),
        Leaf("MsgHdr/CreDtTm", "created_at", INSTANT),
        Fixed("PrtryData/Tp", "PAYMENTSTATUS"),
        Leaf(f"{_E}/OrgnlMsgId", "original_message_id"),
        Fixed(f"{_E}/OrgnlMsgNmId", MessageName.REQUEST),
        Leaf(f"{_E}/OrgnlInstrId", "original_instruction_id"),
        Leaf(f"{_E}/OrgnlEndToEndId", "original_end_to_end_id"),
    ),
)
