"""MT103: a customer's transfer over AZIPS. Final when AZIPS has booked it.

Our end-to-end id and the registration number of the enforcement case (EHR-12) stand in field 70, before the words:

    :70:/ROC/L7.purchase/ICRA/5-1/2026/TXT
    ///Lot 7
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.mt.fin import Frame
from contracts.mt.scalars import read_institution, read_reference, read_value, write_value

_LINE, _LINES_MAX, _GOES_ON = 35, 4, "//"
_REMITTANCE = re.compile(r"/ROC/([A-Za-z0-9.\-]{1,35})(?:/ICRA/(.{1,35}?))?(?:/TXT/(.*))?")
_PARTY = re.compile(r"/([A-Z0-9]{28})\r\n([^\r\n]{1,35})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Debtor or creditor: IBAN, name of at most 35 characters of the charset x, BIC of the agent."""

    iban: str
    name: str
    bic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerTransfer:
    """`amount_minor` in qəpik goes from the debtor's agent to the creditor's."""

    from_bic: str
    to_bic: str
    reference: str  # at most 16 characters
    value_date: date
    amount_minor: int
    debtor: Side
    creditor: Side
    end_to_end_id: str
    case_number: str | None = None
    text: str = ""


def to_frame(transfer: CustomerTransfer) -> Frame:
    """Fields in SWIFT's order."""
    debtor, creditor = transfer.debtor, transfer.creditor
    return Frame(
        kind="103",
        from_bic=transfer.from_bic,
        to_bic=transfer.to_bic,
        fields=(
            ("20", read_reference(transfer.reference, "20")),
            ("23B", "CRED"),
            ("32A", write_value(transfer.value_date, transfer.amount_minor)),
            ("50K", _party(debtor)),
            ("52A", debtor.bic),
            ("57A", creditor.bic),
            ("59", _party(creditor)),
            ("70", _remittance(transfer)),
            ("71A", "OUR"),
        ),
    )


def from_frame(frame: Frame) -> CustomerTransfer:
    """The transfer of an MT103.

    Raises:
        RefusedError: SCHEMA_INVALID, AMOUNT_INVALID or TIME_INVALID with the field.
    """
    day, minor = read_value(frame.one("32A"), "32A")
    words = _REMITTANCE.fullmatch(_joined(frame.one("70")))
    if words is None:
        raise refuse(ErrorCode.SCHEMA_INVALID, path=":70:", fault="/ROC/ and the end-to-end id are wanted first")
    return CustomerTransfer(
        from_bic=frame.from_bic,
        to_bic=frame.to_bic,
        reference=read_reference(frame.one("20"), "20"),
        value_date=day,
        amount_minor=minor,
        debtor=_side(frame, "50K", "52A"),
        creditor=_side(frame, "59", "57A"),
        end_to_end_id=words[1],
        case_number=words[2],
        text=words[3] or "",
    )


def _party(side: Side) -> str:
    return f"/{side.iban}\r\n{side.name}"


def _side(frame: Frame, party: str, agent: str) -> Side:
    match = _PARTY.fullmatch(frame.one(party))
    if match is None:
        raise refuse(ErrorCode.SCHEMA_INVALID, path=f":{party}:", fault="an IBAN and a name are wanted")
    return Side(iban=match[1], name=match[2], bic=read_institution(frame.one(agent), agent)[1])


def _remittance(transfer: CustomerTransfer) -> str:
    """At most four lines of 35; those after the first begin with `//`. Words that do not fit are left out."""
    case = f"/ICRA/{transfer.case_number}" if transfer.case_number else ""
    whole = f"/ROC/{transfer.end_to_end_id}{case}"
    whole += f"/TXT/{transfer.text}" if transfer.text else ""
    first, rest, width = whole[:_LINE], whole[_LINE:], _LINE - len(_GOES_ON)
    lines = [rest[start : start + width] for start in range(0, len(rest), width)]
    return "\r\n".join([first, *(_GOES_ON + line for line in lines[: _LINES_MAX - 1])]).rstrip()


def _joined(text: str) -> str:
    first, *others = text.split("\r\n")
    return first + "".join(line.removeprefix(_GOES_ON) for line in others)
