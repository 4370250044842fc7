"""What all parts of the system share: who takes part, the rules, the books, and what is held."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapters.aos.central.checks import Checked, OperatingRules, Scene, faults
from adapters.aos.central.ledger import Ledger
from adapters.aos.central.orders import HeldOrder, HeldRecall, HeldRequest
from adapters.aos.central.participants import Participants
from adapters.aos.central.reasons import reason
from adapters.aos.central.words import Outgoing, Words
from contracts.iso20022 import Reason, ReasonCode, ReceiptCode
from contracts.iso20022.registry import type_of
from gateway.domain.clock import local_date

Outgoings = tuple[Outgoing, ...]


@dataclass(slots=True, kw_only=True)
class Core:
    """`orders`, `requests` and `recalls` are by the id of the message that brought them."""

    participants: Participants
    rules: OperatingRules
    words: Words
    ledger: Ledger = field(default_factory=Ledger)
    orders: dict[str, HeldOrder] = field(default_factory=dict)
    requests: dict[str, HeldRequest] = field(default_factory=dict)
    recalls: dict[str, HeldRecall] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)  # document number -> sender
    warned: set[str] = field(default_factory=set)  # accounts below the warning threshold (AOS-L5)

    def faults(self, order: Checked, sender_bic: str, now: datetime) -> tuple[Reason, ...]:
        """What is against it; its document number is taken from now on."""
        scene = Scene(
            sender_bic=sender_bic,
            today=local_date(now),
            participants=self.participants,
            ledger=self.ledger,
            rules=self.rules,
            numbers=self.numbers,
        )
        found = faults(order, scene)
        self.numbers.setdefault(order.message_id, sender_bic)
        return found

    def clearing(self, bic: str) -> str:
        """The clearing account of a participant that the checks let through."""
        return self.participants.member(bic).clearing_account

    def error(
        self, message: Any, sender_bic: str, now: datetime, code: ReasonCode = ReasonCode.NOOR, detail: str = ""
    ) -> Outgoings:
        """AOS-R5: an auxiliary message is not answered, and why."""
        receipt = self.words.receipt(
            sender_bic,
            message.message_id,
            type_of(message).name,
            now,
            code=ReceiptCode.ERRC,
            reasons=(reason(code, detail),),
            asked=True,
        )
        return (receipt,)
