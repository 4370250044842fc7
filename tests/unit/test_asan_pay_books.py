"""The books of the Asan Pay sandbox: one order one invoice, double entry, the day's list."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from adapters.asan_pay import mapping
from adapters.asan_pay.books import CARD_SCHEME, Books, notification
from contracts.asan_pay.messages import InvoiceRequest
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.fields import make_iban
from gateway.domain.dispatches import InvoiceOrder
from gateway.domain.money import Money
from gateway.domain.values import Account, Purpose

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
PAYEE = Account(holder="Hərrac (nümunə)", iban=make_iban("EHRN", "1001"), bic="EHRNAZ22")


def invoice(number: int = 1, amount_minor: int = 100_00) -> InvoiceRequest:
    return mapping.invoice_request(
        InvoiceOrder(
            collection_id=f"L-1.deposit.B-{number}",
            lot_id="L-1",
            purpose=Purpose.DEPOSIT,
            amount=Money(amount_minor),
            payer_name="Əli Nümunəyev",
            payer_tax_id="5AB12CD",
            payee=PAYEE,
            case_number="IC-2026/77",
            due=NOW,
        )
    )


def code_of(refused: pytest.ExceptionInfo[RefusedError]) -> ErrorCode:
    return refused.value.refusal.code


def test_the_same_order_twice_is_one_invoice() -> None:
    books = Books()
    assert books.open(invoice(), NOW) == books.open(invoice(), NOW)
    assert len(list(books)) == 1


def test_another_order_under_the_same_id_is_refused() -> None:
    books = Books()
    books.open(invoice(), NOW)
    with pytest.raises(RefusedError) as refused:
        books.open(invoice(amount_minor=1), NOW)
    assert code_of(refused) == ErrorCode.ID_CONFLICT


def test_a_key_gets_its_first_answer_and_other_content_a_conflict() -> None:
    books = Books()
    answer = books.remember("k", b"one", books.open(invoice(), NOW).answer)
    books.pay(answer.number, NOW)
    assert books.first_answer("k", b"one") == answer
    with pytest.raises(RefusedError) as refused:
        books.first_answer("k", b"other")
    assert code_of(refused) == ErrorCode.ID_CONFLICT


def test_every_payment_is_balanced_and_ends_with_the_payee() -> None:
    books = Books()
    for number, amount in ((1, 100_00), (2, 55_55)):
        books.pay(books.open(invoice(number, amount), NOW).number, NOW)
    assert books.balances_minor() == {CARD_SCHEME: -155_55, "wallet:5AB12CD": 0, f"iban:{PAYEE.iban}": 155_55}
    assert sum(books.balances_minor().values()) == 0
    assert books.balance_minor("iban:unknown") == 0


@pytest.mark.parametrize("before", ["paid", "cancelled"])
def test_only_an_open_invoice_is_paid(before: str) -> None:
    books = Books()
    number = books.open(invoice(), NOW).number
    _ = books.pay(number, NOW) if before == "paid" else books.cancel(number, invoice().invoice_id)
    with pytest.raises(RefusedError) as refused:
        books.pay(number, NOW)
    assert code_of(refused) == ErrorCode.STATE_CONFLICT


def test_a_paid_invoice_is_not_taken_back_and_a_cancelled_one_stays() -> None:
    books = Books()
    paid, open_ = (books.open(invoice(number), NOW).number for number in (1, 2))
    books.pay(paid, NOW)
    with pytest.raises(RefusedError) as refused:
        books.cancel(paid, "L-1.deposit.B-1")
    assert code_of(refused) == ErrorCode.STATE_CONFLICT
    assert books.cancel(open_, "L-1.deposit.B-2") == books.cancel(open_, "L-1.deposit.B-2")
    with pytest.raises(RefusedError) as unknown:
        books.cancel(open_, "L-1.deposit.B-1")
    assert code_of(unknown) == ErrorCode.COLLECTION_UNKNOWN


def test_a_notification_repeats_case_number_and_id_at_every_try() -> None:
    """EHR-12; the fault of leaving the number out can be shown."""
    books = Books()
    paid = books.pay(books.open(invoice(), NOW).number, NOW)
    assert notification(paid) == notification(paid)
    assert notification(paid).case_number == "IC-2026/77"
    assert notification(paid, with_case_number=False).case_number is None


def test_an_unpaid_invoice_has_no_notification() -> None:
    with pytest.raises(ValueError, match="not paid"):
        notification(Books().open(invoice(), NOW))


def test_the_days_list_is_of_a_day_in_baku() -> None:
    """PSP-7.8: 21:00 UTC is the next day in Baku."""
    books = Books()
    late = datetime(2026, 11, 22, 21, tzinfo=UTC)
    for number, at in ((1, NOW), (2, late)):
        books.pay(books.open(invoice(number), at).number, at)
    today, tomorrow = (books.settlement(date(2026, 11, day)) for day in (22, 23))
    assert [entry.invoice_id for entry in today.entries] == ["L-1.deposit.B-1"]
    assert [entry.invoice_id for entry in tomorrow.entries] == ["L-1.deposit.B-2"]
    assert (today.count, today.total) == (1, "100.00")
