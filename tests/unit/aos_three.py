"""A central system with three participants, and what they say to it. No test here."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from adapters.aos.central.checks import OperatingRules
from adapters.aos.central.participants import Participant
from adapters.aos.central.system import InstantPaymentSystem
from contracts.fields import make_iban
from contracts.iso20022 import (
    CreditTransfer,
    OrderStatus,
    PaymentRequest,
    Reason,
    StatusKind,
    registry,
)
from contracts.iso20022.codes import STATE_OF_KIND
from contracts.iso20022.samples import BANK_BIC, MOMENT, OPERATOR_BIC, SYSTEM_BIC

THIRD_BIC = "GNSNAZ22"
RULES = OperatingRules(confirmation_interval_s=20, request_interval_s=15)
LATE = MOMENT + timedelta(seconds=21)


def system_of_three(*, operator_balance=1_000_000, bank_balance=5_000_000) -> InstantPaymentSystem:
    rows = (
        Participant(
            bic=OPERATOR_BIC,
            code="GATEWAY",
            name="operator",
            clearing_account="C-EHR",
            correspondent_account=make_iban("NABZ", "1"),
            opening_balance=operator_balance,
        ),
        Participant(
            bic=BANK_BIC,
            code="999101",
            name="bank",
            clearing_account="C-XZR",
            correspondent_account=make_iban("NABZ", "2"),
            opening_balance=bank_balance,
        ),
        Participant(bic=THIRD_BIC, code="999202", name="third", clearing_account="C-GNS"),
    )
    numbers = count(1)
    return InstantPaymentSystem(SYSTEM_BIC, rows, RULES, lambda now: f"NABZAZ2CAIPS261122{next(numbers):015d}")


def status_of(transfer: CreditTransfer, kind: StatusKind, *reasons: Reason, number: int = 900) -> OrderStatus:
    return OrderStatus(
        message_id=f"XZRNAZ22A001261122{number:015d}",
        created_at=MOMENT,
        instructing_bic=transfer.creditor.bic,
        instructed_bic=SYSTEM_BIC,
        original_message_id=transfer.message_id,
        original_message_name="pacs.008.001.08",
        kind=kind,
        state=STATE_OF_KIND[kind],
        original_end_to_end_id=transfer.end_to_end_id,
        original_transaction_id=transfer.transaction_id,
        reasons=reasons,
    )


def consent_to(request: PaymentRequest) -> CreditTransfer:
    return CreditTransfer(
        message_id="XZRNAZ22A001261122000000000000500",
        created_at=MOMENT,
        instructing_bic=request.debtor.bic,
        instructed_bic=request.creditor.bic,
        end_to_end_id=request.end_to_end_id,
        transaction_id=request.instruction_id,
        amount_minor=request.amount_minor,
        settlement_date=request.execution_date,
        debtor=request.debtor,
        creditor=request.creditor,
        purpose=request.purpose,
        case_number=request.case_number,
    )


def words_of(outgoings, to_bic=None):
    """(recipient, class, word) of each message, the word being its kind or receipt code."""
    return [
        (out.to_bic, type(out.message).__name__, str(getattr(out.message, "kind", getattr(out.message, "code", ""))))
        for out in outgoings
        if to_bic in (None, out.to_bic)
    ]


def assert_of_the_format(outgoings):
    """AOS-C4 holds for AÖS's own words too."""
    for out in outgoings:
        kind = registry.type_of(out.message)
        assert registry.read(registry.build(out.message), kind) == out.message
