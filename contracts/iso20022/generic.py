"""Reports of banks that do not speak our profile: pain.002, camt.053 and camt.054 of any version, as ISO has them.

Our own rail stays strict (`registry`). Here only what every sound report says is read, by local names, and whatever
else lies in it is read past. Nothing of it is believed by the gateway: no rail of ours carries these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.iso20022.codes import Reason
from contracts.iso20022.layout import Element
from contracts.xml import parse_xml

_NAMESPACE = re.compile(r"\{urn:iso:std:iso:20022:tech:xsd:((?:pain\.002|camt\.05[34])\.001\.\d\d)\}Document")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionStatus:
    """One payment: its own status, or else its group's."""

    original_instruction_id: str | None
    original_end_to_end_id: str | None
    status: str | None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """pain.002: what became of a message. `reasons` are those of the whole message."""

    message_name: str
    message_id: str
    original_message_id: str
    original_message_name: str
    status: str | None
    reasons: tuple[Reason, ...]
    transactions: tuple[TransactionStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEntry:
    """One booking; `amount` is in `currency` and not negative, `credit` says which way it went."""

    account: str
    amount: Decimal
    currency: str
    credit: bool
    status: str
    original_message_id: str | None
    original_end_to_end_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReport:
    """camt.053 (a statement) or camt.054 (a notice of bookings)."""

    message_name: str
    message_id: str
    entries: tuple[AccountEntry, ...]


ForeignReport = StatusReport | AccountReport


def read(data: bytes) -> ForeignReport:
    """What a report says.

    Raises:
        RefusedError: XML_*; OPERATION_UNKNOWN, not such a report; SCHEMA_INVALID, it lacks what ISO demands, with the
            path; AMOUNT_INVALID.
    """
    document = parse_xml(data)
    found = _NAMESPACE.fullmatch(str(document.tag))
    if found is None or len(document) != 1:
        raise refuse(ErrorCode.OPERATION_UNKNOWN, operation=str(document.tag))
    name = found[1]
    return _READERS[name[:8]](document[0], name)


def _status_report(root: Element, name: str) -> StatusReport:
    group = _one(root, "OrgnlGrpInfAndSts")
    status = _text(group, "GrpSts")
    return StatusReport(
        message_name=name,
        message_id=_needed(root, "GrpHdr/MsgId"),
        original_message_id=_needed(group, "OrgnlMsgId"),
        original_message_name=_needed(group, "OrgnlMsgNmId"),
        status=status,
        reasons=_reasons(group),
        transactions=tuple(
            _transaction(transaction, _text(payment, "PmtInfSts") or status)
            for payment in _all(root, "OrgnlPmtInfAndSts")
            for transaction in _all(payment, "TxInfAndSts")
        ),
    )


def _transaction(element: Element, inherited: str | None) -> TransactionStatus:
    return TransactionStatus(
        original_instruction_id=_text(element, "OrgnlInstrId"),
        original_end_to_end_id=_text(element, "OrgnlEndToEndId"),
        status=_text(element, "TxSts") or inherited,
        reasons=_reasons(element),
    )


def _reasons(element: Element) -> tuple[Reason, ...]:
    return tuple(
        Reason(
            code=_text(row, "Rsn/Cd") or _text(row, "Rsn/Prtry") or "",
            text="".join(line.text or "" for line in _all(row, "AddtlInf")),
        )
        for row in _all(element, "StsRsnInf")
    )


def _account_report(root: Element, name: str) -> AccountReport:
    return AccountReport(
        message_name=name,
        message_id=_needed(root, "GrpHdr/MsgId"),
        entries=tuple(
            entry
            for part in (*_all(root, "Stmt"), *_all(root, "Ntfctn"))
            for row in _all(part, "Ntry")
            for entry in _entries(row, _account(part))
        ),
    )


def _account(part: Element) -> str:
    return _text(part, "Acct/Id/IBAN") or _needed(part, "Acct/Id/Othr/Id")


def _entries(row: Element, account: str) -> tuple[AccountEntry, ...]:
    """One per transaction of a booking, each with its own amount where it tells one; a bare booking is one."""
    return tuple(_entry(row, details, account) for details in _all(row, "NtryDtls/TxDtls") or [row])


def _entry(row: Element, details: Element, account: str) -> AccountEntry:
    amounts = _all(details, "Amt") or [_one(row, "Amt")]
    direction = _text(details, "CdtDbtInd") or _needed(row, "CdtDbtInd")
    return AccountEntry(
        account=account,
        amount=_decimal(amounts[0]),
        currency=str(amounts[0].get("Ccy", "")),
        credit=direction == "CRDT",
        status=_text(row, "Sts/Cd") or _needed(row, "Sts"),
        original_message_id=_text(details, "Refs/MsgId"),
        original_end_to_end_id=_text(details, "Refs/EndToEndId"),
    )


def _decimal(element: Element) -> Decimal:
    try:
        value = Decimal(element.text or "")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise refuse(ErrorCode.AMOUNT_INVALID, path=_path(element), fault="not an amount")
    return value


def _all(element: Element, path: str) -> list[Element]:
    return list(element.findall("/".join(f"{{*}}{step}" for step in path.split("/"))))


def _one(element: Element, path: str) -> Element:
    found = _all(element, path)
    if not found:
        raise refuse(ErrorCode.SCHEMA_INVALID, path=f"{_path(element)}/{path}", fault="is missing")
    return found[0]


def _text(element: Element, path: str) -> str | None:
    found = _all(element, path)
    return (found[0].text or None) if found else None


def _needed(element: Element, path: str) -> str:
    text = _one(element, path).text
    if not text:
        raise refuse(ErrorCode.SCHEMA_INVALID, path=f"{_path(element)}/{path}", fault="is empty")
    return str(text)


def _path(element: Element) -> str:
    steps = [element, *element.iterancestors()]
    return "".join(f"/{str(step.tag).rpartition('}')[2]}" for step in reversed(steps))


_READERS: Mapping[str, Callable[[Element, str], ForeignReport]] = {
    "pain.002": _status_report,
    "camt.053": _account_report,
    "camt.054": _account_report,
}
