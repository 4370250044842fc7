"""The messages AÖS itself writes about orders and requests: statuses, refusals, receipts, with ids of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.aos.central.orders import ISO_STATE_OF_ORDER, ISO_STATE_OF_REQUEST, HeldOrder, HeldRequest
from contracts.iso20022 import (
    MessageName,
    OrderStatus,
    Reason,
    Receipt,
    ReceiptCode,
    RequestStatus,
    ReturnRefusal,
    StatusKind,
    TransactionState,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message to one participant. `asked` tells an answer to an enquiry from what comes unasked.

    A `copy` is for information (AOS-P6): its header says so, and nobody is asked to confirm it.
    """

    to_bic: str
    message: Any
    end_to_end_id: str = ""
    asked: bool = False
    copy: bool = False


class Words:
    """Writes in the name of AÖS."""

    def __init__(self, bic: str, next_id: Callable[[datetime], str]) -> None:
        self.bic, self.next_id = bic, next_id

    def order_status(
        self, to_bic: str, order: HeldOrder, kind: StatusKind, now: datetime, *, asked: bool = False
    ) -> Outgoing:
        """pacs.002 about an order or return it knows (AOS-P4, AOS-P5, AOS-T4, AOS-T5, AOS-I1)."""
        status = OrderStatus(
            message_id=self.next_id(now),
            created_at=now,
            instructing_bic=self.bic,
            instructed_bic=to_bic,
            original_message_id=order.transfer.message_id,
            original_message_name=order.name,
            kind=kind,
            state=ISO_STATE_OF_ORDER[order.state],
            original_end_to_end_id=order.end_to_end_id,
            original_transaction_id=order.transaction_id,
            reasons=order.reasons,
        )
        return Outgoing(to_bic=to_bic, message=status, end_to_end_id=order.end_to_end_id, asked=asked)

    def order_refusal(
        self,
        to_bic: str,
        message_id: str,
        reasons: tuple[Reason, ...],
        now: datetime,
        *,
        name: str = MessageName.ORDER,
        end_to_end_id: str | None = None,
        transaction_id: str | None = None,
    ) -> Outgoing:
        """pacs.002/RJCT to an order or return that is not taken (AOS-R1, AOS-R3)."""
        status = OrderStatus(
            message_id=self.next_id(now),
            created_at=now,
            instructing_bic=self.bic,
            instructed_bic=to_bic,
            original_message_id=message_id,
            original_message_name=name,
            kind=StatusKind.RJCT,
            state=TransactionState.RJCT,
            original_end_to_end_id=end_to_end_id,
            original_transaction_id=transaction_id,
            reasons=reasons,
        )
        return Outgoing(to_bic=to_bic, message=status, end_to_end_id=end_to_end_id or "")

    def request_status(self, held: HeldRequest, kind: StatusKind, now: datetime, *, asked: bool = False) -> Outgoing:
        """pain.002 to the initiator (AOS-P7, AOS-I2)."""
        request = held.request
        status = RequestStatus(
            message_id=self.next_id(now),
            created_at=now,
            initiating_bic=self.bic,
            forwarding_bic=request.forwarding_bic,
            original_message_id=request.message_id,
            original_payment_information_id=request.payment_information_id,
            original_instruction_id=request.instruction_id,
            original_end_to_end_id=request.end_to_end_id,
            kind=kind,
            state=ISO_STATE_OF_REQUEST[held.state],
            reasons=held.reasons,
            msid=held.msid,
        )
        return Outgoing(to_bic=held.initiator_bic, message=status, end_to_end_id=request.end_to_end_id, asked=asked)

    def return_refusal(self, to_bic: str, message_id: str, reasons: tuple[Reason, ...], now: datetime) -> Outgoing:
        """camt.029 to a return request that is not passed on (AOS-R4)."""
        refusal = ReturnRefusal(
            message_id=self.next_id(now),
            created_at=now,
            from_bic=self.bic,
            to_bic=to_bic,
            request_message_id=message_id,
            requester_bic=to_bic,
            reasons=reasons,
        )
        return Outgoing(to_bic=to_bic, message=refusal)

    def receipt(
        self,
        to_bic: str,
        message_id: str,
        message_name: str,
        now: datetime,
        *,
        code: ReceiptCode,
        reasons: tuple[Reason, ...],
        asked: bool = False,
    ) -> Outgoing:
        """camt.025 (AOS-R2, AOS-R5)."""
        receipt = Receipt(
            message_id=self.next_id(now),
            created_at=now,
            original_message_id=message_id,
            original_message_name=message_name,
            code=code,
            reasons=reasons,
        )
        return Outgoing(to_bic=to_bic, message=receipt, asked=asked)
