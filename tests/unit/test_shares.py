"""Who may take how much of a processor that is short: a loop in miniature, its clock in our hands."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest

from gateway.doors.shares import STRANGERS, SUSTAINED_S, Account, Kind, Shares

LATE_MAX_S, BEAT_S, PAUSE_S, REFUSAL_S = 0.1, 0.1, 2.0, 0.0003


def bank(name: str) -> Account:
    return Account(kind=Kind.PARTICIPANT, name=name)


@dataclass
class Client:
    """So many connections, each of which asks again so long after its answer, and `PAUSE_S` after a refusal."""

    account: Account
    connections: int
    cost_s: float
    rest_s: float = 0.0
    ready_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ready_at = [self.rest_s * number / self.connections for number in range(self.connections)]


@dataclass
class Loop:
    """Serves in each round everybody who came during the one before."""

    shares: Shares
    clients: list[Client]
    now: float = 0.0
    beat_due: float = BEAT_S
    taken: Counter[Account] = field(default_factory=Counter)
    refused: Counter[Account] = field(default_factory=Counter)
    late_s: list[float] = field(default_factory=list)

    def play(self, until: float) -> None:
        while self.now < until:
            self.round()

    def round(self) -> None:
        began = self.now
        for client in self.clients:
            for number, ready_at in enumerate(client.ready_at):
                if ready_at <= began:
                    client.ready_at[number] = self.serve(client)
        if self.now >= self.beat_due:
            self.late_s.append(self.now - self.beat_due)
            self.shares.beat(self.now - self.beat_due, self.now)
            self.beat_due = self.now + BEAT_S
        self.now = max(self.now, began + 0.01)

    def serve(self, client: Client) -> float:
        """When it asks next."""
        if not self.shares.admits(client.account, self.now):
            self.refused[client.account] += 1
            self.shares.refused(client.account, REFUSAL_S, self.now)
            self.now += REFUSAL_S
            return self.now + PAUSE_S
        expected_s = self.shares.begin(client.account, self.now)
        self.now += client.cost_s
        self.shares.end(client.account, expected_s, client.cost_s, self.now)
        self.taken[client.account] += 1
        return self.now + client.rest_s


HONEST = [bank(f"honest {number}") for number in range(4)]


def honest() -> list[Client]:
    """Each takes 5 % of the loop."""
    return [Client(account, connections=2, cost_s=0.005, rest_s=0.2) for account in HONEST]


@pytest.mark.parametrize(
    ("cost_s", "connections"), [(0.0005, 1500), (0.003, 300), (0.05, 100)], ids=["cheap", "as usual", "dear"]
)
@pytest.mark.parametrize("flooder", [STRANGERS, bank("greedy")], ids=["strangers", "a bank"])
def test_who_takes_little_is_never_refused_beside_a_flood_and_the_loop_comes_back_to_time(
    flooder: Account, cost_s: float, connections: int
) -> None:
    loop = Loop(Shares(late_max_s=LATE_MAX_S), [*honest(), Client(flooder, connections=connections, cost_s=cost_s)])
    loop.play(40)
    assert sum(loop.refused[account] for account in HONEST) == 0
    assert loop.refused[flooder] > 0
    assert min(loop.taken[account] for account in HONEST) > 150
    settled = sorted(loop.late_s[len(loop.late_s) // 2 :])
    assert settled[len(settled) // 2] <= LATE_MAX_S
    assert loop.taken[flooder] > 0  # what nobody else wants is his, as far as his own refusals leave it


def test_without_shares_everybody_waits_for_the_flood() -> None:
    """What the tests above rest upon."""
    loop = Loop(Shares(late_max_s=1e9), [*honest(), Client(STRANGERS, connections=300, cost_s=0.003)])
    loop.play(20)
    assert sorted(loop.late_s)[len(loop.late_s) // 2] > 5 * LATE_MAX_S


def test_once_the_flood_is_over_everybody_is_taken_again() -> None:
    greedy = Client(bank("greedy"), connections=300, cost_s=0.003)
    loop = Loop(Shares(late_max_s=LATE_MAX_S), [*honest(), greedy])
    loop.play(20)
    assert loop.shares.is_short
    loop.clients.remove(greedy)
    loop.play(40)
    assert not loop.shares.is_short
    assert loop.shares.admits(greedy.account, loop.now)


def test_a_loop_that_is_late_for_a_moment_refuses_nobody() -> None:
    shares = Shares(late_max_s=LATE_MAX_S)
    shares.beat(SUSTAINED_S - 0.1, 10.0)
    assert not shares.is_short
    shares.beat(0.0, 10.1)
    shares.beat(SUSTAINED_S - 0.1, 11.1)
    assert not shares.is_short
    shares.beat(0.2, 11.5)
    assert shares.is_short


def test_who_takes_less_than_the_floor_is_not_blamed_for_a_loop_that_others_keep_late() -> None:
    shares, small = Shares(late_max_s=LATE_MAX_S, floor=0.1), bank("small")
    for second in range(60):
        shares.end(small, shares.begin(small, second), 0.05, second)
        shares.beat(2.0, float(second))
        assert shares.admits(small, float(second))
    assert shares.level == 0.1


def test_who_finishes_what_is_under_way_may_take_half() -> None:
    shares, rail, other = Shares(late_max_s=LATE_MAX_S, finishing=frozenset({"AOS"})), bank("AOS"), bank("999101")
    for step in range(600):
        now = step / 10
        for account in (rail, other):
            shares.end(account, shares.begin(account, now), 0.03, now)
        shares.beat(2.0, now)
    assert (shares.admits(rail, 60.0), shares.admits(other, 60.0)) == (True, False)
    for _ in range(60):
        shares.end(rail, shares.begin(rail, 60.0), 0.03, 60.0)
    assert not shares.admits(rail, 60.0)


def test_a_name_counts_as_a_rail_only_where_a_signature_proved_it() -> None:
    shares = Shares(late_max_s=LATE_MAX_S, finishing=frozenset({"AOS"}))
    said = Account(kind=Kind.ADDRESS, name="AOS")
    for step in range(100):
        shares.end(said, shares.begin(said, step / 10), 0.05, step / 10)
        shares.beat(2.0, step / 10)
    assert not shares.admits(said, 10.0)
