"""MT205: a direct participant orders AZIPS to set or raise the debit limit of its AÖS settlement account (AOS-L1).

Every order's amount is added to the limit; the correspondent account is not debited. Which fields the central bank
wants beyond SWIFT's mandatory ones is not published: the settlement account stands in 58A, the code word in 72.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.mt.fin import Frame
from contracts.mt.scalars import read_institution, read_reference, read_value, write_institution, write_value

CODE_WORD = "/AOSLIMIT/"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitOrder:
    """`account` is the participant's settlement account in AÖS; `amount_minor` in qəpik is added to its limit."""

    from_bic: str
    to_bic: str  # AZIPS
    reference: str  # at most 16 characters
    value_date: date
    amount_minor: int
    participant_bic: str
    account: str
    system_bic: str  # AÖS
    related_reference: str = "NONREF"


def to_frame(order: LimitOrder) -> Frame:
    """Fields in SWIFT's order."""
    return Frame(
        kind="205",
        from_bic=order.from_bic,
        to_bic=order.to_bic,
        fields=(
            ("20", read_reference(order.reference, "20")),
            ("21", read_reference(order.related_reference, "21")),
            ("32A", write_value(order.value_date, order.amount_minor)),
            ("52A", order.participant_bic),
            ("58A", write_institution(order.system_bic, order.account)),
            ("72", CODE_WORD),
        ),
    )


def from_frame(frame: Frame) -> LimitOrder:
    """The order of an MT205.

    Raises:
        RefusedError: SCHEMA_INVALID, AMOUNT_INVALID or TIME_INVALID with the field.
    """
    day, minor = read_value(frame.one("32A"), "32A")
    account, system = read_institution(frame.one("58A"), "58A")
    if account is None or frame.one("72") != CODE_WORD:
        raise refuse(ErrorCode.SCHEMA_INVALID, path=":58A:" if account is None else ":72:", fault="not a limit order")
    return LimitOrder(
        from_bic=frame.from_bic,
        to_bic=frame.to_bic,
        reference=read_reference(frame.one("20"), "20"),
        value_date=day,
        amount_minor=minor,
        participant_bic=read_institution(frame.one("52A"), "52A")[1],
        account=account,
        system_bic=system,
        related_reference=read_reference(frame.one("21"), "21"),
    )
