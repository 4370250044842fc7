"""Debit limits, positions, adjustments, warnings and balances, by the rule book (AOS-G2, AOS-G3, AOS-L1 to AOS-L6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from aos_town import (
    BANK_CLEARING,
    INDIRECT_BIC,
    INDIRECT_CLEARING,
    INDIRECT_HOLDER,
    OPERATOR_CLEARING,
    OPERATOR_FUNDS,
    OPERATOR_SETTLEMENT,
    RULES,
    Town,
)

from contracts.iso20022 import LimitChange, LimitQuery, samples
from contracts.iso20022.samples import BANK_BIC, MOMENT, OPERATOR_BIC, TRANSFER


def _change(account: str, limit: int, number: int = 1) -> LimitChange:
    return LimitChange(
        message_id=f"LIM-{number}", created_at=MOMENT, owner_bic=OPERATOR_BIC, account=account, limit_minor=limit
    )


def _query(account: str) -> LimitQuery:
    return LimitQuery(message_id="ASK", created_at=MOMENT, owner_bic=OPERATOR_BIC, account=account)


def _spend(town: Town, amount: int, number: int = 1, *, indirect: bool = False) -> None:
    """By the operator, or by the indirect participant it settles for."""
    order = replace(TRANSFER, message_id=f"PAY-{number}", end_to_end_id=f"e{number}", amount_minor=amount)
    if indirect:
        order = replace(order, debtor=INDIRECT_HOLDER, instructing_bic=INDIRECT_BIC)
    town.executed(order)


# -- what an account may spend ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("amount", "passes"), [(500_000, True), (500_001, False)])
def test_a_clearing_account_spends_its_balance_and_its_limit(amount, passes):
    """AOS-G2, AOS-P2."""
    out = Town().say(OPERATOR_BIC, replace(TRANSFER, amount_minor=amount))
    assert (out[0].to_bic == BANK_BIC) is passes


@pytest.mark.parametrize(("amount", "passes"), [(200_000, True), (200_001, False)])
def test_all_clearing_accounts_together_never_spend_more_than_their_settlement_account_carries(amount, passes):
    """AOS-G3: 100 000 and a limit of 600 000; the operator has spent 500 000."""
    town = Town()
    _spend(town, 500_000)
    order = replace(TRANSFER, message_id="PAY-9", debtor=INDIRECT_HOLDER, instructing_bic=INDIRECT_BIC)
    out = town.say(INDIRECT_BIC, replace(order, amount_minor=amount))
    assert (out[0].to_bic == BANK_BIC) is passes


# -- changing limits --------------------------------------------------------------------------------------------------


def test_azips_raises_the_settlement_limit_by_every_order_and_debits_nothing():
    """AOS-L1."""
    town = Town()
    for expected in (850_000, 1_100_000):
        out = town.system.limits.raised(OPERATOR_BIC, 250_000, MOMENT)
        assert [(o.to_bic, o.message.limit_minor) for o in out] == [(OPERATOR_BIC, expected)]
    assert town.balance(OPERATOR_FUNDS) == 2_000_000


def test_who_has_no_settlement_account_has_no_limit_to_raise():
    """AOS-L1, AOS-G3."""
    with pytest.raises(ValueError, match=INDIRECT_BIC):
        Town().system.limits.raised(INDIRECT_BIC, 1, MOMENT)


CHANGES = [
    ("AOS-L2", OPERATOR_SETTLEMENT, 2_000_000, "LimitReport", None),
    ("AOS-L2", OPERATOR_SETTLEMENT, 400_001, "LimitReport", None),
    ("AOS-L2", OPERATOR_SETTLEMENT, 400_000, "Receipt", "AM03"),
    ("AOS-L2", OPERATOR_SETTLEMENT, 2_000_001, "Receipt", "AM04"),
    ("AOS-L3", OPERATOR_CLEARING, 400_001, "LimitReport", None),
    ("AOS-L3", OPERATOR_CLEARING, 400_000, "Receipt", "AM03"),
    ("AOS-L3", INDIRECT_CLEARING, 1, "LimitReport", None),
    ("AOS-L3", BANK_CLEARING, 1_000_000, "Receipt", "AC01"),
    ("AOS-L3", "C-NOBODY", 1_000_000, "Receipt", "AC01"),
]


@pytest.mark.parametrize(("rule", "account", "limit", "answer", "code"), CHANGES)
def test_a_limit_above_the_net_debit_position_is_done_and_any_other_is_an_error(rule, account, limit, answer, code):
    """AOS-L2, AOS-L3, AOS-R5: the operator stands at 400 000 below zero."""
    town = Town()
    _spend(town, 500_000)
    before = town.system.ledger.limit(account)
    out = town.say(OPERATOR_BIC, _change(account, limit))
    assert [(o.to_bic, type(o.message).__name__) for o in out] == [(OPERATOR_BIC, answer)]
    if code is None:
        assert (out[0].message.limit_minor, out[0].message.original_message_id) == (limit, "LIM-1")
        assert town.system.ledger.limit(account) == limit
    else:
        assert out[0].message.reasons[0].code == code
        assert town.system.ledger.limit(account) == before


def test_money_held_for_orders_counts_as_spent():
    """AOS-L3: a limit that would not carry what is blocked already is refused."""
    town = Town()
    town.say(OPERATOR_BIC, replace(TRANSFER, amount_minor=150_000))
    refused, done = [town.say(OPERATOR_BIC, _change(OPERATOR_CLEARING, limit, limit)) for limit in (50_000, 50_001)]
    assert refused[0].message.reasons[0].code == "AM03"
    assert done[0].message.available_minor == 1


def test_an_indirect_participant_changes_no_limit():
    """AOS-L3: the direct participant it settles through does."""
    out = Town().say(INDIRECT_BIC, _change(INDIRECT_CLEARING, 1_000_000))
    assert Town.said(out) == [(INDIRECT_BIC, "Receipt", "ERRC")]


def test_a_repeated_change_is_an_error():
    """AOS-C3, AOS-R5."""
    town = Town()
    town.say(OPERATOR_BIC, _change(OPERATOR_CLEARING, 500_000))
    out = town.say(OPERATOR_BIC, _change(OPERATOR_CLEARING, 100_000))
    assert out[0].message.reasons[0].code == "AM05"
    assert town.system.ledger.limit(OPERATOR_CLEARING) == 500_000


# -- adjustments ------------------------------------------------------------------------------------------------------


def test_an_adjustment_takes_positions_to_azips_and_brings_cover_from_there():
    """AOS-L4: operator 400 000 below zero, the indirect one 200 000 above: 200 000 leave the correspondent account."""
    town = Town()
    _spend(town, 500_000)
    town.executed(
        replace(
            TRANSFER,
            message_id="IN",
            debtor=samples.BIDDER,
            creditor=INDIRECT_HOLDER,
            instructing_bic=BANK_BIC,
            amount_minor=200_000,
        )
    )
    town.system.limits.adjust(MOMENT)
    assert [town.balance(name) for name in (OPERATOR_CLEARING, INDIRECT_CLEARING, OPERATOR_SETTLEMENT)] == [0, 0, 0]
    assert town.balance(OPERATOR_FUNDS) == 1_800_000
    assert sum(town.system.ledger.balances().values()) == 0


def test_an_adjustment_leaves_what_is_held_for_orders():
    """AOS-L4, AOS-P2."""
    town = Town()
    town.say(OPERATOR_BIC, replace(TRANSFER, amount_minor=60_000))
    town.system.limits.adjust(MOMENT)
    assert town.balance(OPERATOR_CLEARING) == 60_000
    assert town.balance(OPERATOR_FUNDS) == 2_040_000


def test_what_one_account_holds_for_the_orders_of_another_stays_too():
    """AOS-L4, AOS-G3: the indirect participant's order is carried by what the operator has."""
    town = Town()
    town.say(OPERATOR_BIC, _change(OPERATOR_SETTLEMENT, 1))
    order = replace(TRANSFER, debtor=INDIRECT_HOLDER, instructing_bic=INDIRECT_BIC, amount_minor=90_000)
    town.say(INDIRECT_BIC, order)
    town.system.limits.adjust(MOMENT)
    assert town.balance(OPERATOR_CLEARING) == 89_999
    assert town.system.ledger.available(OPERATOR_SETTLEMENT) == 0


def test_no_limit_outlives_the_funds_behind_it():
    """AOS-L1, AOS-L4."""
    town = Town()
    town.say(OPERATOR_BIC, _change(OPERATOR_SETTLEMENT, 2_000_000))
    _spend(town, 500_000)
    town.system.limits.adjust(MOMENT)
    assert town.balance(OPERATOR_FUNDS) == town.system.ledger.limit(OPERATOR_SETTLEMENT) == 1_600_000


def test_adjustments_happen_at_their_times_of_day_in_baku_and_once_each():
    """AOS-L4, AOS-G5: 13:00 in Baku is 09:00 UTC."""
    town = Town(rules=replace(RULES, adjustments=(time(13), time(18))))
    moments = [datetime(2026, 11, 22, 8, 59, 59, tzinfo=UTC) + timedelta(seconds=n) for n in range(3)]
    for moment in moments:
        town.system.tick(moment)
    assert town.balance(OPERATOR_FUNDS) == 2_100_000
    assert len([p for p in town.system.ledger.postings if p.at is not None]) == 2


# -- warnings and balances --------------------------------------------------------------------------------------------


def test_a_limit_below_the_threshold_is_told_once_to_the_direct_participant():
    """AOS-L5: again only after it has recovered."""
    town = Town(rules=replace(RULES, warning_threshold=100_000))
    order = replace(TRANSFER, debtor=INDIRECT_HOLDER, instructing_bic=INDIRECT_BIC, amount_minor=250_000)
    first = town.say(INDIRECT_BIC, order)
    told = [o for o in first if type(o.message).__name__ == "LimitReport"]
    assert [(o.to_bic, o.message.account, o.message.available_minor) for o in told] == [
        (OPERATOR_BIC, INDIRECT_CLEARING, 50_000)
    ]
    again = town.say(INDIRECT_BIC, replace(order, message_id="M2", amount_minor=10_000))
    assert len(again) == 1
    town.system.expire(MOMENT + timedelta(seconds=21))
    later = town.say(INDIRECT_BIC, replace(order, message_id="M3"))
    assert [type(o.message).__name__ for o in later] == ["CreditTransfer", "LimitReport"]


@pytest.mark.parametrize(
    ("sender", "account", "known"),
    [
        (OPERATOR_BIC, OPERATOR_CLEARING, True),
        (OPERATOR_BIC, OPERATOR_SETTLEMENT, True),
        (OPERATOR_BIC, INDIRECT_CLEARING, True),
        (INDIRECT_BIC, INDIRECT_CLEARING, True),
        (INDIRECT_BIC, OPERATOR_CLEARING, False),
        (BANK_BIC, OPERATOR_CLEARING, False),
        (BANK_BIC, "C-NOBODY", False),
    ],
)
def test_a_balance_is_told_to_the_owner_and_to_who_settles_for_it(sender, account, known):
    """AOS-L6, AOS-I5: camt.010, or camt.025/ERRC."""
    out = Town().say(sender, _query(account))
    assert Town.said(out) == [(sender, "LimitReport", "")] if known else [(sender, "Receipt", "ERRC")]
    assert out[0].asked


def test_a_balance_says_limit_position_and_what_is_left():
    """AOS-I5: 500 000 spent, 20 000 blocked."""
    town = Town()
    _spend(town, 470_000)
    town.say(OPERATOR_BIC, replace(TRANSFER, message_id="M2", amount_minor=20_000))
    report = town.say(OPERATOR_BIC, _query(OPERATOR_CLEARING))[0].message
    assert (report.limit_minor, report.balance_minor, report.available_minor) == (400_000, -370_000, 10_000)
