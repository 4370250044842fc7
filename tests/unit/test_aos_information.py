"""Copies, statements, the operating day and texts, by the rule book (AOS-P6, AOS-I3, AOS-I4, AOS-I6 to AOS-I8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aos_town import (
    BANK_CLEARING,
    INDIRECT_BIC,
    INDIRECT_HOLDER,
    OPERATOR_CLEARING,
    ROWS,
    Town,
    answer,
    of_the_format,
)

from contracts.iso20022 import CopyRequest, DayQuery, Direction, StatementRequest, StatusKind, TextMessage, samples
from contracts.iso20022.samples import BANK_BIC, MOMENT, OPERATOR_BIC, RETURN, SYSTEM_BIC, TODAY, TRANSFER
from gateway.domain.clock import end_of_day

TO_INDIRECT = replace(
    TRANSFER, debtor=samples.BIDDER, creditor=INDIRECT_HOLDER, instructing_bic=BANK_BIC, instructed_bic=INDIRECT_BIC
)


def _copy_of(message_id: str, sender: str) -> CopyRequest:
    return CopyRequest(
        message_id="ASK", created_at=MOMENT, from_bic=sender, to_bic=SYSTEM_BIC, original_message_id=message_id
    )


def _statement(day=TODAY, account: str = OPERATOR_CLEARING) -> StatementRequest:
    return StatementRequest(message_id="ASK", created_at=MOMENT, owner_bic=OPERATOR_BIC, account=account, day=day)


# -- copies -----------------------------------------------------------------------------------------------------------


def test_an_executed_order_of_an_indirect_participant_is_copied_to_the_direct_one():
    """AOS-P6: marked as a copy, so that nobody takes it for an order to confirm."""
    town = Town()
    town.say(BANK_BIC, TO_INDIRECT)
    out = town.say(INDIRECT_BIC, answer(TO_INDIRECT, StatusKind.AUTH))
    assert [(o.to_bic, o.message) for o in out if o.copy] == [(OPERATOR_BIC, TO_INDIRECT)]


def test_an_executed_return_is_copied_too():
    """AOS-P6."""
    town = Town()
    town.executed(TO_INDIRECT)
    order = replace(
        RETURN, debtor=samples.BIDDER, creditor=INDIRECT_HOLDER, instructing_bic=INDIRECT_BIC, instructed_bic=BANK_BIC
    )
    town.say(INDIRECT_BIC, order)
    out = town.say(BANK_BIC, answer(order, StatusKind.AUTH))
    assert [(o.to_bic, o.message) for o in out if o.copy] == [(OPERATOR_BIC, order)]


@pytest.mark.parametrize("why", ["not asked for", "not executed", "own order"])
def test_nothing_else_is_copied(why):
    """AOS-P6: on request, executed orders, of indirect participants."""
    rows = tuple(replace(row, wants_copies=False) for row in ROWS) if why == "not asked for" else ROWS
    town = Town(rows=rows)
    order = TRANSFER if why == "own order" else TO_INDIRECT
    town.say(order.debtor.bic, order)
    kind = StatusKind.NAUT if why == "not executed" else StatusKind.AUTH
    assert [o for o in town.say(order.creditor.bic, answer(order, kind)) if o.copy] == []


@pytest.mark.parametrize("sender", [BANK_BIC, INDIRECT_BIC, OPERATOR_BIC], ids=["debtor's", "creditor's", "direct"])
def test_a_copy_of_an_executed_order_is_sent_to_whom_it_concerns(sender):
    """AOS-I3."""
    town = Town()
    town.executed(TO_INDIRECT)
    out = town.say(sender, _copy_of(TO_INDIRECT.message_id, sender))
    assert town.said(out) == [(sender, "OrderCopy", "")]
    assert out[0].message.order == TO_INDIRECT


@pytest.mark.parametrize("why", ["unknown", "not executed", "another's"])
def test_a_copy_of_anything_else_is_an_error(why):
    """AOS-I3, AOS-R5."""
    town = Town()
    town.say(OPERATOR_BIC, TRANSFER)
    if why == "another's":
        town.say(BANK_BIC, answer(TRANSFER, StatusKind.AUTH))
    sender = INDIRECT_BIC if why == "another's" else BANK_BIC
    asked = _copy_of("NOTHING" if why == "unknown" else TRANSFER.message_id, sender)
    assert town.said(town.say(sender, asked)) == [(sender, "Receipt", "ERRC")]


# -- statements -------------------------------------------------------------------------------------------------------


def test_a_statement_of_today_says_what_moved_and_adds_up():
    """AOS-I4."""
    town = Town()
    town.executed()
    town.say(BANK_BIC, replace(RETURN, amount_minor=20_000))
    town.say(OPERATOR_BIC, answer(RETURN, StatusKind.AUTH))
    (out,) = town.say(OPERATOR_BIC, _statement())
    entries = out.message.entries
    assert (out.message.opening_minor, out.message.closing_minor) == (100_000, 70_000)
    assert [(e.direction, e.amount_minor, e.counterparty_bic) for e in entries] == [
        (Direction.DEBIT, 50_000, BANK_BIC),
        (Direction.CREDIT, 20_000, BANK_BIC),
    ]
    assert [e.message_id for e in entries] == [TRANSFER.message_id, RETURN.message_id]
    assert {e.end_to_end_id for e in entries} == {TRANSFER.end_to_end_id}
    assert out.message.original_message_id == "ASK"


def test_a_statement_of_another_day_has_that_days_entries_alone():
    """AOS-I4: any day within the period."""
    town = Town()
    town.executed()
    tomorrow = MOMENT + timedelta(days=1)
    (today,) = town.say(OPERATOR_BIC, _statement(), tomorrow)
    (next_day,) = town.say(OPERATOR_BIC, _statement(TODAY + timedelta(days=1)), tomorrow)
    assert (len(today.message.entries), len(next_day.message.entries)) == (1, 0)
    assert today.message.closing_minor == next_day.message.opening_minor == 50_000


def test_what_azips_moved_stands_in_the_statement():
    """AOS-I4, AOS-L4."""
    town = Town()
    town.system.limits.adjust(MOMENT)
    (out,) = town.say(OPERATOR_BIC, _statement())
    assert [(e.message_name, e.counterparty_bic, e.amount_minor) for e in out.message.entries] == [
        ("AZIPS", "NABZAZ2CRTS", 100_000)
    ]
    assert out.message.closing_minor == 0


def test_a_long_statement_comes_in_pages_of_the_same_balances():
    """AOS-I4: a page is never more than a participant's door takes."""
    town = Town()
    for number in range(401):
        town.executed(replace(TRANSFER, message_id=f"P{number}", end_to_end_id=f"e{number}", amount_minor=100))
    first, last = town.say(OPERATOR_BIC, _statement())
    assert [(o.message.page, o.message.last_page, len(o.message.entries)) for o in (first, last)] == [
        (1, False, 400),
        (2, True, 1),
    ]
    assert first.message.closing_minor == last.message.closing_minor == 100_000 - 40_100


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (_statement(TODAY + timedelta(days=1)), "DT01"),
        (_statement(TODAY - timedelta(days=91)), "DT01"),
        (_statement(account=BANK_CLEARING), "AC01"),
        (_statement(account="C-NOBODY"), "AC01"),
    ],
)
def test_a_statement_that_may_not_be_asked_for_is_an_error(asked, code):
    """AOS-I4, AOS-R5."""
    out = Town().say(OPERATOR_BIC, asked)
    assert Town.said(out) == [(OPERATOR_BIC, "Receipt", "ERRC")]
    assert out[0].message.reasons[0].code == code


def test_a_statement_of_the_oldest_day_of_the_period_is_given():
    """AOS-I4: 90 days ago and no longer."""
    out = Town().say(OPERATOR_BIC, _statement(TODAY - timedelta(days=90)))
    assert out[0].message.day == TODAY - timedelta(days=90)


def test_every_participant_gets_its_statement_when_the_day_ends_in_baku_and_once():
    """AOS-I8, AOS-G1."""
    town = Town()
    town.executed()
    midnight = end_of_day(TODAY)
    assert midnight == datetime(2026, 11, 22, 20, tzinfo=UTC)
    assert town.system.tick(midnight - timedelta(seconds=1)) == ()
    out = town.system.tick(midnight)
    of_the_format(out)
    assert [(o.to_bic, o.message.day, len(o.message.entries)) for o in out] == [
        (OPERATOR_BIC, TODAY, 1),
        (BANK_BIC, TODAY, 1),
        (INDIRECT_BIC, TODAY, 0),
    ]
    assert out[0].message.original_message_id is None
    assert town.system.tick(midnight + timedelta(seconds=1)) == ()


# -- the day and texts ------------------------------------------------------------------------------------------------


def test_the_operating_day_is_the_calendar_day_in_baku_at_any_hour():
    """AOS-I6, AOS-G1."""
    night = MOMENT.replace(hour=20, minute=0)  # midnight in Baku
    (out,) = Town().say(BANK_BIC, DayQuery(message_id="ASK", created_at=night), night)
    assert (out.message.day, out.message.begins_at) == (TODAY + timedelta(days=1), night)
    assert out.message.ends_at == night + timedelta(days=1)


def test_a_text_is_passed_on_as_it_is_even_at_night():
    """AOS-I7."""
    (out,) = Town().say(OPERATOR_BIC, samples.TEXT, MOMENT.replace(hour=22))
    assert (out.to_bic, out.message) == (BANK_BIC, samples.TEXT)


@pytest.mark.parametrize(
    "change", [{"from_bic": BANK_BIC}, {"to_bic": "YOXNAZ22"}], ids=["in another's name", "to nobody"]
)
def test_a_text_in_anothers_name_or_to_nobody_is_an_error(change):
    """AOS-I7, AOS-R5."""
    text: TextMessage = replace(samples.TEXT, **change)
    assert Town.said(Town().say(OPERATOR_BIC, text)) == [(OPERATOR_BIC, "Receipt", "ERRC")]
