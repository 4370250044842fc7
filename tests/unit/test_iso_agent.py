"""A bank's answers on the rail, by its own books (AOS-P3 to AOS-P5, AOS-P7)."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from contracts.iso20022 import (
    CreditTransfer,
    PaymentReturn,
    Reason,
    RequestStatus,
    ReturnRefusal,
    StatusKind,
    TransactionState,
    registry,
)
from contracts.iso20022.samples import BANK_BIC, MOMENT, REQUEST, RETURN, RETURN_REQUEST, STATUS, SYSTEM_BIC, TRANSFER
from gateway.domain.money import Money
from gateway.wire.iso_agent import Agent


class Books:
    """Records what is asked of it; refuses what it was told to."""

    def __init__(self, *, debit: str | None = None, credit: str | None = None) -> None:
        self._debit, self._credit = debit, credit
        self.calls: list[tuple] = []

    def can_debit(self, iban, amount):
        return self._debit

    def can_credit(self, iban):
        return self._credit

    def reserve(self, end_to_end_id, iban, amount):
        self.calls.append(("reserve", end_to_end_id, iban, amount))

    def settle(self, end_to_end_id):
        self.calls.append(("settle", end_to_end_id))

    def release(self, end_to_end_id):
        self.calls.append(("release", end_to_end_id))

    def credit(self, end_to_end_id, iban, amount):
        self.calls.append(("credit", end_to_end_id, iban, amount))


def _agent(books: Books) -> Agent:
    numbers = count(1)
    return Agent(BANK_BIC, SYSTEM_BIC, books, lambda now: f"XZRNAZ22A001261122{next(numbers):015d}")


def _final(transfer: CreditTransfer, kind: StatusKind, state: TransactionState, reasons=()):
    return replace(
        STATUS,
        kind=kind,
        state=state,
        reasons=reasons,
        original_message_id=transfer.message_id,
        original_end_to_end_id=transfer.end_to_end_id,
    )


def _stat(transfer):
    return _final(transfer, StatusKind.STAT, TransactionState.ACSC)


def _rjct(transfer, reasons=()):
    return _final(transfer, StatusKind.RJCT, TransactionState.RJCT, reasons)


def _is_of_the_format(message):
    assert registry.read(registry.build(message), registry.type_of(message)) == message


def test_consent_to_a_request_is_an_order_with_everything_that_was_asked():
    """AOS-P7, EHR-12."""
    books = Books()
    order = _agent(books).answer(REQUEST, MOMENT)
    assert isinstance(order, CreditTransfer)
    for field in ("end_to_end_id", "amount_minor", "debtor", "creditor", "purpose", "case_number"):
        assert getattr(order, field) == getattr(REQUEST, field)
    assert books.calls == [("reserve", REQUEST.end_to_end_id, REQUEST.debtor.iban, Money(REQUEST.amount_minor))]
    _is_of_the_format(order)


@pytest.mark.parametrize(
    ("books", "request_", "code"),
    [
        (Books(debit="AM04"), REQUEST, "AM04"),
        (Books(), replace(REQUEST, debtor=replace(REQUEST.debtor, bic="GNSNAZ22")), "RC01"),
    ],
    ids=["too little money", "another bank's account"],
)
def test_a_refused_request_is_answered_naut_and_nothing_is_reserved(books, request_, code):
    """AOS-P7."""
    answer = _agent(books).answer(request_, MOMENT)
    assert isinstance(answer, RequestStatus)
    assert (answer.kind, answer.reasons) == (StatusKind.NAUT, (Reason(code=code),))
    assert answer.original_message_id == REQUEST.message_id
    assert books.calls == []
    _is_of_the_format(answer)


def test_stat_lets_the_reserved_money_go_once():
    """AOS-P4."""
    books = Books()
    agent = _agent(books)
    order = agent.answer(REQUEST, MOMENT)
    for _ in range(2):
        assert agent.answer(_stat(order), MOMENT) is None
    assert books.calls[1:] == [("settle", REQUEST.end_to_end_id)]


def test_rjct_releases_the_reserved_money():
    """AOS-P5."""
    books = Books()
    agent = _agent(books)
    order = agent.answer(REQUEST, MOMENT)
    agent.answer(_rjct(order), MOMENT)
    agent.answer(_stat(order), MOMENT)
    assert books.calls[1:] == [("release", REQUEST.end_to_end_id)]


def test_a_refused_repetition_releases_nothing():
    """AOS-C3: AM05 speaks of the second copy."""
    books = Books()
    agent = _agent(books)
    order = agent.answer(REQUEST, MOMENT)
    agent.answer(_rjct(order, (Reason(code="AM05"),)), MOMENT)
    assert books.calls[1:] == []


def test_a_status_about_another_message_changes_nothing():
    """Same end-to-end id, another order."""
    books = Books()
    agent = _agent(books)
    agent.answer(REQUEST, MOMENT)
    agent.answer(_stat(replace(TRANSFER, end_to_end_id=REQUEST.end_to_end_id)), MOMENT)
    assert books.calls[1:] == []


def test_a_credit_is_authorised_and_booked_when_final_once():
    """AOS-P3, AOS-P4: AUTH is not money."""
    books = Books()
    agent = _agent(books)
    answer = agent.answer(TRANSFER, MOMENT)
    assert answer.kind is StatusKind.AUTH
    assert answer.original_message_id == TRANSFER.message_id
    assert books.calls == []
    for _ in range(2):
        agent.answer(_stat(TRANSFER), MOMENT)
    assert books.calls == [("credit", TRANSFER.end_to_end_id, TRANSFER.creditor.iban, Money(TRANSFER.amount_minor))]
    _is_of_the_format(answer)


@pytest.mark.parametrize("code", ["AC01", "AC04"])
def test_a_credit_the_bank_cannot_book_is_answered_naut(code):
    """AOS-P3."""
    books = Books(credit=code)
    agent = _agent(books)
    answer = agent.answer(TRANSFER, MOMENT)
    assert (answer.kind, answer.reasons) == (StatusKind.NAUT, (Reason(code=code),))
    agent.answer(_stat(TRANSFER), MOMENT)
    assert books.calls == []


def test_a_rejected_credit_is_forgotten():
    """AOS-P5."""
    books = Books()
    agent = _agent(books)
    agent.answer(TRANSFER, MOMENT)
    agent.answer(_rjct(TRANSFER), MOMENT)
    agent.answer(_stat(TRANSFER), MOMENT)
    assert books.calls == []


# -- returns ----------------------------------------------------------------------------------------------------------


def _credited(books: Books, **changes) -> tuple[Agent, CreditTransfer]:
    """A bank that has booked the sample payment."""
    agent, paid = _agent(books), replace(TRANSFER, **changes)
    agent.answer(paid, MOMENT)
    agent.answer(_stat(paid), MOMENT)
    return agent, paid


def test_a_credit_asked_back_is_reserved_and_returned_once():
    """AOS-T6, AOS-T1: settled when AÖS says so; a second request finds nothing."""
    books = Books()
    agent, paid = _credited(books)
    order = agent.answer(RETURN_REQUEST, MOMENT)
    assert isinstance(order, PaymentReturn)
    assert (order.original_message_id, order.amount_minor) == (paid.message_id, paid.amount_minor)
    assert books.calls[-1] == ("reserve", order.return_id, paid.creditor.iban, Money(paid.amount_minor))
    assert agent.answer(RETURN_REQUEST, MOMENT).reasons == (Reason(code="ARDT"),)
    _is_of_the_format(order)
    done = replace(
        _stat(paid),
        original_message_id=order.message_id,
        original_message_name="pacs.004.001.09",
        original_transaction_id=order.return_id,
    )
    for _ in range(2):
        agent.answer(done, MOMENT)
    assert books.calls.count(("settle", order.return_id)) == 1
    assert agent.answer(RETURN_REQUEST, MOMENT).reasons == (Reason(code="NOOR"),)


def test_a_return_that_was_rejected_may_be_asked_for_again():
    """AOS-T5."""
    books = Books()
    agent, paid = _credited(books)
    order = agent.answer(RETURN_REQUEST, MOMENT)
    rejected = replace(
        _rjct(paid),
        original_message_id=order.message_id,
        original_message_name="pacs.004.001.09",
        original_transaction_id=order.return_id,
    )
    agent.answer(rejected, MOMENT)
    assert books.calls[-1] == ("release", order.return_id)
    assert isinstance(agent.answer(RETURN_REQUEST, MOMENT), PaymentReturn)


@pytest.mark.parametrize(
    ("books", "request_", "code"),
    [
        (Books(debit="AM04"), RETURN_REQUEST, "AM04"),
        (Books(), replace(RETURN_REQUEST, original_message_id="NOTHING"), "NOOR"),
        (Books(), replace(RETURN_REQUEST, amount_minor=1), "NOOR"),
    ],
    ids=["spent", "unknown", "another amount"],
)
def test_what_the_bank_cannot_return_is_refused_by_camt_029(books, request_, code):
    """AOS-T6."""
    agent, _ = _credited(books)
    refusal = agent.answer(request_, MOMENT)
    assert isinstance(refusal, ReturnRefusal)
    assert refusal.reasons == (Reason(code=code),)
    assert (refusal.request_message_id, refusal.to_bic) == (request_.message_id, request_.from_bic)
    _is_of_the_format(refusal)


@pytest.mark.parametrize(("closed", "kind"), [(None, StatusKind.AUTH), ("AC04", StatusKind.NAUT)])
def test_a_return_is_confirmed_and_credited_to_the_original_debtor(closed, kind):
    """AOS-T3, AOS-T4."""
    books = Books(credit=closed)
    agent = _agent(books)
    order = replace(RETURN, debtor=RETURN.creditor, creditor=RETURN.debtor)
    answer = agent.answer(order, MOMENT)
    assert (answer.kind, answer.original_message_name) == (kind, "pacs.004.001.09")
    _is_of_the_format(answer)
    agent.answer(
        replace(
            _stat(TRANSFER),
            original_message_id=order.message_id,
            original_message_name="pacs.004.001.09",
            original_transaction_id=order.return_id,
        ),
        MOMENT,
    )
    booked = [("credit", order.return_id, order.debtor.iban, Money(order.amount_minor))]
    assert books.calls == (booked if closed is None else [])
