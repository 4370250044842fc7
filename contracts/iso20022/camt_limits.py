"""Limits and balances of the rail's accounts: asked (camt.009), told (camt.010), changed (camt.011).

Accounts are named by IBAN where they have one, otherwise by the system's own name. Amounts are integer qəpik.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from contracts.iso20022.layout import Fixed, Layout, Leaf
from contracts.iso20022.parties import AnyAccount, Balance, agent
from contracts.iso20022.scalars import AZN, AZN_OR_ZERO, INSTANT

_KIND = "NELI"  # net limit: what the net debit position may reach


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitQuery:
    """camt.009: how does this account stand (AOS-L6, AOS-I5)?"""

    message_id: str
    created_at: datetime
    owner_bic: str
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitReport:
    """camt.010: how an account stands; asked (AOS-I5), or told of a change (AOS-L2, AOS-L3) or a low limit (AOS-L5).

    `balance_minor` below zero is the net debit position; `available_minor` is what may still be spent, blocks deducted.
    """

    message_id: str
    created_at: datetime
    owner_bic: str
    account: str
    limit_minor: int
    balance_minor: int
    available_minor: int
    original_message_id: str | None = None
    original_message_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChange:
    """camt.011: set the debit limit of a settlement account (AOS-L2) or of a clearing account (AOS-L3) to an amount."""

    message_id: str
    created_at: datetime
    owner_bic: str
    account: str
    limit_minor: int


_HEADER = (Leaf("MsgHdr/MsgId", "message_id"), Leaf("MsgHdr/CreDtTm", "created_at", INSTANT))
_Q = "LmtQryDef/LmtCrit/NewCrit/SchCrit"
LIMIT_QUERY = Layout(
    LimitQuery,
    "GetLmt",
    rows=(
        *_HEADER,
        Fixed("LmtQryDef/QryTp", "ALLL"),
        Fixed(f"{_Q}/CurLmtTp/Cd", _KIND),
        agent(f"{_Q}/AcctOwnr", "owner_bic"),
        AnyAccount(f"{_Q}/AcctId", "account"),
    ),
)
_R = "RptOrErr/BizRpt/CurLmt"
LIMIT_REPORT = Layout(
    LimitReport,
    "RtrLmt",
    rows=(
        *_HEADER,
        Leaf("MsgHdr/OrgnlBizQry/MsgId", "original_message_id"),
        Leaf("MsgHdr/OrgnlBizQry/MsgNmId", "original_message_name"),
        Fixed(f"{_R}/LmtId/Tp/Cd", _KIND),
        agent(f"{_R}/LmtId/AcctOwnr", "owner_bic"),
        AnyAccount(f"{_R}/LmtId/AcctId", "account"),
        Leaf(f"{_R}/LmtOrErr/Lmt/Amt/AmtWthCcy", "limit_minor", AZN_OR_ZERO),
        Fixed(f"{_R}/LmtOrErr/Lmt/CdtDbtInd", "DBIT"),
        Fixed(f"{_R}/LmtOrErr/Lmt/Sts", "ENAB"),
        Balance(f"{_R}/LmtOrErr/Lmt", "balance_minor", amount="UsdAmt/AmtWthCcy", sign="UsdAmtCdtDbtInd"),
        Leaf(f"{_R}/LmtOrErr/Lmt/RmngAmt/AmtWthCcy", "available_minor", AZN_OR_ZERO),
    ),
)
LIMIT_CHANGE = Layout(
    LimitChange,
    "ModfyLmt",
    rows=(
        *_HEADER,
        Fixed("LmtDtls/LmtId/Cur/Tp/Cd", _KIND),
        agent("LmtDtls/LmtId/Cur/AcctOwnr", "owner_bic"),
        AnyAccount("LmtDtls/LmtId/Cur/AcctId", "account"),
        Leaf("LmtDtls/NewLmtValSet/Amt/AmtWthCcy", "limit_minor", AZN),
        Fixed("LmtDtls/NewLmtValSet/CdtDbtInd", "DBIT"),
    ),
)
