"""Faults on demand: what this AÖS does wrong, for which payments."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from adapters.aos.central.orders import end_to_end_id
from adapters.aos.central.words import Outgoing
from contracts.iso20022 import (
    CreditTransfer,
    OrderStatus,
    PaymentRequest,
    PaymentReturn,
    Reason,
    ReasonCode,
    Receipt,
    RequestStatus,
    StatusKind,
    TransactionState,
)
from contracts.iso20022.registry import type_of


class FaultKind(StrEnum):
    """What goes wrong with a payment. The first five befall only statuses that nobody asked for."""

    SILENCE = "silence"  # never sent; enquiries are answered
    LATE = "late"  # sent after `delay_s`
    OUT_OF_ORDER = "out_of_order"  # sent after the next of its kind about the same payment, or after `delay_s`
    CONFLICTING = "conflicting"  # followed by its contrary
    UNKNOWN_MESSAGE = "unknown_message"  # preceded by one about an order nobody sent
    TWICE = "twice"  # every message is sent a second time
    BADLY_SIGNED = "badly_signed"  # first with a broken signature, then as it should be
    REVOKED_SIGNER = "revoked_signer"  # first by a signer whose certificate is revoked, then as it should be
    SLOW = "slow"  # the answer to the order itself, the 202, takes `delay_s`
    BROKEN = "broken"  # the order is taken, and the connection breaks instead of the 202
    REFUSED = "refused"  # the order is taken, and for `delay_s` after it connections are refused


AFTER_SENDING = frozenset({FaultKind.SLOW, FaultKind.BROKEN, FaultKind.REFUSED})  # befall what comes in
_ANY_MESSAGE = frozenset({FaultKind.TWICE, FaultKind.BADLY_SIGNED, FaultKind.REVOKED_SIGNER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault and the payments it befalls: by end-to-end id, either IBAN, or amount in qəpik.

    `about` narrows it to what concerns one message, by the beginning of its name: `pacs.004` for returns alone. With
    `asked` it befalls answers to enquiries too, which silence and its like spare otherwise.
    """

    kind: FaultKind
    end_to_end_ids: frozenset[str] = frozenset()
    ibans: frozenset[str] = frozenset()
    amounts: frozenset[int] = frozenset()
    delay_s: float = 0.0
    about: str = ""
    asked: bool = False


@dataclass(slots=True)
class FaultPlan:
    """The faults in force. Statuses name only the end-to-end id, so the plan remembers what it has seen pass."""

    faults: list[Fault]
    _seen: dict[str, tuple[frozenset[str], int]] = field(default_factory=dict)

    def note(self, message: Any) -> dict[FaultKind, Fault]:
        """Remember accounts and amount of an order or request that came in; the faults of taking it."""
        if not isinstance(message, CreditTransfer | PaymentRequest | PaymentReturn):
            return {}
        about = message.end_to_end_id if isinstance(message, PaymentRequest) else end_to_end_id(message)
        self._seen[about] = (frozenset({message.debtor.iban, message.creditor.iban}), message.amount_minor)
        return {kind: fault for kind, fault in self._about(about, message).items() if kind in AFTER_SENDING}

    def befalling(self, outgoing: Outgoing) -> dict[FaultKind, Fault]:
        """The faults of one outgoing message."""
        is_status = isinstance(outgoing.message, OrderStatus | RequestStatus | Receipt)
        return {
            kind: fault
            for kind, fault in self._about(outgoing.end_to_end_id, outgoing.message).items()
            if kind not in AFTER_SENDING
            and (kind in _ANY_MESSAGE or (is_status and (fault.asked or not outgoing.asked)))
        }

    def _about(self, about: str, message: Any) -> dict[FaultKind, Fault]:
        ibans, amount = self._seen.get(about, (frozenset(), 0))
        concerned = getattr(message, "original_message_name", None) or type_of(message).name
        return {
            fault.kind: fault
            for fault in self.faults
            if (about in fault.end_to_end_ids or fault.ibans & ibans or amount in fault.amounts)
            and concerned.startswith(fault.about)
        }


def contrary(outgoing: Outgoing) -> Outgoing | None:
    """The opposite of a final status, under an id of its own; None where it is not final."""
    status = outgoing.message
    if not isinstance(status, OrderStatus | RequestStatus) or status.kind not in (StatusKind.STAT, StatusKind.RJCT):
        return None
    rejects = status.state is TransactionState.ACSC
    turned = replace(
        status,
        message_id=f"{status.message_id}-C",
        kind=StatusKind.RJCT if rejects else StatusKind.STAT,
        state=TransactionState.RJCT if rejects else TransactionState.ACSC,
        reasons=(Reason(code=ReasonCode.EL202),) if rejects else (),
    )
    return replace(outgoing, message=turned)


def about_nothing(outgoing: Outgoing) -> Outgoing | None:
    """The same status about a message that nobody sent; None where it is no status."""
    status = outgoing.message
    if not isinstance(status, OrderStatus | RequestStatus):
        return None
    stray = f"{status.original_message_id[:18]}{'9' * 15}"
    return replace(outgoing, message=replace(status, message_id=f"{status.message_id}-U", original_message_id=stray))
