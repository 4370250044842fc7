"""The checks on a message before anything is done (AOS-C1 to AOS-C9), a row each; the reason names the rule.

AOS-C1 (mandatory fields) and AOS-C4 (format) are the profile schema's: what fails there never becomes a typed message
and is refused with `malformed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, time

from adapters.aos.central.ledger import Ledger
from adapters.aos.central.orders import Order, payee_bic, payer_bic
from adapters.aos.central.participants import Participant, Participants
from adapters.aos.central.reasons import reason
from contracts.errors import Refusal
from contracts.iso20022 import CreditTransfer, PaymentRequest, Reason, ReasonCode


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingRules:
    """The operating schedule (AOS-G5): data, changed by the central bank with a month's notice."""

    max_amount: int = 4_000_000  # qəpik; 40 000 AZN published (AOS-C9)
    budget_bics: frozenset[str] = frozenset({"CTREAZ22"})  # payments to the budget are excepted from the maximum
    confirmation_interval_s: float = 20.0  # the receiving agent's time to answer (AOS-P5, AOS-T5)
    request_interval_s: float = 20.0  # the debtor agent's time to answer a request (AOS-P7)
    warning_threshold: int = 0  # qəpik left of a limit; below it the direct participant is warned (AOS-L5)
    adjustments: tuple[time, ...] = ()  # times of day in Baku at which positions go to AZIPS (AOS-L4)
    statement_days: int = 90  # how long ago a statement may be asked for (AOS-I4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a check may look at."""

    sender_bic: str
    today: date  # the operating day
    participants: Participants
    ledger: Ledger
    rules: OperatingRules
    numbers: Mapping[str, object] = field(default_factory=dict)  # document numbers taken already


Checked = Order | PaymentRequest
Check = Callable[[Checked, Scene], bool]


def _value_date(order: Checked, scene: Scene) -> bool:
    day = order.execution_date if isinstance(order, PaymentRequest) else order.settlement_date
    return day == scene.today


def _new_number(order: Checked, scene: Scene) -> bool:
    return order.message_id not in scene.numbers


def _bics(order: Checked, scene: Scene) -> bool:
    """Both agents take part, and the sender is the one that may send this."""
    agents = [scene.participants.of(payer_bic(order)), scene.participants.of(payee_bic(order))]
    named = order.forwarding_bic if isinstance(order, PaymentRequest) else order.instructing_bic
    own = isinstance(order, PaymentRequest) or payer_bic(order) == scene.sender_bic
    return None not in agents and named == scene.sender_bic and own


def _clearing_accounts(order: Checked, scene: Scene) -> bool:
    agents = (scene.participants.of(payer_bic(order)), scene.participants.of(payee_bic(order)))
    return all(agent is None or scene.ledger.is_open(agent.clearing_account) for agent in agents)


def _named_accounts(order: Checked) -> list[tuple[str, str]]:
    """Correspondent accounts the order names, each with the BIC it is said to belong to."""
    if not isinstance(order, CreditTransfer):
        return []
    pairs = ((order.debtor_agent_account, order.debtor.bic), (order.creditor_agent_account, order.creditor.bic))
    return [(account, bic) for account, bic in pairs if account is not None]


def _correspondent_accounts(order: Checked, scene: Scene) -> bool:
    return all(scene.participants.holder_of(account) is not None for account, _ in _named_accounts(order))


def _accounts_of_bics(order: Checked, scene: Scene) -> bool:
    def belongs(holder: Participant | None, bic: str) -> bool:
        return holder is None or holder.bic == bic  # an unknown account is AOS-C7's to refuse

    return all(belongs(scene.participants.holder_of(account), bic) for account, bic in _named_accounts(order))


def _amount(order: Checked, scene: Scene) -> bool:
    """The creditor of the payment counts: what came to the budget may be returned as it came."""
    return order.amount_minor <= scene.rules.max_amount or order.creditor.bic in scene.rules.budget_bics


CHECKS: tuple[tuple[ReasonCode, Check], ...] = (
    (ReasonCode.DT01, _value_date),  # AOS-C2
    (ReasonCode.AM05, _new_number),  # AOS-C3
    (ReasonCode.RC01, _bics),  # AOS-C5
    (ReasonCode.AC01, _clearing_accounts),  # AOS-C6
    (ReasonCode.AC02, _correspondent_accounts),  # AOS-C7
    (ReasonCode.AC03, _accounts_of_bics),  # AOS-C8
    (ReasonCode.AM02, _amount),  # AOS-C9
)


def faults(order: Checked, scene: Scene) -> tuple[Reason, ...]:
    """Every rule this order breaks, as reasons."""
    return tuple(reason(code) for code, holds in CHECKS if not holds(order, scene))


def malformed(refusal: Refusal) -> Reason:
    """AOS-C1 and AOS-C4: not by the profile, with the path of the fault in the charset of the rail."""
    path = refusal.facts.get("path", "").replace("[", "-").replace("]", "")
    return reason(ReasonCode.FF01, f"{refusal.code} {path}".strip())
