"""AZIPS as pure code, and what is said to it: accounts, queue, window, MT103 in its own charset."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.azips.books import OUTSIDE, Books, Correspondent, Fate, Order
from adapters.azips.mapping import as_mt, as_mx, transliterate
from contracts import mt
from contracts.iso20022 import registry
from gateway.domain.dispatches import PaymentKind, PaymentOrder
from gateway.domain.money import Money
from gateway.domain.values import Account

NOON = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)  # Monday 12:00 in Baku
NIGHT = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
A, B = "EHRNAZ22", "XZRNAZ22"


@pytest.fixture
def books() -> Books:
    rows = (Correspondent(bic=A, code="GATEWAY", opening_balance=100), Correspondent(bic=B, code="999101"))
    return Books(rows, opens=time(9, 20), closes=time(17, 0), is_business_day=lambda day: day.weekday() < 5)


def order(reference: str = "R1", amount: int = 60, **changes) -> Order:
    values = {"sender": A, "receiver": B, "value_date": NOON.date(), "message": None}
    return Order(reference=reference, amount=amount, **(values | changes))


def test_an_order_that_is_funded_is_booked_at_once(books) -> None:
    assert books.submit(order(), NOON).fate is Fate.BOOKED
    assert books.balances == {OUTSIDE: -100, A: 40, B: 60}


def test_orders_without_funds_wait_in_their_order_and_the_first_blocks_the_rest(books) -> None:
    fates = [books.submit(order(name, amount), NOON).fate for name, amount in (("R1", 120), ("R2", 110))]
    assert fates == [Fate.QUEUED, Fate.QUEUED]
    assert [verdict.order.reference for verdict in books.fund(A, 50)] == ["R1"]
    assert [verdict.order.reference for verdict in books.end_of_day()] == ["R2"]
    assert books.queue == []


@pytest.mark.parametrize(
    ("changes", "now", "code"),
    [
        ({}, NIGHT, "CLOSED"),
        ({"reference": "SEEN"}, NOON, "AM05"),
        ({"value_date": NOON.date().replace(day=24)}, NOON, "DT01"),
        ({"receiver": "NOBOAZ22"}, NOON, "RC01"),
    ],
)
def test_what_is_not_taken_is_refused_with_its_code(books, changes, now, code) -> None:
    books.submit(order("SEEN", 1), NOON)
    verdict = books.submit(order(**changes), now)
    assert (verdict.fate, verdict.code) == (Fate.REFUSED, code)


PAYMENT = PaymentOrder(
    kind=PaymentKind.TRANSFER,
    payment_id="L7.refund.B2",
    message_id="EHRNAZ22XXXX261123000000000000042",
    end_to_end_id="L7.refund.B2",
    transaction_id="L7.refund.B2",
    amount=Money(12_345_678),
    debtor=Account(holder="İcra xidmətinin depozit hesabı (nümunə)", iban="AZ73EHRN01010000000000000001", bic=A),
    creditor=Account(holder="Çingiz Ğəniyev", iban="AZ85XZRN38010000000000090001", bic=B),
    lot_id="L7",
    case_number="5-1/2026",
    purpose="Behin qaytarılması — lot 7, «Şüşə» küçəsi",
    created_at=NOON,
)


def test_a_transfer_is_said_in_fins_charset_with_its_ids_and_case_number() -> None:
    """EHR-12: the case number is carried; ids and amount are the order's own."""
    written = mt.write(as_mt(PAYMENT, own_bic=A, azips_bic="NABZAZ2CRTS"))
    read = mt.read(written)
    assert isinstance(read, mt.CustomerTransfer)
    assert (read.reference, read.end_to_end_id, read.case_number) == ("P000000000000042", "L7.refund.B2", "5-1/2026")
    assert read.amount_minor == 12_345_678
    assert read.creditor.name == "Cingiz Geniyev"
    assert read.text == "Behin qaytarilmasi - lot 7, 'Suse' kucesi"


def test_the_same_transfer_in_mx_keeps_to_the_profile() -> None:
    message = as_mx(PAYMENT, own_bic=A)
    registry.check(registry.build(message), registry.type_of(message))
    assert message.settlement_date == NOON.date()


def test_letters_that_come_in_parts_are_transliterated_as_whole_ones() -> None:
    assert transliterate(normalize("NFD", "Şükür İsmayıl oğlu")) == "Sukur Ismayil oglu"


@given(
    st.text(max_size=200), st.from_regex(r"\A[A-Za-z0-9.\-]{1,35}\Z"), st.from_regex(r"\A[0-9]{1,2}-[0-9]/20[0-9]{2}\Z")
)
def test_whatever_the_words_the_ids_of_a_transfer_are_read_back(text, end_to_end_id, case_number) -> None:
    said = replace(PAYMENT, purpose=text, end_to_end_id=end_to_end_id, case_number=case_number)
    read = mt.read(mt.write(as_mt(said, own_bic=A, azips_bic="NABZAZ2CRTS")))
    assert (read.end_to_end_id, read.case_number) == (end_to_end_id, case_number)
    assert transliterate(text).startswith(read.text[:20].rstrip())
