"""AÖS as pure code, by the rule book: checks and refusals, execution of orders, enquiries, silence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from aos_three import LATE, RULES, THIRD_BIC, assert_of_the_format, consent_to, status_of, system_of_three, words_of
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.aos.central.orders import OrderState
from contracts.errors import ErrorCode, Refusal
from contracts.fields import make_iban
from contracts.iso20022 import (
    BusinessHeader,
    CreditTransfer,
    OrderEnquiry,
    PaymentRequest,
    Reason,
    Receipt,
    ReceiptCode,
    RequestEnquiry,
    StatusKind,
    TransactionState,
)
from contracts.iso20022.samples import BANK_BIC, MOMENT, OPERATOR_BIC, REQUEST, SYSTEM_BIC, TRANSFER

# -- payment orders ---------------------------------------------------------------------------------------------------


def test_an_order_is_blocked_and_passed_to_the_creditor_agent():
    """AOS-P1, AOS-P2."""
    system = system_of_three()
    out = system.handle(TRANSFER, OPERATOR_BIC, MOMENT)
    assert [(o.to_bic, o.message) for o in out] == [(BANK_BIC, TRANSFER)]
    assert system.ledger.blocked("C-EHR") == TRANSFER.amount_minor
    assert system.ledger.balance("C-EHR") == 1_000_000


def test_auth_posts_and_stat_goes_to_both():
    """AOS-P3, AOS-P4, AOS-G2."""
    system = system_of_three()
    system.handle(TRANSFER, OPERATOR_BIC, MOMENT)
    out = system.handle(status_of(TRANSFER, StatusKind.AUTH), BANK_BIC, MOMENT)
    assert words_of(out) == [(OPERATOR_BIC, "OrderStatus", "STAT"), (BANK_BIC, "OrderStatus", "STAT")]
    assert {o.message.state for o in out} == {TransactionState.ACSC}
    assert system.ledger.balance("C-EHR") == 1_000_000 - TRANSFER.amount_minor
    assert system.ledger.balance("C-XZR") == 5_000_000 + TRANSFER.amount_minor
    assert system.ledger.blocked("C-EHR") == 0
    assert_of_the_format(out)


def test_naut_releases_and_rjct_with_the_agents_reason_goes_to_both():
    """AOS-P3, AOS-P5."""
    system = system_of_three()
    system.handle(TRANSFER, OPERATOR_BIC, MOMENT)
    out = system.handle(status_of(TRANSFER, StatusKind.NAUT, Reason(code="AC04")), BANK_BIC, MOMENT)
    assert words_of(out) == [(OPERATOR_BIC, "OrderStatus", "RJCT"), (BANK_BIC, "OrderStatus", "RJCT")]
    assert all(o.message.reasons == (Reason(code="AC04"),) for o in out)
    assert system.ledger.available("C-EHR") == 1_000_000
    assert system.ledger.balance("C-XZR") == 5_000_000


def test_silence_of_the_creditor_agent_ends_the_order_after_its_interval():
    """AOS-P5, AOS-G5; EL202 as in facts.md."""
    system = system_of_three()
    system.handle(TRANSFER, OPERATOR_BIC, MOMENT)
    assert system.next_due() == MOMENT + timedelta(seconds=20)
    assert system.expire(MOMENT + timedelta(seconds=19)) == ()
    out = system.expire(MOMENT + timedelta(seconds=20))  # when it says itself that it is due
    assert words_of(out) == [(OPERATOR_BIC, "OrderStatus", "RJCT"), (BANK_BIC, "OrderStatus", "RJCT")]
    assert out[0].message.reasons[0].code == "EL202"
    assert system.ledger.available("C-EHR") == 1_000_000
    assert system.expire(LATE) == ()
    assert system.next_due() is None


def test_auth_after_the_interval_moves_nothing_and_hears_the_outcome_again():
    """AOS-P5."""
    system = system_of_three()
    system.handle(TRANSFER, OPERATOR_BIC, MOMENT)
    system.expire(LATE)
    out = system.handle(status_of(TRANSFER, StatusKind.AUTH), BANK_BIC, LATE)
    assert words_of(out) == [(BANK_BIC, "OrderStatus", "RJCT")]
    assert system.ledger.balance("C-XZR") == 5_000_000


def test_auth_twice_posts_once():
    """AOS-P4."""
    system = system_of_three()
    system.handle(TRANSFER, OPERATOR_BIC, MOMENT)
    system.handle(status_of(TRANSFER, StatusKind.AUTH), BANK_BIC, MOMENT)
    out = system.handle(status_of(TRANSFER, StatusKind.NAUT, number=901), BANK_BIC, MOMENT)
    assert words_of(out) == [(BANK_BIC, "OrderStatus", "STAT")]
    assert system.ledger.balance("C-XZR") == 5_000_000 + TRANSFER.amount_minor


def test_only_the_creditor_agent_may_answer():
    """AOS-P3, AOS-S1."""
    system = system_of_three()
    system.handle(TRANSFER, OPERATOR_BIC, MOMENT)
    out = system.handle(status_of(TRANSFER, StatusKind.AUTH), THIRD_BIC, MOMENT)
    assert words_of(out) == [(THIRD_BIC, "Receipt", "ERRC")]
    assert system.orders[TRANSFER.message_id].state is OrderState.BLOCKED


def test_an_order_beyond_the_liquidity_is_refused_at_once():
    """AOS-P2 with facts.md: refused at once when the bank's liquidity is short."""
    system = system_of_three(operator_balance=TRANSFER.amount_minor - 1)
    out = system.handle(TRANSFER, OPERATOR_BIC, MOMENT)
    assert words_of(out) == [(OPERATOR_BIC, "OrderStatus", "RJCT")]
    assert out[0].message.reasons[0].code == "AM04"


# -- checks and refusals ----------------------------------------------------------------------------------------------

OTHER_DAY = TRANSFER.settlement_date + timedelta(days=1)
UNKNOWN_BIC = replace(TRANSFER.creditor, bic="YOXNAZ22")
CHECKED = [
    ("AOS-C2", "DT01", replace(TRANSFER, settlement_date=OTHER_DAY)),
    ("AOS-C5", "RC01", replace(TRANSFER, creditor=UNKNOWN_BIC)),
    ("AOS-C5", "RC01", replace(TRANSFER, instructing_bic=BANK_BIC)),
    ("AOS-C5", "RC01", replace(TRANSFER, debtor=replace(TRANSFER.debtor, bic=BANK_BIC))),
    ("AOS-C7", "AC02", replace(TRANSFER, debtor_agent_account=make_iban("NABZ", "9"))),
    ("AOS-C8", "AC03", replace(TRANSFER, debtor_agent_account=make_iban("NABZ", "2"))),
    ("AOS-C9", "AM02", replace(TRANSFER, amount_minor=4_000_001)),
]


@pytest.mark.parametrize(("rule", "code", "order"), CHECKED, ids=[f"{row[0]}-{i}" for i, row in enumerate(CHECKED)])
def test_a_broken_rule_is_refused_by_pacs_002_with_its_code_and_rule(rule, code, order):
    """AOS-C2, AOS-C5, AOS-C7, AOS-C8, AOS-C9 and AOS-R1."""
    system = system_of_three(operator_balance=9_000_000)
    out = system.handle(order, OPERATOR_BIC, MOMENT)
    assert words_of(out) == [(OPERATOR_BIC, "OrderStatus", "RJCT")]
    assert [reason.code for reason in out[0].message.reasons] == [code]
    assert out[0].message.reasons[0].text.startswith(rule)
    assert system.orders == {}
    assert system.ledger.blocked("C-EHR") == 0
    assert_of_the_format(out)


def test_an_order_without_fault_names_its_correspondent_accounts():
    """AOS-C7, AOS-C8."""
    system = system_of_three()
    named = replace(
        TRANSFER, debtor_agent_account=make_iban("NABZ", "1"), creditor_agent_account=make_iban("NABZ", "2")
    )
    assert words_of(system.handle(named, OPERATOR_BIC, MOMENT)) == [(BANK_BIC, "CreditTransfer", "")]


def test_a_closed_clearing_account_is_refused():
    """AOS-C6."""
    system = system_of_three()
    system.ledger.close_account("C-XZR")
    out = system.handle(TRANSFER, OPERATOR_BIC, MOMENT)
    assert [reason.code for reason in out[0].message.reasons] == ["AC01"]


def test_a_repeated_document_number_is_refused_and_the_first_order_goes_on():
    """AOS-C3."""
    system = system_of_three()
    system.handle(TRANSFER, OPERATOR_BIC, MOMENT)
    out = system.handle(replace(TRANSFER, amount_minor=1), OPERATOR_BIC, MOMENT)
    assert [reason.code for reason in out[0].message.reasons] == ["AM05"]
    assert system.orders[TRANSFER.message_id].state is OrderState.BLOCKED
    assert system.ledger.blocked("C-EHR") == TRANSFER.amount_minor


def test_payments_to_the_budget_are_excepted_from_the_maximum():
    """AOS-C9 with facts.md."""
    system = system_of_three(operator_balance=9_000_000)
    system.rules = replace(RULES, budget_bics=frozenset({BANK_BIC}))
    out = system.handle(replace(TRANSFER, amount_minor=5_000_000), OPERATOR_BIC, MOMENT)
    assert words_of(out) == [(BANK_BIC, "CreditTransfer", "")]


def test_the_value_date_is_the_day_in_baku_at_any_hour():
    """AOS-C2, AOS-G1: 21:00 UTC on the 22nd is the 23rd in Baku."""
    night = MOMENT.replace(hour=21)
    order = replace(TRANSFER, settlement_date=OTHER_DAY)
    assert words_of(system_of_three().handle(order, OPERATOR_BIC, night)) == [(BANK_BIC, "CreditTransfer", "")]


def test_a_request_that_breaks_a_rule_is_refused_by_camt_025():
    """AOS-R2, AOS-C9."""
    system = system_of_three()
    out = system.handle(replace(REQUEST, amount_minor=4_000_001), OPERATOR_BIC, MOMENT)
    assert words_of(out) == [(OPERATOR_BIC, "Receipt", "RJCT")]
    assert out[0].message.original_message_id == REQUEST.message_id
    assert out[0].message.reasons[0].code == "AM02"
    assert_of_the_format(out)


MALFORMED = [
    ("pacs.008.001.08", "OrderStatus", "RJCT", "AOS-R1"),
    ("pain.001.001.09", "Receipt", "RJCT", "AOS-R2"),
    ("pacs.028.001.03", "Receipt", "ERRC", "AOS-R5"),
    ("pain.998.001.01", "Receipt", "ERRC", "AOS-R5"),
]


@pytest.mark.parametrize(("name", "answer", "word", "rule"), MALFORMED, ids=[row[0] for row in MALFORMED])
def test_what_is_not_of_the_format_is_refused_with_the_path_of_the_fault(name, answer, word, rule):
    """AOS-C1, AOS-C4 with AOS-R1, AOS-R2, AOS-R5."""
    header = BusinessHeader(
        from_bic=OPERATOR_BIC, to_bic=SYSTEM_BIC, message_id="M1", message_name=name, created_at=MOMENT
    )
    refusal = Refusal(code=ErrorCode.SCHEMA_INVALID, facts={"path": "/Document/X[2]/Amt"})
    out = system_of_three().refuse_malformed(header, refusal, MOMENT)
    assert words_of(out) == [(OPERATOR_BIC, answer, word)]
    assert out[0].message.original_message_id == "M1"
    assert out[0].message.reasons[0].code == "FF01"
    assert "/Document/X-2/Amt" in out[0].message.reasons[0].text
    assert_of_the_format(out)


# -- enquiries --------------------------------------------------------------------------------------------------------


def _ask_order(transfer: CreditTransfer) -> OrderEnquiry:
    return OrderEnquiry(
        message_id="EHRNAZ22A001261122000000000000700",
        created_at=MOMENT,
        instructing_bic=OPERATOR_BIC,
        instructed_bic=SYSTEM_BIC,
        original_message_id=transfer.message_id,
        original_message_name="pacs.008.001.08",
        original_end_to_end_id=transfer.end_to_end_id,
        original_transaction_id=transfer.transaction_id,
    )


def _ask_request(request: PaymentRequest) -> RequestEnquiry:
    return RequestEnquiry(
        message_id="EHRNAZ22A001261122000000000000701",
        created_at=MOMENT,
        original_message_id=request.message_id,
        original_instruction_id=request.instruction_id,
        original_end_to_end_id=request.end_to_end_id,
    )


def test_an_enquiry_hears_what_holds_before_and_after():
    """AOS-I1."""
    system = system_of_three()
    system.handle(TRANSFER, OPERATOR_BIC, MOMENT)
    states = [system.handle(_ask_order(TRANSFER), OPERATOR_BIC, MOMENT)[0].message.state]
    system.handle(status_of(TRANSFER, StatusKind.AUTH), BANK_BIC, MOMENT)
    out = system.handle(_ask_order(TRANSFER), OPERATOR_BIC, MOMENT)
    assert [*states, out[0].message.state] == [TransactionState.PDNG, TransactionState.ACSC]
    assert words_of(out) == [(OPERATOR_BIC, "OrderStatus", "STAT")]
    assert out[0].asked


def test_an_enquiry_about_a_request_hears_what_holds():
    """AOS-I2."""
    system = system_of_three()
    system.handle(REQUEST, OPERATOR_BIC, MOMENT)
    heard = [system.handle(_ask_request(REQUEST), OPERATOR_BIC, MOMENT)]
    system.handle(consent_to(REQUEST), BANK_BIC, MOMENT)
    heard.append(system.handle(_ask_request(REQUEST), OPERATOR_BIC, MOMENT))
    assert [out[0].message.state for out in heard] == [TransactionState.PDNG, TransactionState.ACSP]
    assert words_of(heard[1]) == [(OPERATOR_BIC, "RequestStatus", "STAT")]
    for out in heard:
        assert_of_the_format(out)


@pytest.mark.parametrize("ask", [_ask_order(TRANSFER), _ask_request(REQUEST)], ids=["order", "request"])
def test_an_enquiry_about_nothing_or_anothers_is_an_error(ask):
    """AOS-R5."""
    system = system_of_three()
    assert words_of(system.handle(ask, OPERATOR_BIC, MOMENT)) == [(OPERATOR_BIC, "Receipt", "ERRC")]
    system.handle(TRANSFER, OPERATOR_BIC, MOMENT)
    system.handle(REQUEST, OPERATOR_BIC, MOMENT)
    assert words_of(system.handle(ask, THIRD_BIC, MOMENT)) == [(THIRD_BIC, "Receipt", "ERRC")]


def test_a_message_only_aos_may_send_is_an_error():
    """AOS-R5."""
    receipt = Receipt(
        message_id="M1",
        created_at=MOMENT,
        original_message_id="M0",
        original_message_name="pain.001.001.09",
        code=ReceiptCode.RJCT,
    )
    assert words_of(system_of_three().handle(receipt, BANK_BIC, MOMENT)) == [(BANK_BIC, "Receipt", "ERRC")]


# -- everything at once -----------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["order", "request", "consent", "AUTH", "NAUT", "expire"]),
            st.integers(0, 5),
            st.integers(1, 2_000_000),
        ),
        max_size=40,
    )
)
def test_in_any_order_of_messages_money_is_conserved_and_no_order_executes_twice(steps):
    """AOS-P2 to AOS-P7: whatever is sent, the sum is zero and every settled order was posted exactly once."""
    system = system_of_three()
    now = MOMENT
    for action, which, amount in steps:
        order = replace(TRANSFER, message_id=f"ORDER-{which}", end_to_end_id=f"E{which}", amount_minor=amount)
        request = replace(REQUEST, message_id=f"REQUEST-{which}", end_to_end_id=f"R{which}", amount_minor=amount)
        consent = replace(consent_to(request), message_id=f"CONSENT-{which}")
        if action == "order":
            system.handle(order, OPERATOR_BIC, now)
        elif action == "request":
            system.handle(request, OPERATOR_BIC, now)
        elif action == "consent":
            held = system.requests.get(request.message_id)
            if held is not None:
                consent = replace(consent, amount_minor=held.request.amount_minor)
            system.handle(consent, BANK_BIC, now)
        elif action == "expire":
            now += timedelta(seconds=7)
            system.expire(now)
        else:
            for answered, agent in ((order, BANK_BIC), (consent, OPERATOR_BIC)):
                system.handle(status_of(answered, StatusKind(action)), agent, now)
        assert sum(system.ledger.balances().values()) == 0
        settled = [key for key, held in system.orders.items() if held.state is OrderState.SETTLED]
        posted = [
            posting.reference for posting in system.ledger.postings if not posting.reference.startswith("opening")
        ]
        assert sorted(settled) == sorted(posted)
        blocked = sum(o.transfer.amount_minor for o in system.orders.values() if o.state is OrderState.BLOCKED)
        assert blocked == system.ledger.blocked("C-EHR") + system.ledger.blocked("C-XZR")
