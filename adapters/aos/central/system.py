"""AÖS as a whole: one message in, the messages that follow out. Pure; time is an argument.

Each kind of message goes to the part that keeps its rules: `execution` (orders, returns), `requests`, `recalls`,
`limits`, `information`. What breaks a rule is refused in the rule's own message (AOS-R1 to AOS-R5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any

from adapters.aos.central.checks import OperatingRules, malformed
from adapters.aos.central.core import Core, Outgoings
from adapters.aos.central.execution import Execution
from adapters.aos.central.information import Information
from adapters.aos.central.ledger import Ledger
from adapters.aos.central.limits import Limits
from adapters.aos.central.orders import HeldOrder, HeldRecall, HeldRequest
from adapters.aos.central.participants import Participant, Participants
from adapters.aos.central.recalls import Recalls
from adapters.aos.central.requests import Requests
from adapters.aos.central.words import Words
from contracts.errors import Refusal
from contracts.iso20022 import (
    BusinessHeader,
    CopyRequest,
    CreditTransfer,
    DayQuery,
    LimitChange,
    LimitQuery,
    MessageName,
    OrderEnquiry,
    OrderStatus,
    PaymentRequest,
    PaymentReturn,
    ReceiptCode,
    RequestEnquiry,
    RequestStatus,
    ReturnRefusal,
    ReturnRequest,
    StatementRequest,
    TextMessage,
)
from gateway.domain.clock import BAKU, local_date

AZIPS_BIC = "NABZAZ2CRTS"  # a guess (facts.md); a setting


class InstantPaymentSystem:
    """AÖS. `orders`, `requests` and `recalls` are by the id of the message that brought them."""

    def __init__(
        self,
        bic: str,
        participants: Iterable[Participant],
        rules: OperatingRules,
        next_id: Callable[[datetime], str],
        *,
        azips_bic: str = AZIPS_BIC,
    ) -> None:
        core = Core(participants=Participants(participants), rules=rules, words=Words(bic, next_id))
        _open_accounts(core)
        self._core = core
        self._seen_at: datetime | None = None
        self._requests, recalls = Requests(core), Recalls(core)
        self.limits, self._information = Limits(core), Information(core, azips_bic)
        self._execution = Execution(core, self._requests, recalls, self.limits)
        self._handlers: dict[type[Any], Callable[[Any, str, datetime], Outgoings]] = {
            CreditTransfer: self._execution.ordered,
            PaymentReturn: self._execution.returned,
            OrderStatus: self._execution.answered,
            OrderEnquiry: self._execution.asked,
            PaymentRequest: self._requests.requested,
            RequestStatus: self._requests.declined,
            RequestEnquiry: self._requests.asked,
            ReturnRequest: recalls.requested,
            ReturnRefusal: recalls.refused,
            LimitQuery: self.limits.asked,
            LimitChange: self.limits.changed,
            CopyRequest: self._information.copy,
            StatementRequest: self._information.statement,
            DayQuery: self._information.day,
            TextMessage: self._information.text,
        }

    @property
    def participants(self) -> Participants:
        """Who takes part."""
        return self._core.participants

    @property
    def rules(self) -> OperatingRules:
        """The operating schedule in force."""
        return self._core.rules

    @rules.setter
    def rules(self, rules: OperatingRules) -> None:
        """A new schedule, from now on (AOS-G5)."""
        self._core.rules = rules

    @property
    def ledger(self) -> Ledger:
        """The books."""
        return self._core.ledger

    @property
    def orders(self) -> dict[str, HeldOrder]:
        """Accepted orders and returns."""
        return self._core.orders

    @property
    def requests(self) -> dict[str, HeldRequest]:
        """Accepted payment requests."""
        return self._core.requests

    @property
    def recalls(self) -> dict[str, HeldRecall]:
        """Accepted return requests."""
        return self._core.recalls

    def handle(self, message: Any, sender_bic: str, now: datetime) -> Outgoings:
        """What follows from one message of a participant."""
        handler = self._handlers.get(type(message))
        return self._core.error(message, sender_bic, now) if handler is None else handler(message, sender_bic, now)

    def refuse_malformed(self, header: BusinessHeader, refusal: Refusal, now: datetime) -> Outgoings:
        """Signed and addressed well, but not by the profile (AOS-C1, AOS-C4): each message has its own refusal."""
        to_bic, original, reasons, words = header.from_bic, header.message_id, (malformed(refusal),), self._core.words
        match header.message_name:
            case MessageName.ORDER | MessageName.RETURN:
                return (words.order_refusal(to_bic, original, reasons, now, name=header.message_name),)
            case MessageName.RETURN_REQUEST:
                return (words.return_refusal(to_bic, original, reasons, now),)
            case name:
                code = ReceiptCode.RJCT if name == MessageName.REQUEST else ReceiptCode.ERRC
                return (words.receipt(to_bic, original, name, now, code=code, reasons=reasons),)

    def next_due(self) -> datetime | None:
        """When the next silence ends an order or request."""
        return min([*self._execution.next_due(), *self._requests.next_due()], default=None)

    def expire(self, now: datetime) -> Outgoings:
        """End what was not answered within its interval (AOS-P5, AOS-T5, AOS-P7)."""
        return (*self._execution.expire(now), *self._requests.expire(now))

    def tick(self, now: datetime) -> Outgoings:
        """Everything that time brings: silence, adjustments (AOS-L4), the end of a day (AOS-I8). Call it often."""
        before, self._seen_at = self._seen_at or now, now
        if any(before < moment <= now for moment in self._adjustments(local_date(before), local_date(now))):
            self.limits.adjust(now)
        ended = [day for day in _days(local_date(before), local_date(now)) if day < local_date(now)]
        statements = tuple(out for day in ended for out in self._information.end_of_day(day, now))
        return (*self.expire(now), *statements)

    def _adjustments(self, first: date, last: date) -> list[datetime]:
        times = self._core.rules.adjustments
        return [datetime.combine(day, time, BAKU) for day in _days(first, last) for time in times]


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _open_accounts(core: Core) -> None:
    """Settlement accounts first: clearing accounts hang on them (AOS-G3)."""
    ledger = core.ledger
    for row in core.participants:
        if row.settlement_account is not None:
            ledger.open_account(row.settlement_account, debit_limit=row.settlement_limit)
        if row.correspondent_account is not None:
            ledger.open_account(row.correspondent_account, balance=row.azips_funds)
    for row in core.participants:
        under = core.participants.direct_of(row).settlement_account
        ledger.open_account(row.clearing_account, balance=row.opening_balance, debit_limit=row.debit_limit, under=under)
