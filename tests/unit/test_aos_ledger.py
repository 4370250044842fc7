"""The sandbox's ledger: double entry with blocks; money is conserved (AOS-P2, AOS-P4, AOS-P5)."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from adapters.aos.central.ledger import OUTSIDE, Ledger

ACCOUNTS = {"a": 1_000, "b": 500, "c": 0}
LIMITS = {"a": 0, "b": 200, "c": 0}


def _ledger() -> Ledger:
    ledger = Ledger()
    for account, balance in ACCOUNTS.items():
        ledger.open_account(account, balance=balance, debit_limit=LIMITS[account])
    return ledger


def test_opening_balances_come_from_outside_and_sum_to_zero():
    ledger = _ledger()
    assert ledger.balances() == {OUTSIDE: -1_500, "a": 1_000, "b": 500, "c": 0}


def test_a_block_holds_money_without_moving_it():
    """AOS-P2."""
    ledger = _ledger()
    assert ledger.block("o1", "a", 600)
    assert (ledger.balance("a"), ledger.blocked("a"), ledger.available("a")) == (1_000, 600, 400)


def test_what_is_not_there_is_not_blocked():
    """AOS-P2: blocked money is not available twice; a debit limit is."""
    ledger = _ledger()
    assert ledger.block("o1", "a", 600)
    assert not ledger.block("o2", "a", 401)
    assert ledger.block("o3", "b", 700)
    assert not ledger.block("o4", "b", 1)


def test_execution_moves_the_blocked_amount_once():
    """AOS-P4."""
    ledger = _ledger()
    ledger.block("o1", "a", 600)
    ledger.execute("o1", "c")
    assert (ledger.balance("a"), ledger.blocked("a"), ledger.balance("c")) == (400, 0, 600)
    with pytest.raises(KeyError):
        ledger.execute("o1", "c")
    with pytest.raises(KeyError):
        ledger.release("o1")


def test_release_gives_the_money_back_and_posts_nothing():
    """AOS-P5."""
    ledger = _ledger()
    before = list(ledger.postings)
    ledger.block("o1", "a", 600)
    ledger.release("o1")
    assert ledger.available("a") == 1_000
    assert ledger.postings == before


@pytest.mark.parametrize("amount", [0, -1])
def test_nothing_and_less_cannot_be_blocked(amount):
    with pytest.raises(ValueError, match="cannot block"):
        _ledger().block("o1", "a", amount)


def test_an_account_is_opened_once_and_with_sound_figures():
    ledger = _ledger()
    for figures in ({"balance": 1}, {"balance": -1}, {"debit_limit": -1}):
        with pytest.raises(ValueError, match="cannot open"):
            ledger.open_account("a" if figures == {"balance": 1} else "new", **figures)


class Conservation(RuleBasedStateMachine):
    """Any order of blocks, executions and releases: the sum is zero, and no account spends what it has not."""

    def __init__(self):
        super().__init__()
        self.ledger = _ledger()
        self.open: dict[str, tuple[str, int]] = {}
        self.count = 0

    @rule(account=st.sampled_from(sorted(ACCOUNTS)), amount=st.integers(1, 900))
    def block(self, account, amount):
        self.count += 1
        reference = f"o{self.count}"
        could = self.ledger.available(account) >= amount
        assert self.ledger.block(reference, account, amount) is could
        if could:
            self.open[reference] = (account, amount)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), credit=st.sampled_from(sorted(ACCOUNTS)))
    def execute(self, data, credit):
        reference = data.draw(st.sampled_from(sorted(self.open)))
        self.ledger.execute(reference, credit)
        del self.open[reference]

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def release(self, data):
        reference = data.draw(st.sampled_from(sorted(self.open)))
        self.ledger.release(reference)
        del self.open[reference]

    @invariant()
    def money_is_conserved(self):
        balances = self.ledger.balances()
        assert sum(balances.values()) == 0
        assert balances[OUTSIDE] == -sum(ACCOUNTS.values())

    @invariant()
    def nobody_spends_what_it_has_not(self):
        for account, limit in LIMITS.items():
            assert self.ledger.available(account) >= 0
            assert self.ledger.balance(account) >= -limit

    @invariant()
    def balances_are_what_was_posted(self):
        computed = dict.fromkeys(self.ledger.balances(), 0)
        for posting in self.ledger.postings:
            computed[posting.debit] -= posting.amount
            computed[posting.credit] += posting.amount
        assert computed == self.ledger.balances()


Conservation.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestConservation = Conservation.TestCase
