"""What the printed protocol shows: every word and value resolved, in the order of the page, as plain JSON values."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache
from importlib import resources
from typing import Any

from contracts.protocol.model import BidderRecord, ProtocolRecord
from contracts.protocol.words import amount_figures, amount_words, baku_date, baku_time, date_words

Row = list[str]

# Characters shown as they are: what the bundled font has and a reader can see. Everything else, the invisible
# controls that turn text around included, is shown by its code, so that the page never says other than the record.
_SHOWN = (
    *((0x20, 0x7E), (0xA0, 0xAC), (0xAE, 0x36F), (0x384, 0x38A), (0x38C, 0x38C), (0x38E, 0x3A1), (0x3A3, 0x3E1)),
    *((0x3F0, 0x52F), (0x1E00, 0x1EFF), (0x2010, 0x2027), (0x2030, 0x205E), (0x20A0, 0x20BF), (0x2100, 0x214F)),
)
_NOT_SHOWN = re.compile(f"[^{''.join(f'{re.escape(chr(low))}-{re.escape(chr(high))}' for low, high in _SHOWN)}]")


@cache
def texts(language: str) -> dict[str, Any]:
    """The words of one language.

    Raises:
        KeyError: a language the catalogue has not.
    """
    source = resources.files("contracts.protocol").joinpath("texts.toml")
    return dict(tomllib.loads(source.read_text(encoding="utf-8"))[language])


def build_view(record: ProtocolRecord, xml_sha256: str, language: str) -> dict[str, Any]:
    """The page's content; `xml_sha256` (hex) binds it to the XML in the same container."""
    said = texts(language)
    view = {
        "language": language,
        "title": f"{said['headings'][record.result]} {said['number']} {record.number}",
        "authority": said["authority"],
        "system": said["system"],
        "heading": said["headings"][record.result],
        "subheading": said["subheadings"][record.result],
        "number_label": said["number"],
        "number": record.number,
        "place": said["place"],
        "date": date_words(baku_date(record.drawn_up_at), language),
        "lot": {"title": said["sections"]["lot"], "rows": _lot(record, said, language)},
        "bidders": _bidders(record, said),
        "outcome": _outcome(record, said, language),
        "recipients": {
            "title": said["sections"]["recipients"],
            "rows": [said["recipients"].get(code, code) for code in record.recipients],
        },
        "legal": {"title": said["sections"]["legal"], "rows": [said["legal"]["note"], said["legal"]["form"]]},
        "seal": _seal(record, said, language),
        "footer": {"digest_label": said["digest"], "digest": xml_sha256, "page": said["page"]},
    }
    return {key: _printable(value) for key, value in view.items()}


def _lot(record: ProtocolRecord, said: dict[str, Any], language: str) -> list[Row]:
    claimant = record.claimant_name or said["none"]
    rows = {
        "lot_id": record.lot_id,
        "lot_title": record.lot_title,
        "lot_address": record.lot_address,
        "regime": said["regimes"].get(record.regime, record.regime),
        "case_number": record.case_number,
        "auction_at": _moment(record.auction_at, said, language),
        "starting_price": amount_figures(record.starting_price_minor, language),
        "claimant": f"{claimant} ({record.claimant_code})",
        "rule_version": record.rule_version,
    }
    return _labelled(rows, said)


def _bidders(record: ProtocolRecord, said: dict[str, Any]) -> dict[str, Any]:
    columns = ("bidder_index", "bidder_name", "bidder_tax_id", "bidder_deposit", "bidder_outcome")
    return {
        "title": said["sections"]["bidders"],
        "empty": said["bidder"]["empty"],
        "head": [said["labels"][column] for column in columns],
        "rows": [
            [
                str(index),
                bidder.name,
                bidder.tax_id,
                _deposit(bidder, said),
                said["bidder"]["winner" if _won(bidder, record) else "other"],
            ]
            for index, bidder in enumerate(record.bidders, start=1)
        ],
    }


def _won(bidder: BidderRecord, record: ProtocolRecord) -> bool:
    buyer = record.buyer
    return buyer is not None and (bidder.name, bidder.tax_id) == (buyer.name, buyer.tax_id)


def _deposit(bidder: BidderRecord, said: dict[str, Any]) -> str:
    form = said["deposit_forms"].get(bidder.deposit_form, bidder.deposit_form)
    if bidder.guarantee_reference is None:
        return str(form)
    guarantor = f" ({bidder.guarantor})" if bidder.guarantor else ""
    return f"{form} №\u00a0{bidder.guarantee_reference}{guarantor}"


def _outcome(record: ProtocolRecord, said: dict[str, Any], language: str) -> dict[str, Any]:
    buyer = record.buyer
    rows = {
        "buyer": buyer.name if buyer else None,
        "buyer_tax_id": buyer.tax_id if buyer else None,
        "buyer_deposit": said["deposit_forms"].get(buyer.deposit_form) if buyer and buyer.deposit_form else None,
        "payment_references": ", ".join(record.payment_references) or None,
        "paid_on": date_words(record.paid_on, language) if record.paid_on else None,
        "reason": said["reasons"].get(record.reason, record.reason) if record.reason else None,
    }
    price = record.price_minor
    amount = None
    if price is not None:
        figures, words = amount_figures(price, language), amount_words(price, language)
        amount = {"label": said["labels"]["price"], "figures": figures, "words": words}
    return {
        "title": said["sections"]["outcome"],
        "sentence": said["results"][record.result],
        "amount": amount,
        "rows": _labelled(rows, said),
    }


def _seal(record: ProtocolRecord, said: dict[str, Any], language: str) -> dict[str, str]:
    return {
        "by": said["seal"]["by"],
        "issuer": record.issuer,
        "place": said["seal"]["place"],
        "at_label": said["seal"]["at"],
        "at": _moment(record.drawn_up_at, said, language),
    }


def _labelled(rows: dict[str, str | None], said: dict[str, Any]) -> list[Row]:
    return [[said["labels"][name], value] for name, value in rows.items() if value is not None]


def _moment(moment: Any, said: dict[str, Any], language: str) -> str:
    return str(said["time"]).format(date=date_words(baku_date(moment), language), time=baku_time(moment))


def _printable(value: Any) -> Any:
    match value:
        case str():
            return _NOT_SHOWN.sub(_code, unicodedata.normalize("NFC", value))
        case dict():
            return {key: _printable(inner) for key, inner in value.items()}
        case list():
            return [_printable(inner) for inner in value]
    return value


def _code(found: re.Match[str]) -> str:
    return " " if found[0] in "\t\n\r" else f"[U+{ord(found[0]):04X}]"
