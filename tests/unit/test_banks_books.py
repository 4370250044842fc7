"""The sandbox bank's books: money by double entry, notices once each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapters.banks.sandbox.ledger import CLEARING, Ledger
from adapters.banks.sandbox.notices import NoticeBook
from adapters.banks.sandbox.settings import CustomerAccount
from contracts.fields import make_iban
from contracts.soap.model import Notice
from gateway.domain.money import Money

RICH, POOR, NOBODY = (make_iban("XZRN", number) for number in ("1", "2", "3"))
NOTICE = Notice(
    id="n-1", sequence=1, version=1, kind="payment.state", lot_id="L-1", subject_id="L-1.payment", state="sent",
    occurred_at=datetime(2026, 11, 22, tzinfo=UTC),
)  # fmt: skip


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(
        (
            CustomerAccount(iban=RICH, holder="Bank", balance=Money(10_000_00)),
            CustomerAccount(iban=POOR, holder="Bank", balance=Money(1_00)),
        )
    )


@pytest.mark.parametrize(
    ("iban", "minor", "reason"),
    [(RICH, 10_000_00, None), (RICH, 10_000_01, "AM04"), (POOR, 2_00, "AM04"), (NOBODY, 1, "AC01")],
)
def test_an_account_pays_what_it_has_and_no_more(ledger: Ledger, iban: str, minor: int, reason: str | None) -> None:
    assert ledger.can_debit(iban, Money(minor)) == reason


def test_only_an_own_account_is_credited(ledger: Ledger) -> None:
    assert (ledger.can_credit(POOR), ledger.can_credit(NOBODY)) == (None, "AC01")


def test_held_money_is_not_spent_twice_and_leaves_once(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.reserve("e-1", RICH, Money(6_000_00))
    assert (ledger.balance_minor(RICH), ledger.available_minor(RICH)) == (10_000_00, 4_000_00)
    assert ledger.can_debit(RICH, Money(5_000_00)) == "AM04"
    for _ in range(2):
        ledger.settle("e-1")
    ledger.reserve("e-1", RICH, Money(6_000_00))
    assert (ledger.balance_minor(RICH), ledger.available_minor(RICH)) == (4_000_00, 4_000_00)
    assert ledger.balance_minor(CLEARING) == 6_000_00


def test_a_refused_order_frees_the_money(ledger: Ledger) -> None:
    ledger.reserve("e-1", RICH, Money(6_000_00))
    ledger.release("e-1")
    ledger.settle("e-1")
    assert ledger.available_minor(RICH) == 10_000_00


def test_a_credit_is_booked_once(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.credit("e-2", POOR, Money(50_00))
    assert ledger.balance_minor(POOR) == 51_00


def test_all_balances_together_are_zero(ledger: Ledger) -> None:
    ledger.reserve("e-1", RICH, Money(6_000_00))
    ledger.settle("e-1")
    ledger.credit("e-2", POOR, Money(50_00))
    assert sum(ledger.balances_minor().values()) == 0


def _notice(sequence: int, *, version: int = 1, state: str = "sent") -> Notice:
    return replace(NOTICE, id=f"n-{sequence}", sequence=sequence, version=version, state=state)


def test_a_notice_is_taken_once_however_often_it_comes() -> None:
    book = NoticeBook()
    assert [book.take(_notice(1)), book.take(_notice(1))] == [True, False]
    assert (len(book.all), book.repeated) == (1, 1)


def test_a_gap_is_seen_and_closed() -> None:
    book = NoticeBook()
    assert (book.complete_to, book.has_gap) == (0, False)
    for sequence in (1, 3):
        book.take(_notice(sequence))
    assert (book.complete_to, book.has_gap) == (1, True)
    book.take(_notice(2))
    assert (book.complete_to, book.has_gap) == (3, False)


def test_old_news_does_not_count_as_a_change_back() -> None:
    book = NoticeBook()
    book.take(_notice(2, version=5, state="settled"))
    book.take(_notice(1, version=4, state="sent"))
    newest = book.newest("payment.state", "L-1.payment")
    assert newest is not None
    assert newest.state == "settled"
