"""The flow of messages through AÖS: one message in, the messages that follow out. Pure; time is an argument.

pacs.008: block, pass on, AUTH posts and STAT goes to both, NAUT or silence releases and RJCT goes to both
(AOS-P1 to AOS-P5). pain.001: pass on, the debtor agent's pacs.008 is its consent (ACSP with MSID to the initiator) and
runs as any, the initiator hears STAT or RJCT as pain.002 (AOS-P7). Enquiries are answered from what is held (AOS-I1,
AOS-I2). What breaks a rule is refused in the rule's own message (AOS-R1, AOS-R2, AOS-R5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from adapters.aos.central.checks import OperatingRules, Order, Scene, faults, malformed
from adapters.aos.central.ledger import Ledger
from adapters.aos.central.orders import HeldOrder, HeldRequest, OrderState, RequestState
from adapters.aos.central.participants import Participant, Participants
from adapters.aos.central.reasons import reason
from adapters.aos.central.words import ORDER_NAME, Outgoing, Words
from contracts.errors import Refusal
from contracts.iso20022 import (
    BusinessHeader,
    CreditTransfer,
    OrderEnquiry,
    OrderStatus,
    PaymentRequest,
    Reason,
    ReasonCode,
    ReceiptCode,
    RequestEnquiry,
    RequestStatus,
    StatusKind,
)
from contracts.iso20022.pain import REQUEST_NAME
from contracts.iso20022.registry import type_of
from gateway.domain.clock import local_date

Outgoings = tuple[Outgoing, ...]
_ANSWERS = (StatusKind.AUTH, StatusKind.NAUT)


class InstantPaymentSystem:
    """AÖS. `orders` and `requests` are by the id of the message that brought them."""

    def __init__(
        self,
        bic: str,
        participants: Iterable[Participant],
        rules: OperatingRules,
        next_id: Callable[[datetime], str],
    ) -> None:
        self.participants, self.rules, self.ledger = Participants(participants), rules, Ledger()
        for row in self.participants:
            self.ledger.open_account(row.clearing_account, balance=row.opening_balance, debit_limit=row.debit_limit)
        self.orders: dict[str, HeldOrder] = {}
        self.requests: dict[str, HeldRequest] = {}
        self._numbers: dict[str, str] = {}  # document number -> sender
        self._words = Words(bic, next_id)
        self._handlers: dict[type[Any], Callable[[Any, str, datetime], Outgoings]] = {
            CreditTransfer: self._order,
            PaymentRequest: self._request,
            OrderStatus: self._answered,
            RequestStatus: self._declined,
            OrderEnquiry: self._order_asked,
            RequestEnquiry: self._request_asked,
        }

    def handle(self, message: Any, sender_bic: str, now: datetime) -> Outgoings:
        """What follows from one message of a participant."""
        handler = self._handlers.get(type(message))
        return (self._error(message, sender_bic, now),) if handler is None else handler(message, sender_bic, now)

    def refuse_malformed(self, header: BusinessHeader, refusal: Refusal, now: datetime) -> Outgoings:
        """Signed and addressed well, but not by the profile (AOS-C1, AOS-C4): each message has its own refusal."""
        reasons = (malformed(refusal),)
        if header.message_name == ORDER_NAME:
            return (self._words.order_refusal(header.from_bic, header.message_id, reasons, now),)
        code = ReceiptCode.RJCT if header.message_name == REQUEST_NAME else ReceiptCode.ERRC
        receipt = self._words.receipt(
            header.from_bic, header.message_id, header.message_name, now, code=code, reasons=reasons
        )
        return (receipt,)

    def next_due(self) -> datetime | None:
        """When the next silence ends an order or request."""
        held = [order.due for order in self.orders.values() if order.state is OrderState.BLOCKED]
        held += [request.due for request in self.requests.values() if request.state is RequestState.PASSED]
        return min(held, default=None)

    def expire(self, now: datetime) -> Outgoings:
        """End what was not answered within its interval (AOS-P5, AOS-P7)."""
        out: list[Outgoing] = []
        for order in list(self.orders.values()):
            if order.state is OrderState.BLOCKED and order.due <= now:
                out += self._reject(order, (reason(ReasonCode.EL202),), now)
        for held in list(self.requests.values()):
            if held.state is RequestState.PASSED and held.due <= now:
                out += self._reject_request(held, (reason(ReasonCode.EP252),), now)
        return tuple(out)

    def _scene(self, sender_bic: str, now: datetime) -> Scene:
        return Scene(
            sender_bic=sender_bic,
            today=local_date(now),
            participants=self.participants,
            ledger=self.ledger,
            rules=self.rules,
            numbers=self._numbers,
        )

    def _faults(self, order: Order, sender_bic: str, now: datetime) -> tuple[Reason, ...]:
        found = faults(order, self._scene(sender_bic, now))
        self._numbers.setdefault(order.message_id, sender_bic)
        return found

    # -- payment orders -------------------------------------------------------------------------------------------

    def _order(self, transfer: CreditTransfer, sender_bic: str, now: datetime) -> Outgoings:
        """AOS-P1, AOS-P2."""
        found = self._faults(transfer, sender_bic, now)
        held = self._request_answered_by(transfer)
        if not found and held is not None and not _answers(transfer, held):
            found = (reason(ReasonCode.AM09),)
        if not found and not self._block(transfer):
            found = (reason(ReasonCode.AM04),)
        if found:
            return (self._refused(transfer, sender_bic, found, now),)
        due = now + timedelta(seconds=self.rules.confirmation_interval_s)
        self.orders[transfer.message_id] = HeldOrder(transfer=transfer, state=OrderState.BLOCKED, due=due, request=held)
        consent = () if held is None else (self._consent(held, transfer, now),)
        passed = Outgoing(to_bic=transfer.creditor.bic, message=transfer, end_to_end_id=transfer.end_to_end_id)
        return (*consent, passed)

    def _refused(
        self, transfer: CreditTransfer, sender_bic: str, reasons: tuple[Reason, ...], now: datetime
    ) -> Outgoing:
        """AOS-R1."""
        return self._words.order_refusal(
            sender_bic,
            transfer.message_id,
            reasons,
            now,
            end_to_end_id=transfer.end_to_end_id,
            transaction_id=transfer.transaction_id,
        )

    def _block(self, transfer: CreditTransfer) -> bool:
        return self.ledger.block(transfer.message_id, self._clearing(transfer.debtor.bic), transfer.amount_minor)

    def _clearing(self, bic: str) -> str:
        participant = self.participants.of(bic)
        if participant is None:
            raise LookupError(f"{bic} takes no part")  # the checks have let nothing else through
        return participant.clearing_account

    def _answered(self, status: OrderStatus, sender_bic: str, now: datetime) -> Outgoings:
        """AOS-P3 to AOS-P5. An answer that comes again, or late, hears the outcome again and changes nothing."""
        order = self.orders.get(status.original_message_id)
        if order is None or order.transfer.creditor.bic != sender_bic or status.kind not in _ANSWERS:
            return (self._error(status, sender_bic, now),)
        if order.state is not OrderState.BLOCKED:
            return (self._words.order_status(sender_bic, order, _final_kind(order), now),)
        if status.kind is StatusKind.NAUT:
            return self._reject(order, status.reasons or (reason(ReasonCode.EA178),), now)
        return self._settle(order, now)

    def _settle(self, order: HeldOrder, now: datetime) -> Outgoings:
        """AOS-P4, and AOS-P7 for the initiator."""
        transfer = order.transfer
        self.ledger.execute(transfer.message_id, self._clearing(transfer.creditor.bic))
        order.state = OrderState.SETTLED
        told = self._tell_agents(order, StatusKind.STAT, now)
        if order.request is None:
            return told
        order.request.state = RequestState.SETTLED
        return (*told, self._words.request_status(order.request, StatusKind.STAT, now))

    def _reject(self, order: HeldOrder, reasons: tuple[Reason, ...], now: datetime) -> Outgoings:
        """AOS-P5, and AOS-P7 for the initiator."""
        self.ledger.release(order.transfer.message_id)
        order.state, order.reasons = OrderState.REJECTED, reasons
        told = self._tell_agents(order, StatusKind.RJCT, now)
        return told if order.request is None else (*told, *self._reject_request(order.request, reasons, now))

    def _tell_agents(self, order: HeldOrder, kind: StatusKind, now: datetime) -> Outgoings:
        agents = (order.transfer.debtor.bic, order.transfer.creditor.bic)
        return tuple(self._words.order_status(bic, order, kind, now) for bic in agents)

    # -- payment requests -----------------------------------------------------------------------------------------

    def _request(self, request: PaymentRequest, sender_bic: str, now: datetime) -> Outgoings:
        """AOS-P7: to the debtor agent, or AOS-R2."""
        found = self._faults(request, sender_bic, now)
        if found:
            receipt = self._words.receipt(
                sender_bic, request.message_id, REQUEST_NAME, now, code=ReceiptCode.RJCT, reasons=found
            )
            return (receipt,)
        self.requests[request.message_id] = HeldRequest(
            request=request,
            initiator_bic=sender_bic,
            state=RequestState.PASSED,
            due=now + timedelta(seconds=self.rules.request_interval_s),
        )
        return (Outgoing(to_bic=request.debtor.bic, message=request, end_to_end_id=request.end_to_end_id),)

    def _request_answered_by(self, transfer: CreditTransfer) -> HeldRequest | None:
        """The request of this debtor agent with the order's end-to-end id, in whatever state it is."""
        for held in self.requests.values():
            request = held.request
            if request.end_to_end_id == transfer.end_to_end_id and request.debtor.bic == transfer.debtor.bic:
                return held
        return None

    def _consent(self, held: HeldRequest, transfer: CreditTransfer, now: datetime) -> Outgoing:
        held.state, held.msid = RequestState.CONSENTED, transfer.message_id
        return self._words.request_status(held, StatusKind.ACSP, now)

    def _declined(self, status: RequestStatus, sender_bic: str, now: datetime) -> Outgoings:
        """The debtor agent's pain.002/NAUT: EA178 and its own reasons to the initiator."""
        held = self.requests.get(status.original_message_id)
        if held is None or held.request.debtor.bic != sender_bic or status.kind is not StatusKind.NAUT:
            return (self._error(status, sender_bic, now),)
        if held.state is not RequestState.PASSED:
            return ()
        return self._reject_request(held, (reason(ReasonCode.EA178), *status.reasons), now)

    def _reject_request(self, held: HeldRequest, reasons: tuple[Reason, ...], now: datetime) -> Outgoings:
        held.state, held.reasons = RequestState.REJECTED, reasons
        return (self._words.request_status(held, StatusKind.RJCT, now),)

    # -- enquiries ------------------------------------------------------------------------------------------------

    def _order_asked(self, enquiry: OrderEnquiry, sender_bic: str, now: datetime) -> Outgoings:
        """AOS-I1: only the order's own agents are told."""
        order = self.orders.get(enquiry.original_message_id)
        if order is None or sender_bic not in (order.transfer.debtor.bic, order.transfer.creditor.bic):
            return (self._error(enquiry, sender_bic, now),)
        return (self._words.order_status(sender_bic, order, StatusKind.STAT, now, asked=True),)

    def _request_asked(self, enquiry: RequestEnquiry, sender_bic: str, now: datetime) -> Outgoings:
        """AOS-I2: only the initiator is told."""
        held = self.requests.get(enquiry.original_message_id)
        if held is None or held.initiator_bic != sender_bic:
            return (self._error(enquiry, sender_bic, now),)
        return (self._words.request_status(held, StatusKind.STAT, now, asked=True),)

    def _error(self, message: Any, sender_bic: str, now: datetime) -> Outgoing:
        """AOS-R5: it speaks of what is not there, or not of the sender's."""
        return self._words.receipt(
            sender_bic,
            message.message_id,
            type_of(message).name,
            now,
            code=ReceiptCode.ERRC,
            reasons=(reason(ReasonCode.NOOR),),
            asked=True,
        )


def _answers(transfer: CreditTransfer, held: HeldRequest) -> bool:
    """It is what was asked, the case number (EHR-12) included, and the request still waits."""
    request = held.request
    return (
        held.state is RequestState.PASSED
        and transfer.amount_minor == request.amount_minor
        and transfer.debtor.iban == request.debtor.iban
        and transfer.creditor.iban == request.creditor.iban
        and transfer.case_number == request.case_number
    )


def _final_kind(order: HeldOrder) -> StatusKind:
    return StatusKind.STAT if order.state is OrderState.SETTLED else StatusKind.RJCT
