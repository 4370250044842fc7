"""The operating day: asked (camt.018), told (camt.019) (AOS-I6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from contracts.iso20022.layout import Fixed, Layout, Leaf
from contracts.iso20022.names import MessageName
from contracts.iso20022.scalars import DAY, INSTANT


@dataclass(frozen=True, slots=True, kw_only=True)
class DayQuery:
    """camt.018: which operating day is it?"""

    message_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReport:
    """camt.019: the current operating day and when it begins and ends; the system is active at any hour (AOS-G1)."""

    message_id: str
    created_at: datetime
    original_message_id: str
    day: date
    begins_at: datetime
    ends_at: datetime


DAY_QUERY = Layout(
    DayQuery,
    "GetBizDayInf",
    rows=(Leaf("MsgHdr/MsgId", "message_id"), Leaf("MsgHdr/CreDtTm", "created_at", INSTANT)),
)
_R = "RptOrErr/BizRpt"
_D = f"{_R}/BizDayOrErr/BizDayInf"
DAY_REPORT = Layout(
    DayReport,
    "RtrBizDayInf",
    rows=(
        Leaf("MsgHdr/MsgId", "message_id"),
        Leaf("MsgHdr/CreDtTm", "created_at", INSTANT),
        Leaf("MsgHdr/OrgnlBizQry/MsgId", "original_message_id"),
        Fixed("MsgHdr/OrgnlBizQry/MsgNmId", MessageName.DAY_QUERY),
        Fixed(f"{_R}/SysId/MktInfrstrctrId/Prtry", "AOS"),
        Leaf(f"{_D}/SysDt/Dt", "day", DAY),
        Fixed(f"{_D}/SysSts/Sts/Cd", "ACTV"),
        Leaf(f"{_D}/SysSts/VldtyTm/DtTmRg/FrDtTm", "begins_at", INSTANT),
        Leaf(f"{_D}/SysSts/VldtyTm/DtTmRg/ToDtTm", "ends_at", INSTANT),
        Fixed(f"{_D}/SysInfPerCcy/SysCcy", "AZN"),
    ),
)
