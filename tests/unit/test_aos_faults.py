"""Which messages of AÖS a fault befalls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.aos.central.words import Outgoing
from adapters.aos.faults import AFTER_SENDING, Fault, FaultKind, FaultPlan, about_nothing, contrary
from contracts.iso20022 import MessageName, StatusKind, TransactionState
from contracts.iso20022.samples import RETURN, STATUS, TRANSFER

E2E = TRANSFER.end_to_end_id
CHOICES = [
    {"end_to_end_ids": frozenset({E2E})},
    {"ibans": frozenset({TRANSFER.creditor.iban})},
    {"amounts": frozenset({TRANSFER.amount_minor})},
]


STATUS_FAULTS = [kind for kind in FaultKind if kind not in AFTER_SENDING]


RETURNED = replace(STATUS, original_message_name=MessageName.RETURN)


def _befalling(fault: Fault, message, *, asked: bool = False, end_to_end_id: str = E2E) -> set[FaultKind]:
    plan = FaultPlan([fault])
    plan.note(TRANSFER)
    return set(plan.befalling(Outgoing(to_bic="x", message=message, end_to_end_id=end_to_end_id, asked=asked)))


@pytest.mark.parametrize("choice", CHOICES, ids=["end-to-end id", "IBAN", "amount"])
@pytest.mark.parametrize("kind", STATUS_FAULTS)
def test_a_fault_befalls_the_statuses_of_the_payments_it_names(kind, choice):
    fault = Fault(kind=kind, **choice)
    assert _befalling(fault, STATUS) == {kind}
    assert _befalling(fault, STATUS, end_to_end_id="other") == set()


@pytest.mark.parametrize("choice", CHOICES, ids=["end-to-end id", "IBAN", "amount"])
@pytest.mark.parametrize("kind", sorted(AFTER_SENDING))
def test_a_slow_or_broken_answer_befalls_the_order_itself(kind, choice):
    plan = FaultPlan([Fault(kind=kind, **choice)])
    assert set(plan.note(TRANSFER)) == {kind}
    assert plan.note(STATUS) == {}
    assert plan.befalling(Outgoing(to_bic="x", message=STATUS, end_to_end_id=E2E)) == {}


@pytest.mark.parametrize("state", [TransactionState.ACSC, TransactionState.RJCT])
def test_the_contrary_of_a_final_status_is_the_other_one_under_another_id(state):
    """AOS-P4, AOS-P5: what a participant must not believe."""
    status = replace(STATUS, state=state)
    turned = contrary(Outgoing(to_bic="x", message=status)).message
    assert {turned.state, state} == {TransactionState.ACSC, TransactionState.RJCT}
    assert turned.message_id != status.message_id
    assert turned.original_message_id == status.original_message_id


def test_what_is_not_final_has_no_contrary_and_what_is_no_status_no_stray():
    consent = replace(STATUS, kind=StatusKind.ACSP, state=TransactionState.ACSP)
    assert contrary(Outgoing(to_bic="x", message=consent)) is None
    assert contrary(Outgoing(to_bic="x", message=TRANSFER)) is None
    assert about_nothing(Outgoing(to_bic="x", message=TRANSFER)) is None


def test_a_stray_status_is_about_another_message_of_the_same_sender():
    stray = about_nothing(Outgoing(to_bic="x", message=STATUS)).message
    assert stray.original_message_id != STATUS.original_message_id
    assert stray.original_message_id[:12] == STATUS.original_message_id[:12]


@pytest.mark.parametrize("kind", [FaultKind.SILENCE, FaultKind.LATE, FaultKind.OUT_OF_ORDER, FaultKind.CONFLICTING])
def test_silence_and_lateness_spare_orders_and_answers_to_enquiries(kind):
    fault = Fault(kind=kind, end_to_end_ids=frozenset({E2E}))
    assert _befalling(fault, TRANSFER) == set()
    assert _befalling(fault, STATUS, asked=True) == set()


@pytest.mark.parametrize("kind", STATUS_FAULTS)
def test_a_fault_may_befall_returns_alone(kind):
    """AOS-T4, AOS-T5: the payment itself ran without it. Both have one end-to-end id."""
    fault = Fault(kind=kind, end_to_end_ids=frozenset({E2E}), about="pacs.004")
    assert _befalling(fault, STATUS) == set()
    assert _befalling(fault, RETURNED) == {kind}
    assert _befalling(fault, TRANSFER) == set()


@pytest.mark.parametrize("kind", sorted(AFTER_SENDING))
def test_a_slow_or_broken_answer_may_befall_returns_alone(kind):
    plan = FaultPlan([Fault(kind=kind, amounts=frozenset({TRANSFER.amount_minor}), about="pacs.004")])
    assert plan.note(TRANSFER) == {}
    assert set(plan.note(replace(RETURN, amount_minor=TRANSFER.amount_minor))) == {kind}


@pytest.mark.parametrize("kind", [FaultKind.SILENCE, FaultKind.LATE, FaultKind.CONFLICTING])
def test_answers_to_enquiries_are_befallen_where_the_fault_says_so(kind):
    """AOS-I1: not even the question is answered."""
    fault = Fault(kind=kind, end_to_end_ids=frozenset({E2E}), asked=True)
    assert _befalling(fault, STATUS, asked=True) == {kind}
