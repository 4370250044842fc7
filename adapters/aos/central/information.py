"""What a participant may learn: copies, statements, the operating day, and others' texts (AOS-I3, I4, I6 to I8)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from adapters.aos.central.core import Core, Outgoings
from adapters.aos.central.ledger import Posting
from adapters.aos.central.orders import HeldOrder, OrderState
from adapters.aos.central.participants import Participant
from adapters.aos.central.words import Outgoing
from contracts.iso20022 import (
    CopyRequest,
    DayQuery,
    DayReport,
    Direction,
    OrderCopy,
    ReasonCode,
    Statement,
    StatementEntry,
    StatementRequest,
    TextMessage,
)
from gateway.domain.clock import end_of_day, local_date

ADJUSTMENT = "AZIPS"  # what stands in a statement for a message's name where AZIPS and no order moved the account
_PAGE_ENTRIES = 400  # about 200 kB of XML, below what a participant's door takes


class Information:
    """Answers from the books; moves nothing."""

    def __init__(self, core: Core, azips_bic: str) -> None:
        self._core, self._azips_bic = core, azips_bic

    def copy(self, request: CopyRequest, sender_bic: str, now: datetime) -> Outgoings:
        """AOS-I3: an executed order, to its agents and to the direct participants that settle for them."""
        order = self._core.orders.get(request.original_message_id)
        if order is None or order.state is not OrderState.SETTLED or not self._concerns(order, sender_bic):
            return self._core.error(request, sender_bic, now)
        copy = OrderCopy(
            message_id=self._core.words.next_id(now),
            created_at=now,
            from_bic=self._core.words.bic,
            to_bic=sender_bic,
            original_message_id=request.original_message_id,
            order=order.transfer,
        )
        return (Outgoing(to_bic=sender_bic, message=copy, asked=True),)

    def statement(self, request: StatementRequest, sender_bic: str, now: datetime) -> Outgoings:
        """AOS-I4: of any day within the period, up to today."""
        today = local_date(now)
        oldest = today - timedelta(days=self._core.rules.statement_days)
        if not self._core.participants.may_see(sender_bic, request.account):
            return self._core.error(request, sender_bic, now, ReasonCode.AC01)
        if not oldest <= request.day <= today:
            return self._core.error(request, sender_bic, now, ReasonCode.DT01)
        return self._pages(sender_bic, request.account, request.day, now, request.message_id)

    def end_of_day(self, day: date, now: datetime) -> Outgoings:
        """AOS-I8: every participant's clearing account, unasked."""
        rows = list(self._core.participants)
        return tuple(out for row in rows for out in self._pages(row.bic, row.clearing_account, day, now, None))

    def day(self, query: DayQuery, sender_bic: str, now: datetime) -> Outgoings:
        """AOS-I6."""
        today = local_date(now)
        report = DayReport(
            message_id=self._core.words.next_id(now),
            created_at=now,
            original_message_id=query.message_id,
            day=today,
            begins_at=end_of_day(today - timedelta(days=1)),
            ends_at=end_of_day(today),
        )
        return (Outgoing(to_bic=sender_bic, message=report, asked=True),)

    def text(self, text: TextMessage, sender_bic: str, now: datetime) -> Outgoings:
        """AOS-I7: passed on as it is, at any hour."""
        if text.from_bic != sender_bic or self._core.participants.of(text.to_bic) is None:
            return self._core.error(text, sender_bic, now, ReasonCode.RC01)
        return (Outgoing(to_bic=text.to_bic, message=text),)

    def _concerns(self, order: HeldOrder, sender_bic: str) -> bool:
        agents = [self._core.participants.member(bic) for bic in (order.payer_bic, order.payee_bic)]
        return any(sender_bic in (row.bic, self._core.participants.direct_of(row).bic) for row in agents)

    def _pages(self, to_bic: str, account: str, day: date, now: datetime, question: str | None) -> Outgoings:
        start, end = end_of_day(day - timedelta(days=1)), end_of_day(day)
        moved = [posting for posting in self._core.ledger.postings if account in (posting.debit, posting.credit)]
        before = [posting for posting in moved if posting.at is None or posting.at < start]
        entries = [
            self._entry(posting, account, posting.at)
            for posting in moved
            if posting.at is not None and start <= posting.at < end
        ]
        opening = sum(_signed(posting, account) for posting in before)
        closing = opening + sum(_amount(entry) for entry in entries)
        cuts = range(0, max(1, len(entries)), _PAGE_ENTRIES)
        return tuple(
            Outgoing(
                to_bic=to_bic,
                message=Statement(
                    message_id=self._core.words.next_id(now),
                    created_at=now,
                    owner_bic=self._owner(account).bic,
                    account=account,
                    day=day,
                    opening_minor=opening,
                    closing_minor=closing,
                    entries=tuple(entries[cut : cut + _PAGE_ENTRIES]),
                    page=number,
                    last_page=cut == cuts[-1],
                    original_message_id=question,
                ),
                asked=question is not None,
            )
            for number, cut in enumerate(cuts, 1)
        )

    def _entry(self, posting: Posting, account: str, at: datetime) -> StatementEntry:
        order = self._core.orders.get(posting.reference)
        other = posting.credit if posting.debit == account else posting.debit
        owner = self._core.participants.owner_of(other)
        return StatementEntry(
            message_id=posting.reference,
            message_name=ADJUSTMENT if order is None else order.name,
            direction=Direction.DEBIT if posting.debit == account else Direction.CREDIT,
            amount_minor=posting.amount,
            counterparty_bic=self._azips_bic if order is None or owner is None else owner.bic,
            booked_at=at,
            end_to_end_id=None if order is None else order.end_to_end_id,
        )

    def _owner(self, account: str) -> Participant:
        owner = self._core.participants.owner_of(account)
        if owner is None:
            raise LookupError(f"{account} is nobody's")
        return owner


def _signed(posting: Posting, account: str) -> int:
    return posting.amount if posting.credit == account else -posting.amount


def _amount(entry: StatementEntry) -> int:
    return entry.amount_minor if entry.direction is Direction.CREDIT else -entry.amount_minor
