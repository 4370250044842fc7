"""The central system under any order of messages, silence and repetition: money is conserved, nothing executes twice.

Orders, returns, recalls, limits and adjustments are drawn at random; after every step the books are compared with what
was said to the participants (AOS-P2 to AOS-P7, AOS-T1 to AOS-T6, AOS-L2 to AOS-L4).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from aos_town import (
    INDIRECT_BIC,
    INDIRECT_HOLDER,
    OPERATOR_CLEARING,
    OPERATOR_FUNDS,
    OPERATOR_SETTLEMENT,
    ROWS,
    Town,
    answer,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from adapters.aos.central.orders import OrderState
from contracts.iso20022 import LimitChange, OrderStatus, StatusKind, samples
from contracts.iso20022.samples import BANK_BIC, MOMENT, OPERATOR_BIC, RETURN, RETURN_REQUEST, SYSTEM_BIC, TRANSFER

HOLDERS = {OPERATOR_BIC: samples.DESIGNATED, BANK_BIC: samples.BIDDER, INDIRECT_BIC: INDIRECT_HOLDER}
ANSWERS = st.sampled_from([StatusKind.AUTH, StatusKind.NAUT])
AMOUNTS = st.integers(1, 700_000)


class CentralSystem(RuleBasedStateMachine):
    """Any participant says anything, in any order, twice or never."""

    def __init__(self):
        super().__init__()
        self.town, self.now, self.count = Town(), MOMENT, 0
        self.sent, self.returns = [], []
        self.finals: dict[str, set[str]] = {}

    @rule(debtor=st.sampled_from(sorted(HOLDERS)), creditor=st.sampled_from(sorted(HOLDERS)), amount=AMOUNTS)
    def order(self, debtor, creditor, amount):
        self.count += 1
        order = replace(
            TRANSFER,
            message_id=f"O{self.count}",
            end_to_end_id=f"e{self.count}",
            debtor=HOLDERS[debtor],
            creditor=HOLDERS[creditor],
            instructing_bic=debtor,
            amount_minor=amount,
        )
        self.sent.append(order)
        self._say(debtor, order)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def order_again(self, data):
        order = data.draw(st.sampled_from(self.sent))
        out = self._say(order.debtor.bic, order)
        assert [reason.code for reason in out[0].message.reasons] == ["AM05"]

    @precondition(lambda self: self._paid())
    @rule(data=st.data(), amount=AMOUNTS)
    def give_back(self, data, amount):
        paid = data.draw(st.sampled_from(self._paid()))
        self.count += 1
        order = replace(
            RETURN,
            message_id=f"R{self.count}",
            return_id=f"r{self.count}",
            instructing_bic=paid.creditor.bic,
            original_message_id=paid.message_id,
            original_end_to_end_id=paid.end_to_end_id,
            amount_minor=min(amount, paid.amount_minor),
            debtor=paid.debtor,
            creditor=paid.creditor,
        )
        self.returns.append(order)
        self._say(paid.creditor.bic, order)

    @precondition(lambda self: self._waiting())
    @rule()
    def authorise_all(self):
        for order in self._waiting():
            said = answer(order, StatusKind.AUTH)
            self._say(said.instructing_bic, said)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def ask_back(self, data):
        paid = data.draw(st.sampled_from(self.sent))
        self.count += 1
        self._say(
            paid.debtor.bic,
            replace(
                RETURN_REQUEST,
                message_id=f"Q{self.count}",
                from_bic=paid.debtor.bic,
                to_bic=paid.creditor.bic,
                original_message_id=paid.message_id,
                original_end_to_end_id=paid.end_to_end_id,
                amount_minor=paid.amount_minor,
            ),
        )

    @precondition(lambda self: self.sent or self.returns)
    @rule(data=st.data(), kind=ANSWERS)
    def answer_one(self, data, kind):
        order = data.draw(st.sampled_from([*self.sent, *self.returns]))
        said = answer(order, kind)
        self._say(said.instructing_bic, said)

    @rule(account=st.sampled_from([OPERATOR_SETTLEMENT, OPERATOR_CLEARING]), limit=st.integers(1, 3_000_000))
    def limit(self, account, limit):
        self.count += 1
        change = LimitChange(
            message_id=f"L{self.count}",
            created_at=self.now,
            owner_bic=OPERATOR_BIC,
            account=account,
            limit_minor=limit,
        )
        self._say(OPERATOR_BIC, change)

    @rule()
    def adjust(self):
        self.town.system.limits.adjust(self.now)

    @rule(seconds=st.integers(1, 30))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)
        self._heard(self.town.system.tick(self.now))

    @invariant()
    def money_is_conserved(self):
        balances = self.town.system.ledger.balances()
        assert sum(balances.values()) == 0
        brought_in = sum(row.opening_balance + row.azips_funds for row in ROWS)
        assert balances["AZIPS"] == -brought_in

    @invariant()
    def every_order_executes_once_or_not_at_all(self):
        posted = Counter(p.reference for p in self.town.system.ledger.postings)
        for key, held in self.town.system.orders.items():
            assert posted[key] == (1 if held.state is OrderState.SETTLED else 0)

    @invariant()
    def what_is_held_is_what_waits(self):
        waiting = [held for held in self.town.system.orders.values() if held.state is OrderState.BLOCKED]
        blocked = sum(self.town.system.ledger.blocked(row.clearing_account) for row in ROWS)
        assert blocked == sum(held.transfer.amount_minor for held in waiting)
        assert all(held.due > self.now - timedelta(seconds=31) for held in waiting)

    @invariant()
    def nobody_spends_what_it_has_not(self):
        ledger = self.town.system.ledger
        for row in ROWS:
            assert ledger.balance(row.clearing_account) >= -ledger.limit(row.clearing_account)
        assert ledger.position(OPERATOR_SETTLEMENT) >= -ledger.limit(OPERATOR_SETTLEMENT)
        assert ledger.limit(OPERATOR_SETTLEMENT) <= ledger.balance(OPERATOR_FUNDS)

    @invariant()
    def nothing_is_returned_beyond_what_was_paid(self):
        returned = Counter()
        for held in self.town.system.orders.values():
            if held.transfer in self.returns and held.state is not OrderState.REJECTED:
                returned[held.transfer.original_message_id] += held.transfer.amount_minor
        assert all(amount <= self.town.system.orders[key].transfer.amount_minor for key, amount in returned.items())

    @invariant()
    def nobody_is_told_two_ends(self):
        """Of what was taken; a repetition's AM05 speaks of the second copy."""
        assert all(len(words) == 1 for words in self.finals.values())

    def teardown(self):
        """Time alone ends everything: settled, rejected, or a recall that waits for the creditor agent."""
        self._heard(self.town.system.tick(self.now + timedelta(seconds=60)))
        assert all(held.state is not OrderState.BLOCKED for held in self.town.system.orders.values())
        self.nobody_is_told_two_ends()

    def _paid(self):
        return [order for order in self.sent if self._state(order) is OrderState.SETTLED]

    def _waiting(self):
        return [order for order in [*self.sent, *self.returns] if self._state(order) is OrderState.BLOCKED]

    def _state(self, order):
        held = self.town.system.orders.get(order.message_id)
        return None if held is None else held.state

    def _say(self, sender_bic, message):
        out = self.town.say(sender_bic, message, self.now)
        self._heard(out)
        return out

    def _heard(self, outgoings):
        for out in outgoings:
            status = out.message
            final = isinstance(status, OrderStatus) and status.kind in (StatusKind.STAT, StatusKind.RJCT)
            if final and status.instructing_bic == SYSTEM_BIC and "AM05" not in [r.code for r in status.reasons]:
                self.finals.setdefault(status.original_message_id, set()).add(status.kind)


CentralSystem.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestCentralSystem = CentralSystem.TestCase
