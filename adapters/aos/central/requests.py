"""Payment requests (AOS-P7): pain.001 to the debtor agent, whose pacs.008 is its consent, its pain.002 its refusal.

The initiator hears ACSP with the MSID on consent, STAT or RJCT as pain.002 at the end.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from adapters.aos.central.core import Core, Outgoings
from adapters.aos.central.orders import HeldRequest, RequestState
from adapters.aos.central.reasons import reason
from adapters.aos.central.words import Outgoing
from contracts.iso20022 import (
    CreditTransfer,
    MessageName,
    PaymentRequest,
    Reason,
    ReasonCode,
    ReceiptCode,
    RequestEnquiry,
    RequestStatus,
    StatusKind,
)


class Requests:
    """Takes requests and refusals of them; told by the execution of orders how they end."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._by_reference: dict[tuple[str, str], HeldRequest] = {}  # end-to-end id and debtor agent; the first stays

    def requested(self, request: PaymentRequest, sender_bic: str, now: datetime) -> Outgoings:
        """To the debtor agent, or AOS-R2."""
        found = self._core.faults(request, sender_bic, now)
        if found:
            receipt = self._core.words.receipt(
                sender_bic, request.message_id, MessageName.REQUEST, now, code=ReceiptCode.RJCT, reasons=found
            )
            return (receipt,)
        held = HeldRequest(
            request=request,
            initiator_bic=sender_bic,
            state=RequestState.PASSED,
            due=now + timedelta(seconds=self._core.rules.request_interval_s),
        )
        self._core.requests[request.message_id] = held
        self._by_reference.setdefault((request.end_to_end_id, request.debtor.bic), held)
        return (Outgoing(to_bic=request.debtor.bic, message=request, end_to_end_id=request.end_to_end_id),)

    def declined(self, status: RequestStatus, sender_bic: str, now: datetime) -> Outgoings:
        """The debtor agent's pain.002/NAUT: EA178 and its own reasons to the initiator."""
        held = self._core.requests.get(status.original_message_id)
        if held is None or held.request.debtor.bic != sender_bic or status.kind is not StatusKind.NAUT:
            return self._core.error(status, sender_bic, now)
        if held.state is not RequestState.PASSED:
            return ()
        return self.rejected(held, (reason(ReasonCode.EA178), *status.reasons), now)

    def asked(self, enquiry: RequestEnquiry, sender_bic: str, now: datetime) -> Outgoings:
        """AOS-I2: only the initiator is told."""
        held = self._core.requests.get(enquiry.original_message_id)
        if held is None or held.initiator_bic != sender_bic:
            return self._core.error(enquiry, sender_bic, now)
        return (self._core.words.request_status(held, StatusKind.STAT, now, asked=True),)

    def expire(self, now: datetime) -> Outgoings:
        """End what the debtor agent did not answer within its interval."""
        due = [held for held in self._core.requests.values() if held.state is RequestState.PASSED and held.due <= now]
        return tuple(out for held in due for out in self.rejected(held, (reason(ReasonCode.EP252),), now))

    def next_due(self) -> list[datetime]:
        """When silence ends each request that waits."""
        return [held.due for held in self._core.requests.values() if held.state is RequestState.PASSED]

    def answered_by(self, transfer: CreditTransfer) -> HeldRequest | None:
        """The request of this debtor agent with the order's end-to-end id, in whatever state it is."""
        return self._by_reference.get((transfer.end_to_end_id, transfer.debtor.bic))

    @staticmethod
    def is_answer(transfer: CreditTransfer, held: HeldRequest) -> bool:
        """It is what was asked, the case number (EHR-12) included, and the request still waits."""
        request = held.request
        return (
            held.state is RequestState.PASSED
            and transfer.amount_minor == request.amount_minor
            and transfer.debtor.iban == request.debtor.iban
            and transfer.creditor.iban == request.creditor.iban
            and transfer.case_number == request.case_number
        )

    def consented(self, held: HeldRequest, msid: str, now: datetime) -> Outgoings:
        """Its pacs.008 is taken: ACSP with the MSID; consent, not money."""
        held.state, held.msid = RequestState.CONSENTED, msid
        return (self._core.words.request_status(held, StatusKind.ACSP, now),)

    def settled(self, held: HeldRequest, now: datetime) -> Outgoings:
        """Its pacs.008 is executed."""
        held.state = RequestState.SETTLED
        return (self._core.words.request_status(held, StatusKind.STAT, now),)

    def rejected(self, held: HeldRequest, reasons: tuple[Reason, ...], now: datetime) -> Outgoings:
        """Refused, silent, or its pacs.008 is not executed."""
        held.state, held.reasons = RequestState.REJECTED, reasons
        return (self._core.words.request_status(held, StatusKind.RJCT, now),)
