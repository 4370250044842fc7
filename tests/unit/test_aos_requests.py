"""AÖS as pure code, by the rule book: requests for payment, the debtor agent's consent, silence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aos_three import LATE, assert_of_the_format, consent_to, status_of, system_of_three, words_of

from adapters.aos.central.orders import RequestState
from contracts.iso20022 import (
    PaymentRequest,
    Reason,
    RequestStatus,
    StatusKind,
    TransactionState,
)
from contracts.iso20022.samples import BANK_BIC, MOMENT, OPERATOR_BIC, REQUEST, SYSTEM_BIC, TRANSFER

# -- payment requests -------------------------------------------------------------------------------------------------


def test_a_request_goes_to_the_debtor_agent_and_its_order_is_its_consent():
    """AOS-P7, AOS-M2: the initiator hears ACSP with the MSID; the order runs as any."""
    system = system_of_three()
    assert words_of(system.handle(REQUEST, OPERATOR_BIC, MOMENT)) == [(BANK_BIC, "PaymentRequest", "")]
    consent = consent_to(REQUEST)
    out = system.handle(consent, BANK_BIC, MOMENT)
    assert words_of(out) == [(OPERATOR_BIC, "RequestStatus", "ACSP"), (OPERATOR_BIC, "CreditTransfer", "")]
    assert out[0].message.msid == consent.message_id
    assert out[1].message.case_number == REQUEST.case_number  # EHR-12
    assert_of_the_format(out)


def test_stat_of_a_request_goes_to_both_agents_and_the_initiator():
    """AOS-P7."""
    system = system_of_three()
    system.handle(REQUEST, OPERATOR_BIC, MOMENT)
    consent = consent_to(REQUEST)
    system.handle(consent, BANK_BIC, MOMENT)
    out = system.handle(status_of(consent, StatusKind.AUTH), OPERATOR_BIC, MOMENT)
    assert words_of(out) == [
        (BANK_BIC, "OrderStatus", "STAT"),
        (OPERATOR_BIC, "OrderStatus", "STAT"),
        (OPERATOR_BIC, "RequestStatus", "STAT"),
    ]
    assert out[2].message.msid == consent.message_id
    assert system.ledger.balance("C-EHR") == 1_000_000 + REQUEST.amount_minor


def test_a_refused_request_is_told_to_the_initiator_with_ea178_and_the_banks_reason():
    """AOS-P7 with facts.md: EA178 (+ AM04)."""
    system = system_of_three()
    system.handle(REQUEST, OPERATOR_BIC, MOMENT)
    out = system.handle(_naut(REQUEST), BANK_BIC, MOMENT)
    assert words_of(out) == [(OPERATOR_BIC, "RequestStatus", "RJCT")]
    assert [reason.code for reason in out[0].message.reasons] == ["EA178", "AM04"]
    assert system.handle(_naut(REQUEST), BANK_BIC, MOMENT) == ()


def _naut(request: PaymentRequest) -> RequestStatus:
    return RequestStatus(
        message_id="XZRNAZ22A001261122000000000000501",
        created_at=MOMENT,
        initiating_bic=SYSTEM_BIC,
        forwarding_bic=BANK_BIC,
        original_message_id=request.message_id,
        original_payment_information_id=request.payment_information_id,
        original_instruction_id=request.instruction_id,
        original_end_to_end_id=request.end_to_end_id,
        kind=StatusKind.NAUT,
        state=TransactionState.RJCT,
        reasons=(Reason(code="AM04"),),
    )


def test_silence_of_the_debtor_agent_ends_the_request():
    """AOS-P7; EP252 as in facts.md."""
    system = system_of_three()
    system.handle(REQUEST, OPERATOR_BIC, MOMENT)
    out = system.expire(LATE)
    assert words_of(out) == [(OPERATOR_BIC, "RequestStatus", "RJCT")]
    assert out[0].message.reasons[0].code == "EP252"


def test_a_consent_that_comes_too_late_moves_nothing():
    """AOS-P7: the initiator has heard RJCT already."""
    system = system_of_three()
    system.handle(REQUEST, OPERATOR_BIC, MOMENT)
    system.expire(LATE)
    out = system.handle(consent_to(REQUEST), BANK_BIC, LATE)
    assert words_of(out) == [(BANK_BIC, "OrderStatus", "RJCT")]
    assert system.ledger.blocked("C-XZR") == 0


@pytest.mark.parametrize(
    "change",
    [{"amount_minor": REQUEST.amount_minor + 1}, {"case_number": None}, {"creditor": TRANSFER.creditor}],
    ids=["amount", "case number", "creditor"],
)
def test_a_consent_to_something_else_is_refused(change):
    """AOS-P7, EHR-12."""
    system = system_of_three()
    system.handle(REQUEST, OPERATOR_BIC, MOMENT)
    out = system.handle(replace(consent_to(REQUEST), **change), BANK_BIC, MOMENT)
    assert words_of(out) == [(BANK_BIC, "OrderStatus", "RJCT")]
    assert out[0].message.reasons[0].code == "AM09"
    assert system.requests[REQUEST.message_id].state is RequestState.PASSED


def test_naut_of_the_credit_is_told_to_the_initiator_too():
    """AOS-P5, AOS-P7."""
    system = system_of_three()
    system.handle(REQUEST, OPERATOR_BIC, MOMENT)
    consent = consent_to(REQUEST)
    system.handle(consent, BANK_BIC, MOMENT)
    out = system.handle(status_of(consent, StatusKind.NAUT, Reason(code="AC01")), OPERATOR_BIC, MOMENT)
    assert (OPERATOR_BIC, "RequestStatus", "RJCT") in words_of(out)
    assert (BANK_BIC, "OrderStatus", "RJCT") in words_of(out)
    assert system.ledger.available("C-XZR") == 5_000_000
