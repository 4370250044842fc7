"""The protocol as XML by `protocol-1.xsd`: canonical (C14N), so equal records give equal octets for ever (EHR-16)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from lxml import etree

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.protocol.model import BidderRecord, BuyerRecord, ProtocolRecord, ProtocolResult
from contracts.xml import CompiledSchema, parse_xml

NAMESPACE = "urn:eherrac:protocol:1"
XML_NAME = "protokol.xml"
XML_MEDIA_TYPE = "application/xml"

_NS = f"{{{NAMESPACE}}}"
_NSMAP: Any = {None: NAMESPACE}  # the stubs know no default namespace


def build_xml(record: ProtocolRecord) -> bytes:
    """Write a protocol: UTF-8, indented, canonical.

    Raises:
        RefusedError: SCHEMA_INVALID, a value the schema does not allow (with its path); XML_FORBIDDEN, a character
            that XML cannot carry.
    """
    try:
        root = _protocol(record)
    except ValueError as fault:
        raise refuse(ErrorCode.XML_FORBIDDEN, what=str(fault)) from None
    _schema().validate(root)
    etree.indent(root, space="  ")
    return etree.tostring(root, method="c14n")


def read_xml(content: bytes) -> ProtocolRecord:
    """Read a protocol.

    Raises:
        RefusedError: XML_MALFORMED, XML_FORBIDDEN, SCHEMA_INVALID.
    """
    root = parse_xml(content)
    _schema().validate(root)
    return _record(_Reader(root))


@cache
def _schema() -> CompiledSchema:
    return CompiledSchema("contracts.protocol", "protocol-1.xsd")


def _protocol(record: ProtocolRecord) -> etree._Element:
    root = etree.Element(f"{_NS}Protocol", nsmap=_NSMAP)
    _add(root, "Id", record.id)
    _add(root, "Number", record.number)
    _add(root, "Result", record.result)
    _add(root, "DrawnUpAt", _instant(record.drawn_up_at))
    _add(root, "Issuer", record.issuer)
    _lot(_add(root, "Lot"), record)
    claimant = _add(root, "Claimant")
    _add(claimant, "Code", record.claimant_code)
    _maybe(claimant, "Name", record.claimant_name)
    bidders = _add(root, "Bidders")
    for bidder in record.bidders:
        _bidder(_add(bidders, "Bidder"), bidder)
    _outcome(_add(root, "Outcome"), record)
    recipients = _add(root, "Recipients")
    for code in record.recipients:
        _add(recipients, "Recipient", code)
    return root


def _lot(lot: etree._Element, record: ProtocolRecord) -> None:
    _add(lot, "Id", record.lot_id)
    _add(lot, "Title", record.lot_title)
    _add(lot, "Address", record.lot_address)
    _add(lot, "Regime", record.regime)
    _add(lot, "RuleVersion", record.rule_version)
    _maybe(lot, "CaseNumber", record.case_number)
    _add(lot, "AuctionAt", _instant(record.auction_at))
    _amount(lot, "StartingPrice", record.starting_price_minor, record.currency)


def _bidder(parent: etree._Element, bidder: BidderRecord) -> None:
    _add(parent, "Name", bidder.name)
    _add(parent, "TaxId", bidder.tax_id)
    _add(parent, "DepositForm", bidder.deposit_form)
    _maybe(parent, "Guarantor", bidder.guarantor)
    _maybe(parent, "GuaranteeReference", bidder.guarantee_reference)


def _outcome(outcome: etree._Element, record: ProtocolRecord) -> None:
    if record.buyer is not None:
        buyer = _add(outcome, "Buyer")
        _add(buyer, "Name", record.buyer.name)
        _maybe(buyer, "TaxId", record.buyer.tax_id)
        _maybe(buyer, "DepositForm", record.buyer.deposit_form)
    if record.price_minor is not None:
        _amount(outcome, "Price", record.price_minor, record.currency)
    _maybe(outcome, "PaidOn", record.paid_on.isoformat() if record.paid_on else None)
    for reference in record.payment_references:
        _add(outcome, "PaymentReference", reference)
    _maybe(outcome, "Reason", record.reason)


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    child = etree.SubElement(parent, f"{_NS}{name}")
    if text is not None:
        child.text = str(text)
    return child


def _maybe(parent: etree._Element, name: str, text: str | None) -> None:
    if text is not None:
        _add(parent, name, text)


def _amount(parent: etree._Element, name: str, minor: int, currency: str) -> None:
    _add(parent, name, f"{minor // 100}.{minor % 100:02d}").set("currency", currency)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Reader:
    """Looks up children of an element that its schema has already passed."""

    def __init__(self, element: etree._Element) -> None:
        self.element = element

    def all(self, name: str) -> list[_Reader]:
        return [_Reader(child) for child in self.element.findall(f"{_NS}{name}")]

    def one(self, name: str) -> _Reader:
        return self.all(name)[0]

    def maybe(self, name: str) -> str | None:
        found = self.all(name)
        return found[0].value if found else None

    def text(self, name: str) -> str:
        return self.one(name).value

    def minor(self, name: str) -> int:
        return int(self.text(name).replace(".", ""))

    def instant(self, name: str) -> datetime:
        return datetime.fromisoformat(self.text(name))

    @property
    def value(self) -> str:
        return self.element.text or ""


def _record(root: _Reader) -> ProtocolRecord:
    lot, claimant, outcome = root.one("Lot"), root.one("Claimant"), root.one("Outcome")
    paid_on = outcome.maybe("PaidOn")
    return ProtocolRecord(
        id=root.text("Id"),
        number=root.text("Number"),
        result=ProtocolResult(root.text("Result")),
        drawn_up_at=root.instant("DrawnUpAt"),
        issuer=root.text("Issuer"),
        lot_id=lot.text("Id"),
        lot_title=lot.text("Title"),
        lot_address=lot.text("Address"),
        regime=lot.text("Regime"),
        rule_version=lot.text("RuleVersion"),
        case_number=lot.maybe("CaseNumber"),
        auction_at=lot.instant("AuctionAt"),
        starting_price_minor=lot.minor("StartingPrice"),
        claimant_code=claimant.text("Code"),
        claimant_name=claimant.maybe("Name"),
        bidders=tuple(_read_bidder(bidder) for bidder in root.one("Bidders").all("Bidder")),
        buyer=next((_read_buyer(buyer) for buyer in outcome.all("Buyer")), None),
        price_minor=outcome.minor("Price") if outcome.all("Price") else None,
        payment_references=tuple(reference.value for reference in outcome.all("PaymentReference")),
        paid_on=date.fromisoformat(paid_on) if paid_on else None,
        reason=outcome.maybe("Reason"),
        recipients=tuple(recipient.value for recipient in root.one("Recipients").all("Recipient")),
        currency=str(lot.one("StartingPrice").element.get("currency")),
    )


def _read_bidder(bidder: _Reader) -> BidderRecord:
    return BidderRecord(
        name=bidder.text("Name"),
        tax_id=bidder.text("TaxId"),
        deposit_form=bidder.text("DepositForm"),
        guarantor=bidder.maybe("Guarantor"),
        guarantee_reference=bidder.maybe("GuaranteeReference"),
    )


def _read_buyer(buyer: _Reader) -> BuyerRecord:
    return BuyerRecord(name=buyer.text("Name"), tax_id=buyer.maybe("TaxId"), deposit_form=buyer.maybe("DepositForm"))
