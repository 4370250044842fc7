"""The protocol's XML and print: reproducible to the octet, complete, deaf to what a title may try (EHR-16)."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.protocol import (
    BidderRecord,
    BuyerRecord,
    ProtocolRecord,
    ProtocolResult,
    build_xml,
    read_xml,
    render_pdf,
)
from contracts.protocol.view import _SHOWN, build_view, texts
from contracts.protocol.words import amount_figures, amount_words, date_words, number_words

WINNER = BidderRecord(name="Əliyev Rəşad Oğuz oğlu", tax_id="5ABC123", deposit_form="money")
SOLD = ProtocolRecord(
    id="L-1.protocol",
    number="2026/L-1",
    result=ProtocolResult.SOLD,
    drawn_up_at=datetime(2026, 11, 22, 8, 30, 15, 123_000, tzinfo=UTC),
    issuer="Hərrac Əməliyyat Mərkəzi (nümunə)",
    lot_id="L-1",
    lot_title="Üç otaqlı mənzil, çıxarış № 1234567",
    lot_address="Bakı şəhəri, Nəsimi rayonu, Şəfayət küçəsi 12",
    regime="enforcement",
    rule_version="2026-01",
    case_number="İC-2026/004512",
    auction_at=datetime(2026, 11, 20, 20, 30, tzinfo=UTC),
    starting_price_minor=12_000_000,
    claimant_code="999101",
    claimant_name="Xəzər Nümunə Bankı",
    bidders=(
        WINNER,
        BidderRecord(
            name="“Gözəl Ev” MMC",
            tax_id="1234567891",
            deposit_form="guarantee",
            guarantor="999202",
            guarantee_reference="BQ-77",
        ),
    ),
    buyer=BuyerRecord(name=WINNER.name, tax_id=WINNER.tax_id, deposit_form="money"),
    price_minor=15_235_020,
    payment_references=("AP-1", "AP-2"),
    paid_on=date(2026, 11, 21),
    reason=None,
    recipients=("ECONOMY", "JUSTICE", "INTERIOR"),
)
NOT_HELD = replace(
    SOLD,
    result=ProtocolResult.NOT_HELD,
    bidders=(),
    buyer=None,
    price_minor=None,
    payment_references=(),
    paid_on=None,
    reason="claimant_refused",
)


def printed(record: ProtocolRecord, language: str = "az") -> str:
    reader = PdfReader(io.BytesIO(render_pdf(record, language=language)))
    return " ".join(" ".join(page.extract_text() for page in reader.pages).split())


@pytest.mark.parametrize("record", [SOLD, NOT_HELD], ids=["sold", "not held"])
def test_what_was_written_is_read_back_whole(record: ProtocolRecord) -> None:
    assert read_xml(build_xml(record)) == record


def test_the_same_record_gives_the_same_octets() -> None:
    """EHR-16: reproducible byte for byte."""
    assert build_xml(SOLD) == build_xml(replace(SOLD))
    assert render_pdf(SOLD) == render_pdf(replace(SOLD))
    assert hashlib.sha256(build_xml(SOLD)).hexdigest() == (
        "4ad182b846c323b070f96134373fda84a4b0e7fa94941357d6123a9a6c9c305c"
    ), "the form of the XML changed: sealed protocols could not be drawn up again from their records"


def test_the_print_can_be_drawn_up_again_from_the_xml_alone() -> None:
    """EHR-16."""
    assert render_pdf(read_xml(build_xml(SOLD))) == render_pdf(SOLD)


def test_the_print_says_what_the_record_says() -> None:
    text = printed(SOLD)
    for expected in (
        "HƏRRACIN NƏTİCƏLƏRİ HAQQINDA PROTOKOL",
        "№ 2026/L-1",
        "22 noyabr 2026-cı il",
        "21 noyabr 2026-cı il, saat 00:30 (Bakı vaxtı)",
        "İC-2026/004512",
        "120 000,00 ₼",
        "152 350,20 ₼",
        "(Yüz əlli iki min üç yüz əlli manat iyirmi qəpik)",
        "Xəzər Nümunə Bankı (999101)",
        "Əliyev Rəşad Oğuz oğlu",
        "Bank qarantiyası № BQ-77 (999202)",
        "Qalib",
        "AP-1, AP-2",
        "Daxili İşlər Nazirliyi",
        "məhkəməyə şikayət verə bilərlər",
        "Hərrac Əməliyyat Mərkəzi (nümunə)",
        hashlib.sha256(build_xml(SOLD)).hexdigest(),
    ):
        assert expected in text.replace("\u00a0", " "), expected


def test_an_auction_that_did_not_take_place_has_its_own_heading_and_reason() -> None:
    """EHR-7: the bank refused; there is no buyer, no price and no payment in the document."""
    text = printed(NOT_HELD)
    assert "BAŞ TUTMAMIŞ HƏRRAC HAQQINDA PROTOKOL" in text
    assert "Tələbkar əmlakın ona verilməsindən imtina etmişdir." in text
    assert "Yekun məbləğ" not in text


def test_the_english_print_has_the_same_values() -> None:
    text = printed(SOLD, "en").replace("\u00a0", " ")
    assert "152,350.20 ₼" in text
    assert "One hundred fifty-two thousand three hundred fifty manats and twenty gapiks" in text


@pytest.mark.parametrize(
    "title",
    [
        '#eval("1+1") #panic("x")',
        "$x^2$ $",
        "] [ #] ) }",
        "\\ \\u{41} *qalın* _əyri_ `kod` <etiket> @istinad = başlıq // şərh /* */",
        '"},"heading":"SAXTA',
    ],
)
def test_a_title_is_text_and_never_markup(title: str) -> None:
    assert "".join(title.split()) in "".join(printed(replace(SOLD, lot_title=title)).split())


def test_characters_the_reader_would_not_see_are_shown_by_their_code() -> None:
    assert "Ev[U+202E][U+200B][U+1F600]" in printed(replace(SOLD, lot_title="Ev\u202e\u200b😀"))


def test_every_character_shown_as_it_is_has_a_glyph() -> None:
    """Typst refuses to write an archival document with a missing glyph: a title must never stop a protocol."""
    for low, high in _SHOWN:
        text = "x" + "".join(map(chr, range(low, high + 1))) + "x"
        assert render_pdf(replace(SOLD, lot_title=text, issuer=text))


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc", "Cn")), max_size=60))
def test_no_title_stops_a_protocol(title: str) -> None:
    assert render_pdf(replace(SOLD, lot_title=f"x{title}x")).startswith(b"%PDF")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"lot_title": ""}, ErrorCode.SCHEMA_INVALID),
        ({"lot_title": " Ev"}, ErrorCode.SCHEMA_INVALID),
        ({"lot_title": "Ev\x00"}, ErrorCode.XML_FORBIDDEN),
        ({"regime": "other"}, ErrorCode.SCHEMA_INVALID),
        ({"currency": "USD"}, ErrorCode.SCHEMA_INVALID),
        ({"recipients": ("a b",)}, ErrorCode.SCHEMA_INVALID),
    ],
)
def test_a_record_the_schema_does_not_allow_is_refused(change: dict[str, Any], code: ErrorCode) -> None:
    with pytest.raises(RefusedError) as caught:
        build_xml(replace(SOLD, **change))
    assert caught.value.refusal.code is code


@pytest.mark.parametrize("change", [{"price_minor": -1}, {"price_minor": 1.5}, {"auction_at": datetime(2026, 1, 1)}])
def test_impossible_amounts_and_naive_times_make_no_record(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"minor units|aware"):
        replace(SOLD, **change)


def test_both_languages_have_the_same_texts() -> None:
    def keys(table: dict[str, Any], path: str = "") -> set[str]:
        found: set[str] = set()
        for key, value in table.items():
            found |= keys(value, f"{path}.{key}") if isinstance(value, dict) else {f"{path}.{key}"}
        return found

    assert keys(texts("az")) == keys(texts("en"))
    assert set(texts("az")["headings"]) == {str(result) for result in ProtocolResult}


def test_an_authority_without_a_name_is_shown_by_its_code() -> None:
    view = build_view(replace(SOLD, recipients=("NOTARYCHAMBER",)), "0" * 64, "az")
    assert view["recipients"]["rows"] == ["NOTARYCHAMBER"]


@pytest.mark.parametrize(
    ("number", "az", "en"),
    [
        (0, "sıfır", "zero"),
        (7, "yeddi", "seven"),
        (10, "on", "ten"),
        (19, "on doqquz", "nineteen"),
        (40, "qırx", "forty"),
        (100, "yüz", "one hundred"),
        (101, "yüz bir", "one hundred one"),
        (999, "doqquz yüz doxsan doqquz", "nine hundred ninety-nine"),
        (1000, "min", "one thousand"),
        (1001, "min bir", "one thousand one"),
        (2000, "iki min", "two thousand"),
        (21_000, "iyirmi bir min", "twenty-one thousand"),
        (100_000, "yüz min", "one hundred thousand"),
        (1_000_000, "bir milyon", "one million"),
        (1_001_100, "bir milyon min yüz", "one million one thousand one hundred"),
        (3_000_000_015, "üç milyard on beş", "three billion fifteen"),
    ],
)
def test_numbers_in_words(number: int, az: str, en: str) -> None:
    assert (number_words(number), number_words(number, "en")) == (az, en)


@given(st.integers(min_value=0, max_value=10**15))
def test_different_amounts_never_read_the_same(minor: int) -> None:
    assert amount_words(minor) != amount_words(minor + 1)
    assert int("".join(filter(str.isdigit, amount_figures(minor)))) == minor


def test_amounts_in_words_begin_with_the_right_capital() -> None:
    assert amount_words(200) == "İki manat sıfır qəpik"
    assert amount_words(605) == "Altı manat beş qəpik"


@pytest.mark.parametrize(
    ("year", "suffix"),
    [(2000, "ci"), (2020, "ci"), (2023, "cü"), (2024, "cü"), (2025, "ci"), (2026, "cı"), (2029, "cu"), (2030, "cu")],
)
def test_the_year_takes_the_suffix_its_last_vowel_asks_for(year: int, suffix: str) -> None:
    assert date_words(date(year, 3, 1)) == f"1 mart {year}-{suffix} il"


def test_the_print_is_archival_tagged_and_carries_only_its_own_fonts() -> None:
    """PDF/A-2a: it must read the same in fifty years, on a machine that has none of our fonts."""
    reader = PdfReader(io.BytesIO(render_pdf(SOLD)))
    metadata = reader.xmp_metadata
    assert metadata is not None
    assert (metadata.pdfaid_part, metadata.pdfaid_conformance) == ("2", "A")
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"] is not None
    assert reader.trailer["/Root"]["/Lang"] == "az"
    fonts = {str(font["/BaseFont"]) for font in reader.pages[0]["/Resources"]["/Font"].values()}
    assert {name.partition("+")[2] for name in fonts} == {"NotoSans-Regular", "NotoSans-Bold"}
