"""Code words of the rail: what a status means to AÖS, its ISO state, and AÖS reason codes with the rule they serve.

On the wire `TxSts` always carries a word of ISO's external code set, and AÖS's own AUTH, NAUT or STAT travels as the
first `StsRsnInf/Rsn/Prtry` (facts.md: told). RJCT and ACSP are ISO words themselves and need no second one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class StatusKind(StrEnum):
    """AÖS's word for a status (AOS-P3 to AOS-P7)."""

    AUTH = "AUTH"  # the agent asked confirms
    NAUT = "NAUT"  # the agent asked declines
    STAT = "STAT"  # AÖS reports: final after AUTH, or whatever holds when asked (AOS-I1, AOS-I2)
    RJCT = "RJCT"  # AÖS refuses
    ACSP = "ACSP"  # the debtor agent consents to a payment request; not money


class TransactionState(StrEnum):
    """ISO's word (ExternalPaymentTransactionStatus1Code)."""

    ACCP = "ACCP"  # accepted by the creditor agent, goes with AUTH
    ACSP = "ACSP"  # in process
    ACSC = "ACSC"  # settled
    PDNG = "PDNG"  # known, not decided
    RJCT = "RJCT"  # rejected


SPOKEN_KINDS = frozenset({StatusKind.AUTH, StatusKind.NAUT, StatusKind.STAT})  # those that travel as a reason
STATE_OF_KIND = {
    StatusKind.AUTH: TransactionState.ACCP,
    StatusKind.NAUT: TransactionState.RJCT,
    StatusKind.STAT: TransactionState.ACSC,
    StatusKind.RJCT: TransactionState.RJCT,
    StatusKind.ACSP: TransactionState.ACSP,
}


class ReceiptCode(StrEnum):
    """What a camt.025 says."""

    RJCT = "RJCT"  # a payment request is refused (AOS-R2)
    ERRC = "ERRC"  # a deviation in an auxiliary message (AOS-R5)


class ReasonCode(StrEnum):
    """Why AÖS or an agent refuses. The last three are known from real samples (facts.md), the others are ISO's."""

    FF01 = "FF01"  # not of the AÖS format, or a mandatory field is missing (AOS-C1, AOS-C4)
    DT01 = "DT01"  # value date is not the operating day (AOS-C2)
    AM05 = "AM05"  # document number repeated (AOS-C3)
    RC01 = "RC01"  # BIC (AOS-C5)
    AC01 = "AC01"  # account does not exist, or clearing account not open (AOS-C6)
    AC02 = "AC02"  # correspondent account unknown (AOS-C7)
    AC03 = "AC03"  # correspondent account of another BIC (AOS-C8)
    AC04 = "AC04"  # account closed
    AM02 = "AM02"  # above the maximum of one order (AOS-C9)
    AM09 = "AM09"  # not the amount asked for
    NOOR = "NOOR"  # no such order
    ARDT = "ARDT"  # returned already
    AM03 = "AM03"  # a limit not above the net debit position (AOS-L2, AOS-L3)
    DS02 = "DS02"  # signed by another than the header says (AOS-S1)
    AM04 = "AM04"  # too little money
    EA178 = "EA178"  # request rejected by authoriser
    EL202 = "EL202"  # rejected by time-out: the creditor's bank was silent
    EP252 = "EP252"  # query rejected by time-out: the debtor's bank was silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason of a status: its code and, where given, words for a person (at most 420 characters)."""

    code: str
    text: str = ""
