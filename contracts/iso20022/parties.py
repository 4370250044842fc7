"""Parties and agents, as rows that several messages share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from lxml import etree

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.fields import iban_is_valid
from contracts.iso20022.codes import SPOKEN_KINDS, STATE_OF_KIND, Reason, StatusKind
from contracts.iso20022.layout import Element, Leaf, Referred, Row, Wrapped, qualified
from contracts.iso20022.scalars import AZN_OR_ZERO, IBAN, TEXT

_TAX_ID_DIGITS = 10  # VÖEN; a FIN of a natural person has 7 characters
_INFO_WIDTH = 105  # Max105Text of AddtlInf


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Debtor or creditor: name, IBAN, BIC of the agent, and VÖEN or FIN where known."""

    name: str
    iban: str
    bic: str
    tax_id: str | None = None


class TaxNumber:
    """VÖEN as organisation's (TXID), FIN as person's (NIDN) identification under a party."""

    def __init__(self, path: str, attribute: str) -> None:
        self.steps, self.attribute = tuple(path.split("/")), attribute
        self._get = attrgetter(attribute)

    def value(self, message: Any) -> Any:
        return self._get(message)

    def put(self, parent: Element, namespace: str, value: str) -> None:
        kind, scheme = ("OrgId", "TXID") if len(value) == _TAX_ID_DIGITS else ("PrvtId", "NIDN")
        holder = etree.SubElement(etree.SubElement(parent, namespace + "Id"), namespace + kind)
        other = etree.SubElement(holder, namespace + "Othr")
        etree.SubElement(other, namespace + "Id").text = value
        etree.SubElement(etree.SubElement(other, namespace + "SchmeNm"), namespace + "Cd").text = scheme

    def take(self, root: Element, namespace: str) -> Mapping[str, Any]:
        for kind in ("OrgId", "PrvtId"):
            text = root.findtext(qualified(namespace, (*self.steps, "Id", kind, "Othr", "Id")))
            if text is not None:
                return {self.attribute: text}
        return {}


class Status:
    """`StsRsnInf` elements: AÖS's word first where it is spoken, then the reasons."""

    def __init__(self, path: str) -> None:
        self.steps = tuple(path.split("/"))

    def value(self, message: Any) -> Any:
        return message.kind, message.reasons

    def put(self, parent: Element, namespace: str, value: tuple[StatusKind, tuple[Reason, ...]]) -> None:
        kind, reasons = value
        if kind in SPOKEN_KINDS:
            _put_reason(parent, namespace, Reason(code=kind.value))
        for reason in reasons:
            _put_reason(parent, namespace, reason)

    def take(self, root: Element, namespace: str) -> Mapping[str, Any]:
        found = _taken_reasons(root, namespace, (*self.steps, "StsRsnInf"))
        state = root.findtext(qualified(namespace, (*self.steps, "TxSts")))
        if found and found[0].code in SPOKEN_KINDS:
            kind = StatusKind(found[0].code)
            if kind is not StatusKind.STAT and state != STATE_OF_KIND[kind]:
                raise refuse(ErrorCode.SCHEMA_INVALID, path="/" + "/".join((*self.steps, "TxSts")), fault=f"not {kind}")
            return {"kind": kind, "reasons": found[1:]}
        kind = StatusKind(state) if state in (StatusKind.RJCT, StatusKind.ACSP) else StatusKind.STAT
        return {"kind": kind, "reasons": found}


class Reasons:
    """Reasons of a return or of its refusal, an element each."""

    def __init__(self, path: str, leaf: str) -> None:
        self.steps, self.leaf = tuple(path.split("/")), leaf

    def value(self, message: Any) -> Any:
        return message.reasons or None

    def put(self, parent: Element, namespace: str, value: tuple[Reason, ...]) -> None:
        for reason in value:
            _put_reason(parent, namespace, reason, self.leaf)

    def take(self, root: Element, namespace: str) -> Mapping[str, Any]:
        return {"reasons": _taken_reasons(root, namespace, (*self.steps, self.leaf))}


class AnyAccount:
    """An account by its IBAN where it has one, otherwise by the name the system gives it (at most 34 characters)."""

    def __init__(self, path: str, attribute: str) -> None:
        self.path, self.steps, self.attribute = path, tuple(path.split("/")), attribute
        self._get = attrgetter(attribute)

    def value(self, message: Any) -> Any:
        return self._get(message)

    def put(self, parent: Element, namespace: str, value: str) -> None:
        if iban_is_valid(value):
            etree.SubElement(parent, namespace + "IBAN").text = value
        else:
            etree.SubElement(etree.SubElement(parent, namespace + "Othr"), namespace + "Id").text = value

    def take(self, root: Element, namespace: str) -> Mapping[str, Any]:
        iban = root.findtext(qualified(namespace, (*self.steps, "IBAN")))
        if iban is not None:
            return {self.attribute: IBAN.read(iban, f"/{self.path}/IBAN")}
        return {self.attribute: root.findtext(qualified(namespace, (*self.steps, "Othr", "Id")))}


class Balance:
    """A signed amount as amount and indicator: CRDT from zero up, DBIT below."""

    def __init__(self, path: str, attribute: str, *, amount: str = "Amt", sign: str = "CdtDbtInd") -> None:
        self.path, self.steps, self.attribute = path, tuple(path.split("/")), attribute
        self.amount, self.sign = amount.split("/"), sign
        self._get = attrgetter(attribute)

    def value(self, message: Any) -> Any:
        return self._get(message)

    def put(self, parent: Element, namespace: str, value: int) -> None:
        element = parent
        for step in self.amount:
            element = etree.SubElement(element, namespace + step)
        element.text = AZN_OR_ZERO.write(abs(value))
        element.set(*AZN_OR_ZERO.attributes[0])
        etree.SubElement(parent, namespace + self.sign).text = "DBIT" if value < 0 else "CRDT"

    def take(self, root: Element, namespace: str) -> Mapping[str, Any]:
        text = root.findtext(qualified(namespace, (*self.steps, *self.amount)))
        amount = AZN_OR_ZERO.read(text, f"/{self.path}/{'/'.join(self.amount)}")
        negative = root.findtext(qualified(namespace, (*self.steps, self.sign))) == "DBIT"
        return {self.attribute: -amount if negative else amount}


def _taken_reasons(root: Element, namespace: str, steps: tuple[str, ...]) -> tuple[Reason, ...]:
    return tuple(
        Reason(
            code=item.findtext(qualified(namespace, ("Rsn", "Prtry"))),
            text="".join(line.text or "" for line in item.iterfind(namespace + "AddtlInf")),
        )
        for item in root.iterfind(qualified(namespace, steps))
    )


def _put_reason(parent: Element, namespace: str, reason: Reason, leaf: str = "StsRsnInf") -> None:
    item = etree.SubElement(parent, namespace + leaf)
    etree.SubElement(etree.SubElement(item, namespace + "Rsn"), namespace + "Prtry").text = reason.code
    text = TEXT.write(reason.text)
    for start in range(0, len(text), _INFO_WIDTH):
        etree.SubElement(item, namespace + "AddtlInf").text = text[start : start + _INFO_WIDTH]


def agent(path: str, attribute: str) -> Leaf:
    """An agent named by its BIC."""
    return Leaf(f"{path}/FinInstnId/BICFI", attribute)


def account(path: str, attribute: str) -> Leaf:
    """An account named by its IBAN."""
    return Leaf(f"{path}/Id/IBAN", attribute, IBAN)


def party(path: str, part: str) -> tuple[Row, ...]:
    """Name and tax number of a holder."""
    return Leaf(f"{path}/Nm", f"{part}.name"), TaxNumber(path, f"{part}.tax_id")


def remittance(path: str) -> tuple[Row, ...]:
    """What the payment is for, and the registration number of the enforcement case (EHR-12)."""
    return Wrapped(f"{path}/Ustrd", "purpose"), Referred(f"{path}/Strd", "ICRA", "case_number")
