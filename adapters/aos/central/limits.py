"""Debit limits and positions: changes (AOS-L1 to AOS-L3), adjustments with AZIPS (AOS-L4), warnings (AOS-L5), balances.

A settlement account's limit is backed by the funds on the correspondent account in AZIPS, which this system keeps as
one more account of its ledger: AZIPS says yes to no more than is there, and an adjustment moves positions to it.
"""

from __future__ import annotations

from datetime import datetime

from adapters.aos.central.core import Core, Outgoings
from adapters.aos.central.ledger import Posting
from adapters.aos.central.participants import Participant
from adapters.aos.central.words import Outgoing
from contracts.iso20022 import LimitChange, LimitQuery, LimitReport, MessageName, ReasonCode


class Limits:
    """Takes camt.009 and camt.011, hears AZIPS, and writes camt.010."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def asked(self, query: LimitQuery, sender_bic: str, now: datetime) -> Outgoings:
        """AOS-L6, AOS-I5."""
        if not self._core.participants.may_see(sender_bic, query.account):
            return self._core.error(query, sender_bic, now, ReasonCode.AC01)
        return (self._report(sender_bic, query.account, now, query.message_id, MessageName.LIMIT_QUERY),)

    def changed(self, change: LimitChange, sender_bic: str, now: datetime) -> Outgoings:
        """AOS-L2 for a settlement account, AOS-L3 for a clearing account; only its direct participant may.

        Money held for orders counts as spent: it may be so the next moment.
        """
        ledger = self._core.ledger
        owner = self._core.participants.owner_of(change.account)
        if owner is None or self._core.participants.direct_of(owner).bic != sender_bic:
            return self._core.error(change, sender_bic, now, ReasonCode.AC01)
        if change.message_id in self._core.numbers:
            return self._core.error(change, sender_bic, now, ReasonCode.AM05)
        self._core.numbers[change.message_id] = sender_bic
        if change.limit_minor <= ledger.used(change.account):
            return self._core.error(change, sender_bic, now, ReasonCode.AM03)
        if change.account == owner.settlement_account and change.limit_minor > self._funds(owner):
            return self._core.error(change, sender_bic, now, ReasonCode.AM04)  # AZIPS's answer
        ledger.set_limit(change.account, change.limit_minor)
        return (self._report(sender_bic, change.account, now, change.message_id, MessageName.LIMIT_CHANGE),)

    def raised(self, bic: str, amount: int, now: datetime) -> Outgoings:
        """AOS-L1: AZIPS tells that it accepted an MT205; the amount is added, nothing is debited.

        Raises:
            ValueError: the participant has no settlement account.
        """
        account = self._core.participants.member(bic).settlement_account
        if account is None:
            raise ValueError(f"{bic} has no settlement account")
        self._core.ledger.set_limit(account, self._core.ledger.limit(account) + amount)
        return (self._report(bic, account, now),)

    def adjust(self, now: datetime) -> None:
        """AOS-L4: what clearing accounts gained or lost goes over the settlement account to AZIPS and back to zero.

        Cover comes first. Money that orders are held against stays, on whichever account of the group it is. A limit
        never exceeds the funds that are left behind it.
        """
        ledger = self._core.ledger
        for row in sorted(self._core.participants, key=lambda row: ledger.balance(row.clearing_account)):
            direct = self._core.participants.direct_of(row)
            if direct.settlement_account is not None and direct.correspondent_account is not None:
                self._square(row.clearing_account, direct.settlement_account, direct.correspondent_account, now)
        for row in self._core.participants:
            if row.settlement_account is not None:
                left = min(ledger.limit(row.settlement_account), max(0, self._funds(row)))
                ledger.set_limit(row.settlement_account, left)

    def warnings(self, bic: str, now: datetime) -> Outgoings:
        """AOS-L5: once when an account falls below the threshold, again only after it has recovered."""
        row = self._core.participants.member(bic)
        direct = self._core.participants.direct_of(row)
        accounts = [name for name in (row.clearing_account, direct.settlement_account) if name is not None]
        low = {name for name in accounts if self._core.ledger.available(name) < self._core.rules.warning_threshold}
        new = low - self._core.warned
        self._core.warned = (self._core.warned - set(accounts)) | low
        return tuple(self._report(direct.bic, name, now) for name in accounts if name in new)

    def _square(self, clearing: str, settlement: str, correspondent: str, now: datetime) -> None:
        ledger = self._core.ledger
        balance = ledger.balance(clearing)
        idle = min(balance - ledger.blocked(clearing), ledger.available(settlement))
        free = balance if balance < 0 else max(0, idle)
        steps = ((clearing, settlement), (settlement, correspondent))
        for source, target in steps if free > 0 else [(target, source) for source, target in reversed(steps)]:
            if free:
                reference = self._core.words.next_id(now)
                ledger.post(Posting(reference=reference, debit=source, credit=target, amount=abs(free), at=now))

    def _funds(self, row: Participant) -> int:
        return 0 if row.correspondent_account is None else self._core.ledger.balance(row.correspondent_account)

    def _report(
        self, to_bic: str, account: str, now: datetime, question: str | None = None, name: str | None = None
    ) -> Outgoing:
        owner = self._core.participants.owner_of(account)
        if owner is None:
            raise LookupError(f"{account} is nobody's")
        report = LimitReport(
            message_id=self._core.words.next_id(now),
            created_at=now,
            owner_bic=owner.bic,
            account=account,
            limit_minor=self._core.ledger.limit(account),
            balance_minor=self._core.ledger.position(account),
            available_minor=max(0, self._core.ledger.available(account)),
            original_message_id=question,
            original_message_name=name,
        )
        return Outgoing(to_bic=to_bic, message=report, asked=question is not None)
