"""Faults on demand: what this AÖS does wrong, for which payments."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from adapters.aos.central.words import Outgoing
from contracts.iso20022 import CreditTransfer, OrderStatus, PaymentRequest, Receipt, RequestStatus


class FaultKind(StrEnum):
    """What goes wrong with the messages AÖS sends about a payment."""

    SILENCE = "silence"  # statuses nobody asked for are never sent; enquiries are answered
    LATE = "late"  # statuses are sent after `delay_s`
    TWICE = "twice"  # every message is sent a second time
    BADLY_SIGNED = "badly_signed"  # first with a broken signature, then as it should be


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault and the payments it befalls: by end-to-end id, either IBAN, or amount in qəpik."""

    kind: FaultKind
    end_to_end_ids: frozenset[str] = frozenset()
    ibans: frozenset[str] = frozenset()
    amounts: frozenset[int] = frozenset()
    delay_s: float = 0.0


@dataclass(slots=True)
class FaultPlan:
    """The faults in force. Statuses name only the end-to-end id, so the plan remembers what it has seen pass."""

    faults: list[Fault]
    _seen: dict[str, tuple[frozenset[str], int]] = field(default_factory=dict)

    def note(self, message: Any) -> None:
        """Remember accounts and amount of an order or request that came in."""
        if isinstance(message, CreditTransfer | PaymentRequest):
            ibans = frozenset({message.debtor.iban, message.creditor.iban})
            self._seen[message.end_to_end_id] = (ibans, message.amount_minor)

    def befalling(self, outgoing: Outgoing) -> dict[FaultKind, Fault]:
        """The faults of one outgoing message; silence and lateness befall only statuses that nobody asked for."""
        ibans, amount = self._seen.get(outgoing.end_to_end_id, (frozenset(), 0))
        unasked = isinstance(outgoing.message, OrderStatus | RequestStatus | Receipt) and not outgoing.asked
        return {
            fault.kind: fault
            for fault in self.faults
            if (outgoing.end_to_end_id in fault.end_to_end_ids or fault.ibans & ibans or amount in fault.amounts)
            and (unasked or fault.kind in (FaultKind.TWICE, FaultKind.BADLY_SIGNED))
        }
