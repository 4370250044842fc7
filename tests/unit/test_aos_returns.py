"""Returns and return requests, by the rule book (AOS-T1 to AOS-T6, AOS-R3, AOS-R4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from aos_town import BANK_CLEARING, INDIRECT_BIC, INDIRECT_HOLDER, OPERATOR_CLEARING, Town, answer

from adapters.aos.central.orders import OrderState, RecallState
from contracts.errors import ErrorCode, Refusal
from contracts.iso20022 import BusinessHeader, MessageName, OrderEnquiry, Reason, StatusKind, TransactionState, samples
from contracts.iso20022.samples import BANK_BIC, MOMENT, OPERATOR_BIC, RETURN, RETURN_REFUSAL, RETURN_REQUEST, TRANSFER

PAID = TRANSFER.amount_minor
RETURN_MESSAGE = "PaymentReturn"


@pytest.fixture
def town() -> Town:
    """With the sample payment executed."""
    town = Town()
    town.executed()
    return town


# -- the return -------------------------------------------------------------------------------------------------------


def test_a_return_is_blocked_at_the_creditor_agent_and_passed_to_the_debtor_agent(town):
    """AOS-T1, AOS-T2, AOS-M3."""
    out = town.say(BANK_BIC, RETURN)
    assert [(o.to_bic, o.message) for o in out] == [(OPERATOR_BIC, RETURN)]
    assert town.system.ledger.blocked(BANK_CLEARING) == PAID
    assert town.balance(BANK_CLEARING) == 5_000_000 + PAID


def test_auth_moves_the_money_back_and_stat_goes_to_both(town):
    """AOS-T3, AOS-T4."""
    town.say(BANK_BIC, RETURN)
    out = town.say(OPERATOR_BIC, answer(RETURN, StatusKind.AUTH))
    assert town.said(out) == [(BANK_BIC, "OrderStatus", "STAT"), (OPERATOR_BIC, "OrderStatus", "STAT")]
    assert all(o.message.original_message_name == MessageName.RETURN for o in out)
    assert {o.message.original_transaction_id for o in out} == {RETURN.return_id}
    assert (town.balance(OPERATOR_CLEARING), town.balance(BANK_CLEARING)) == (100_000, 5_000_000)


@pytest.mark.parametrize("how", ["NAUT", "silence"])
def test_naut_or_silence_releases_and_rjct_goes_to_both(town, how):
    """AOS-T3, AOS-T5."""
    town.say(BANK_BIC, RETURN)
    if how == "NAUT":
        out = town.say(OPERATOR_BIC, answer(RETURN, StatusKind.NAUT, Reason(code="AC04")))
    else:
        out = town.system.expire(MOMENT + timedelta(seconds=20))
    assert town.said(out) == [(BANK_BIC, "OrderStatus", "RJCT"), (OPERATOR_BIC, "OrderStatus", "RJCT")]
    assert out[0].message.reasons[0].code == ("AC04" if how == "NAUT" else "EL202")
    assert town.system.ledger.blocked(BANK_CLEARING) == 0
    assert town.balance(BANK_CLEARING) == 5_000_000 + PAID


def test_only_the_debtor_agent_may_answer_a_return(town):
    """AOS-T3, AOS-S1."""
    town.say(BANK_BIC, RETURN)
    out = town.say(BANK_BIC, answer(RETURN, StatusKind.AUTH))
    assert town.said(out) == [(BANK_BIC, "Receipt", "ERRC")]
    assert town.system.orders[RETURN.message_id].state is OrderState.BLOCKED


def test_a_return_is_asked_about_like_an_order(town):
    """AOS-I1."""
    town.say(BANK_BIC, RETURN)
    asked = OrderEnquiry(
        message_id="ASK-1",
        created_at=MOMENT,
        instructing_bic=BANK_BIC,
        instructed_bic=samples.SYSTEM_BIC,
        original_message_id=RETURN.message_id,
        original_message_name=MessageName.RETURN,
        original_end_to_end_id=RETURN.original_end_to_end_id,
        original_transaction_id=RETURN.return_id,
    )
    assert town.say(BANK_BIC, asked)[0].message.state is TransactionState.PDNG


REFUSED = [
    ("AOS-C2", "DT01", {"settlement_date": RETURN.settlement_date + timedelta(days=1)}),
    ("AOS-C3", "AM05", {"message_id": TRANSFER.message_id}),
    ("AOS-C5", "RC01", {"instructing_bic": OPERATOR_BIC}),
    ("AOS-C9", "AM02", {"amount_minor": 4_000_001}),
    ("AOS-T2", "ARDT", {"amount_minor": PAID + 1}),
    ("AOS-R5", "NOOR", {"original_message_id": "NOTHING"}),
    ("AOS-R5", "NOOR", {"original_end_to_end_id": "other"}),
    ("AOS-R5", "NOOR", {"debtor": replace(RETURN.debtor, iban=samples.BIDDER.iban)}),
]


@pytest.mark.parametrize(("rule", "code", "change"), REFUSED, ids=[f"{row[1]}-{i}" for i, row in enumerate(REFUSED)])
def test_a_return_that_breaks_a_rule_is_refused_by_pacs_002(town, rule, code, change):
    """AOS-R3 with AOS-C2, AOS-C3, AOS-C5, AOS-C9 and AOS-T2."""
    out = town.say(BANK_BIC, replace(RETURN, **change))
    assert town.said(out) == [(BANK_BIC, "OrderStatus", "RJCT")]
    assert out[0].message.original_message_name == MessageName.RETURN
    assert [reason.code for reason in out[0].message.reasons] == [code]
    assert out[0].message.reasons[0].text.startswith(rule)
    assert town.system.ledger.blocked(BANK_CLEARING) == 0


def test_a_return_with_a_closed_clearing_account_is_refused(town):
    """AOS-C6, AOS-R3."""
    town.system.ledger.close_account(OPERATOR_CLEARING)
    out = town.say(BANK_BIC, RETURN)
    assert [reason.code for reason in out[0].message.reasons] == ["AC01"]


def test_a_payment_that_is_not_executed_cannot_be_returned():
    """AOS-T1."""
    town = Town()
    town.say(OPERATOR_BIC, TRANSFER)
    out = town.say(BANK_BIC, RETURN)
    assert [reason.code for reason in out[0].message.reasons] == ["NOOR"]


def test_a_payment_is_returned_in_parts_but_never_more_than_once(town):
    """AOS-T4: what runs counts as returned, what was rejected does not."""
    half = replace(RETURN, amount_minor=PAID // 2)
    rest = replace(half, message_id="RTR-2", return_id="rtr-2")
    town.say(BANK_BIC, half)
    assert town.said(town.say(BANK_BIC, rest))[0][1] == RETURN_MESSAGE
    more = replace(half, message_id="RTR-3", amount_minor=1)
    assert town.say(BANK_BIC, more)[0].message.reasons[0].code == "ARDT"
    town.say(OPERATOR_BIC, answer(rest, StatusKind.NAUT))
    assert town.said(town.say(BANK_BIC, replace(more, message_id="RTR-4")))[0][1] == RETURN_MESSAGE


def test_a_return_the_creditor_agent_cannot_carry_is_refused_at_once():
    """AOS-T2."""
    town = Town()
    payment = town.executed(replace(TRANSFER, creditor=INDIRECT_HOLDER, amount_minor=300_000))
    spent = replace(TRANSFER, message_id="OUT", debtor=INDIRECT_HOLDER, creditor=samples.BIDDER)
    town.executed(replace(spent, instructing_bic=INDIRECT_BIC, instructed_bic=BANK_BIC, amount_minor=500_000))
    order = replace(RETURN, creditor=INDIRECT_HOLDER, instructing_bic=INDIRECT_BIC, amount_minor=payment.amount_minor)
    out = town.say(INDIRECT_BIC, order)
    assert out[0].message.reasons[0].code == "AM04"


@pytest.mark.parametrize(
    ("name", "answer_", "word", "rule"),
    [
        (MessageName.RETURN, "OrderStatus", "RJCT", "AOS-R3"),
        (MessageName.RETURN_REQUEST, "ReturnRefusal", "", "AOS-R4"),
    ],
)
def test_what_is_not_of_the_format_is_refused_in_the_words_of_its_rule(name, answer_, word, rule):
    """AOS-C1, AOS-C4 with AOS-R3, AOS-R4."""
    header = BusinessHeader(
        from_bic=BANK_BIC, to_bic=samples.SYSTEM_BIC, message_id="M1", message_name=name, created_at=MOMENT
    )
    refusal = Refusal(code=ErrorCode.SCHEMA_INVALID, facts={"path": "/Document/PmtRtr/TxInf"})
    out = Town().system.refuse_malformed(header, refusal, MOMENT)
    assert Town.said(out) == [(BANK_BIC, answer_, word)]
    assert out[0].message.reasons[0].code == "FF01"


# -- the return request -----------------------------------------------------------------------------------------------


def test_a_return_request_goes_to_the_creditor_agent(town):
    """AOS-T6, AOS-M4."""
    out = town.say(OPERATOR_BIC, RETURN_REQUEST)
    assert [(o.to_bic, o.message) for o in out] == [(BANK_BIC, RETURN_REQUEST)]
    assert town.system.recalls[RETURN_REQUEST.message_id].state is RecallState.PASSED


def test_a_granted_request_ends_with_the_return_executed(town):
    """AOS-T6 and AOS-T4."""
    town.say(OPERATOR_BIC, RETURN_REQUEST)
    town.say(BANK_BIC, RETURN)
    assert town.system.recalls[RETURN_REQUEST.message_id].state is RecallState.PASSED
    town.say(OPERATOR_BIC, answer(RETURN, StatusKind.AUTH))
    assert town.system.recalls[RETURN_REQUEST.message_id].state is RecallState.GRANTED


def test_a_refused_request_is_told_to_the_one_that_asked_once(town):
    """AOS-T6."""
    town.say(OPERATOR_BIC, RETURN_REQUEST)
    out = town.say(BANK_BIC, RETURN_REFUSAL)
    assert [(o.to_bic, o.message) for o in out] == [(OPERATOR_BIC, RETURN_REFUSAL)]
    assert town.say(BANK_BIC, RETURN_REFUSAL) == ()
    assert town.system.recalls[RETURN_REQUEST.message_id].state is RecallState.REFUSED


@pytest.mark.parametrize(
    "refusal",
    [replace(RETURN_REFUSAL, request_message_id="NOTHING"), replace(RETURN_REFUSAL, to_bic=INDIRECT_BIC)],
    ids=["no request", "another's"],
)
def test_a_refusal_of_nothing_is_an_error(town, refusal):
    """AOS-R5."""
    town.say(OPERATOR_BIC, RETURN_REQUEST)
    assert town.said(town.say(BANK_BIC, refusal)) == [(BANK_BIC, "Receipt", "ERRC")]


REQUESTS_REFUSED = [
    ("AM05", {"message_id": TRANSFER.message_id}),
    ("RC01", {"from_bic": BANK_BIC}),
    ("RC01", {"to_bic": "YOXNAZ22"}),
    ("NOOR", {"original_message_id": "NOTHING"}),
    ("NOOR", {"to_bic": INDIRECT_BIC}),
    ("NOOR", {"amount_minor": PAID + 1}),
]


@pytest.mark.parametrize(("code", "change"), REQUESTS_REFUSED)
def test_a_request_that_breaks_a_rule_is_refused_by_camt_029(town, code, change):
    """AOS-R4 with AOS-C3, AOS-C5."""
    out = town.say(OPERATOR_BIC, replace(RETURN_REQUEST, **change))
    assert town.said(out) == [(OPERATOR_BIC, "ReturnRefusal", "")]
    assert [reason.code for reason in out[0].message.reasons] == [code]
    assert town.system.recalls == {}


def test_what_is_returned_already_is_not_asked_back(town):
    """AOS-R4, AOS-T6."""
    town.say(BANK_BIC, RETURN)
    town.say(OPERATOR_BIC, answer(RETURN, StatusKind.AUTH))
    out = town.say(OPERATOR_BIC, RETURN_REQUEST)
    assert [reason.code for reason in out[0].message.reasons] == ["ARDT"]
