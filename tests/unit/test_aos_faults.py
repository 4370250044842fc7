"""Which messages of AÖS a fault befalls."""

from __future__ import annotations

import pytest

from adapters.aos.central.words import Outgoing
from adapters.aos.faults import Fault, FaultKind, FaultPlan
from contracts.iso20022.samples import STATUS, TRANSFER

E2E = TRANSFER.end_to_end_id
CHOICES = [
    {"end_to_end_ids": frozenset({E2E})},
    {"ibans": frozenset({TRANSFER.creditor.iban})},
    {"amounts": frozenset({TRANSFER.amount_minor})},
]


def _befalling(fault: Fault, message, *, asked: bool = False, end_to_end_id: str = E2E) -> set[FaultKind]:
    plan = FaultPlan([fault])
    plan.note(TRANSFER)
    return set(plan.befalling(Outgoing(to_bic="x", message=message, end_to_end_id=end_to_end_id, asked=asked)))


@pytest.mark.parametrize("choice", CHOICES, ids=["end-to-end id", "IBAN", "amount"])
@pytest.mark.parametrize("kind", FaultKind)
def test_a_fault_befalls_the_statuses_of_the_payments_it_names(kind, choice):
    fault = Fault(kind=kind, **choice)
    assert _befalling(fault, STATUS) == {kind}
    assert _befalling(fault, STATUS, end_to_end_id="other") == set()


@pytest.mark.parametrize("kind", [FaultKind.SILENCE, FaultKind.LATE])
def test_silence_and_lateness_spare_orders_and_answers_to_enquiries(kind):
    fault = Fault(kind=kind, end_to_end_ids=frozenset({E2E}))
    assert _befalling(fault, TRANSFER) == set()
    assert _befalling(fault, STATUS, asked=True) == set()
