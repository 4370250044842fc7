"""What goes wrong in one run, drawn from its seed: each kind of accident in some runs, often or seldom (swarm testing).

Everything is decided here and by the same `Random` afterwards; nothing looks at the world's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Chances are of one message, of one second, or of one commit, as the name says; 0 where this run is spared."""

    fault_s: float  # how long accidents happen; then everything is let settle
    gateways: int
    shuffled: bool
    lots: int
    loss: float  # of a message, of either direction
    duplication: float  # of a request
    delay: float  # of a message: longer than anybody waits
    latency_s: float  # the usual
    cuts_every_s: float  # a line between two is cut
    crashes_every_s: float  # a gateway is killed, at any point
    torn_every_s: float  # a gateway is killed inside a write or sync of its next commits
    power_every_s: float  # the machine loses power
    clock_every_s: float  # a gateway's wall clock is set, by minutes or hours
    full_every_s: float  # the disk is full for a while
    broken_every_s: float  # writes or syncs fail for a while
    slow_disk_s: float  # at most, a commit
    moods_every_s: float  # a counterparty is busy or refuses for a while
    watches_liquidity: bool
    keeps_answers: bool
    idle_days: int  # at the end nothing runs for so long, then everything starts again
    aos_away_from_s: float  # from the beginning until AÖS is away
    aos_away_s: float  # for so long, and for that the calm waits
    to_midnight_s: float  # from the beginning until the day ends in Baku; 0: it is noon


def draw(random: Random) -> Plan:
    """The plan of a seed."""

    def some(chance: float, low: float, high: float) -> float:
        return random.uniform(low, high) if random.random() < chance else 0.0

    fault_s = random.uniform(15, 150)
    aos_away_from_s, aos_away_s = random.uniform(0, fault_s), some(0.15, 60, 1500)
    days_end_unheard = aos_away_s > 0 and random.random() < 0.5
    return Plan(
        fault_s=fault_s,
        gateways=2 if random.random() < 0.25 else 1,
        shuffled=random.random() < 0.7,
        lots=random.choice((1, 1, 1, 2)),
        loss=some(0.6, 0.01, 0.25),
        duplication=some(0.5, 0.01, 0.2),
        delay=some(0.4, 0.01, 0.15),
        latency_s=random.choice((0.001, 0.02, 0.2)),
        cuts_every_s=some(0.3, 10, 60),
        crashes_every_s=some(0.6, 5, 60),
        torn_every_s=some(0.4, 5, 40),
        power_every_s=some(0.3, 15, 90),
        clock_every_s=some(0.35, 15, 90),
        full_every_s=some(0.25, 15, 60),
        broken_every_s=some(0.25, 15, 60),
        slow_disk_s=some(0.3, 0.01, 3.0),
        moods_every_s=some(0.3, 10, 60),
        watches_liquidity=random.random() < 0.15,
        keeps_answers=random.random() < 0.3,
        idle_days=random.choice((0, 0, 0, 3, 12)),
        aos_away_from_s=aos_away_from_s,
        aos_away_s=aos_away_s,
        to_midnight_s=aos_away_from_s + random.uniform(0, aos_away_s) if days_end_unheard else some(0.2, 1, 120),
    )
