"""Who is next where works wait for the store: what finishes, then what begins; nobody waits for ever."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from gateway.store import StoreBusyError, StoreUnavailableError, Turn
from gateway.store.turns import Turns

SOON_S = 0.02


@dataclass(slots=True, eq=False)
class Job:
    """Hears why it was not done."""

    name: str
    told: asyncio.Future[StoreUnavailableError] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def turn(self) -> Turn:
        return Turn.UNDER_WAY if self.name.islower() else Turn.NEW

    def fail(self, error: StoreUnavailableError) -> None:
        self.told.set_result(error)


def waiting(names: str, patience_s: float = 3600.0) -> Turns[Job]:
    """What finishes has small letters."""
    turns: Turns[Job] = Turns(patience_s=patience_s)
    for name in names:
        turns.add(Job(name))
    return turns


@pytest.mark.parametrize(
    ("came", "taken"),
    [
        ("", ""),
        ("ABC", "ABC"),
        ("abc", "abc"),
        ("ABab", "abAB"),
        ("ABabcdefgh", "abcAdefBgh"),  # three of four places are for what finishes
        ("Aabcdefgh", "abcAdefgh"),
    ],
)
async def test_what_finishes_comes_first_and_what_begins_is_not_left_for_ever(came: str, taken: str) -> None:
    assert "".join(job.name for job in waiting(came).take_all()) == taken


async def test_those_whose_turn_is_full_are_passed_over() -> None:
    turns = waiting("ABab")
    full = frozenset({Turn.UNDER_WAY})
    assert [job.name for job in iter(lambda: turns.take(full=full), None)] == ["A", "B"]
    assert turns.take(full=full) is None
    assert len(turns) == 2


async def test_who_is_tried_again_comes_before_all_of_its_turn() -> None:
    turns = waiting("ABab")
    turns.add(Job("z"), first=True)
    head = turns.head()
    assert head is not None
    assert head.name == "z"
    assert "".join(job.name for job in turns.take_all()) == "zabAB"


async def test_new_work_hears_that_the_store_is_busy_and_what_finishes_waits_on() -> None:
    turns = waiting("Aa", 40 * SOON_S)  # a machine that stands still for as long would be a store that is dead
    new, under_way = (turns._lines[turn][0].job for turn in (Turn.NEW, Turn.UNDER_WAY))
    while not new.told.done():
        turns.answered()
        await asyncio.sleep(SOON_S)
    assert type(await new.told) is StoreBusyError
    assert not under_way.told.done()
    assert turns.take() is under_way


@pytest.mark.parametrize("trouble", ["", "no route to the server"])
async def test_where_nothing_comes_to_its_end_everybody_hears_that_and_why(trouble: str) -> None:
    turns = waiting("Aa", SOON_S)
    turns.answered()
    turns.stuck(trouble)
    jobs = [turns._lines[turn][0].job for turn in Turn]
    for job in jobs:
        error = await job.told
        assert type(error) is StoreUnavailableError
        assert (trouble or "comes to its end") in str(error)
    assert not turns


async def test_its_pressure_says_who_waits_how_long_and_whether_anything_ends() -> None:
    turns = waiting("ABa")
    await asyncio.sleep(SOON_S)
    before = turns.pressure()
    assert before.waiting == {Turn.UNDER_WAY: 1, Turn.NEW: 2}
    assert min(before.waited_s.values()) >= SOON_S / 2
    assert not before.is_answering
    list(turns.take_all())
    turns.answered()
    after = turns.pressure()
    assert (after.waiting, after.waited_s) == (dict.fromkeys(Turn, 0), dict.fromkeys(Turn, 0.0))
    assert after.is_answering
