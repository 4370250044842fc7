"""A central system with two direct participants and an indirect one, and the messages they say to it. No test here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from adapters.aos.central.checks import OperatingRules
from adapters.aos.central.participants import Participant
from adapters.aos.central.system import InstantPaymentSystem
from adapters.aos.central.words import Outgoing
from contracts.fields import make_iban
from contracts.iso20022 import CreditTransfer, OrderStatus, PaymentReturn, Reason, StatusKind, registry, samples
from contracts.iso20022.codes import STATE_OF_KIND
from contracts.iso20022.samples import BANK_BIC, MOMENT, OPERATOR_BIC, SYSTEM_BIC, TRANSFER

INDIRECT_BIC = "GNSNAZ22"
OPERATOR_CLEARING, BANK_CLEARING, INDIRECT_CLEARING = "C-EHR", "C-XZR", "C-GNS"
OPERATOR_SETTLEMENT = make_iban("NABZ", "6001")
OPERATOR_FUNDS = make_iban("NABZ", "1")
RULES = OperatingRules(confirmation_interval_s=20, request_interval_s=15)
ROWS = (
    Participant(
        bic=OPERATOR_BIC,
        code="GATEWAY",
        name="operator",
        clearing_account=OPERATOR_CLEARING,
        correspondent_account=OPERATOR_FUNDS,
        opening_balance=100_000,
        debit_limit=400_000,
        settlement_account=OPERATOR_SETTLEMENT,
        settlement_limit=600_000,
        azips_funds=2_000_000,
        wants_copies=True,
    ),
    Participant(bic=BANK_BIC, code="999101", name="bank", clearing_account=BANK_CLEARING, opening_balance=5_000_000),
    Participant(
        bic=INDIRECT_BIC,
        code="999202",
        name="indirect",
        clearing_account=INDIRECT_CLEARING,
        debit_limit=300_000,
        settled_by=OPERATOR_BIC,
    ),
)
INDIRECT_HOLDER = replace(samples.BIDDER, iban=make_iban("GNSN", "1"), bic=INDIRECT_BIC)


@dataclass(slots=True)
class Town:
    """The system and short ways to speak to it."""

    rules: OperatingRules = RULES
    rows: tuple[Participant, ...] = ROWS
    system: InstantPaymentSystem = field(init=False)
    numbers: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.system = InstantPaymentSystem(SYSTEM_BIC, self.rows, self.rules, self._id)

    def say(self, sender_bic: str, message: Any, now: Any = MOMENT) -> tuple[Outgoing, ...]:
        """One message in; what follows must be of the format (AOS-C4) and leave the books balanced."""
        out = self.system.handle(message, sender_bic, now)
        of_the_format(out)
        assert sum(self.system.ledger.balances().values()) == 0
        return out

    def executed(self, transfer: CreditTransfer = TRANSFER, now: Any = MOMENT) -> CreditTransfer:
        """An order that ran to its end."""
        assert self.said(self.say(transfer.debtor.bic, transfer, now))[0][1] == "CreditTransfer"
        out = self.say(transfer.creditor.bic, answer(transfer, StatusKind.AUTH), now)
        assert (transfer.debtor.bic, "OrderStatus", "STAT") in self.said(out)
        return transfer

    def balance(self, account: str) -> int:
        return self.system.ledger.balance(account)

    @staticmethod
    def said(outgoings: Iterable[Outgoing]) -> list[tuple[str, str, str]]:
        """(recipient, class, word) of each message, the word being its kind or receipt code."""
        return [
            (
                out.to_bic,
                type(out.message).__name__,
                str(getattr(out.message, "kind", getattr(out.message, "code", ""))),
            )
            for out in outgoings
        ]

    def _id(self, now: Any) -> str:
        return f"NABZAZ2CAIPS261122{next(self.numbers):015d}"


def of_the_format(outgoings: Iterable[Outgoing]) -> None:
    """AÖS's own words keep AOS-C4 too."""
    for out in outgoings:
        kind = registry.type_of(out.message)
        assert registry.read(registry.build(out.message), kind) == out.message


def answer(order: CreditTransfer | PaymentReturn, kind: StatusKind, *reasons: Reason, number: int = 900) -> OrderStatus:
    """What the receiving agent says to an order or a return."""
    returning = isinstance(order, PaymentReturn)
    return OrderStatus(
        message_id=f"XZRNAZ22A001261122{number:015d}",
        created_at=MOMENT,
        instructing_bic=order.debtor.bic if returning else order.creditor.bic,
        instructed_bic=SYSTEM_BIC,
        original_message_id=order.message_id,
        original_message_name="pacs.004.001.09" if returning else "pacs.008.001.08",
        kind=kind,
        state=STATE_OF_KIND[kind],
        original_end_to_end_id=order.original_end_to_end_id if returning else order.end_to_end_id,
        original_transaction_id=order.return_id if returning else order.transaction_id,
        reasons=reasons,
    )
