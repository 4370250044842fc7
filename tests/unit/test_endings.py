"""Attempts that end at the same moment are booked by one work, and each keeps its own fate."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain

import pytest

from gateway.engine.endings import FAULTS_MAX, TOGETHER_MAX, Ended, Endings
from gateway.ports import Acknowledged, Outcome
from gateway.store import StoreBusyError, StoreError, StoreUnavailableError
from gateway.store.rows import OutboxRow

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SOON_S = 0.001


def row(id: str) -> OutboxRow:
    return OutboxRow(
        id=id,
        channel="alpha",
        recipient="R",
        noun="puppet",
        noun_id="P",
        body_type="X",
        body="{}",
        due_at=AT,
        created_at=AT,
        seq=1,
        attempt=1,
        booked=0,
        visible_at=AT,
        lease_owner="w",
        parked_at=None,
        concluded_at=None,
        last_error=None,
    )


@dataclass(slots=True)
class Book:
    """Notes what comes together. `gate` holds every work up; `lost` and `faulty` are by ids of rows."""

    works: list[list[str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    lost: frozenset[str] = frozenset()
    faulty: dict[str, StoreError] = field(default_factory=dict)

    async def conclude(self, row: OutboxRow, outcome: Outcome) -> bool:
        return (await self.conclude_all([Ended(row=row, outcome=outcome)]))[0]

    async def conclude_all(self, ended: Sequence[Ended]) -> list[bool]:
        names = [each.row.id for each in ended]
        self.works.append(names)
        await self.gate.wait()
        for name in names:
            if name in self.faulty:
                raise self.faulty[name]
        return [name not in self.lost for name in names]


@pytest.fixture
def book() -> Book:
    return Book()


def handed_in(endings: Endings, *ids: str) -> list[asyncio.Task[bool]]:
    return [asyncio.create_task(one(endings, id)) for id in ids]


async def one(endings: Endings, id: str) -> bool:
    [held] = await endings.conclude(Ended(row=row(id), outcome=Acknowledged()))
    if isinstance(held, BaseException):
        raise held
    return held


async def moments(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_who_is_alone_waits_for_nobody(book: Book) -> None:
    book.gate.set()
    endings = Endings(book)
    assert [await one(endings, id) for id in "ab"] == [True, True]
    assert book.works == [["a"], ["b"]]


async def test_what_becomes_ready_while_a_work_is_under_way_goes_along_with_the_next(book: Book) -> None:
    endings = Endings(book)
    tasks = handed_in(endings, "a")
    await moments()
    tasks += handed_in(endings, "b", "c")
    await moments()
    tasks += handed_in(endings, "d")
    await moments()
    assert book.works == [["a"]]
    book.gate.set()
    assert await asyncio.gather(*tasks) == [True] * 4
    assert book.works == [["a"], ["b", "c", "d"]]


async def test_no_work_is_longer_than_the_limit(book: Book) -> None:
    book.gate.set()
    names = [str(number) for number in range(TOGETHER_MAX + 3)]
    await asyncio.gather(*handed_in(Endings(book), *names))
    assert [len(work) for work in book.works] == [TOGETHER_MAX, 3]
    assert list(chain(*book.works)) == names  # in the order in which they came


async def test_a_lost_lease_is_told_to_its_own_attempt_only(book: Book) -> None:
    book.gate.set()
    book.lost = frozenset("b")
    assert await asyncio.gather(*handed_in(Endings(book), "a", "b", "c")) == [True, False, True]
    assert len(book.works) == 1


async def test_where_one_fails_each_is_booked_by_itself_and_only_that_one_hears_of_it(book: Book) -> None:
    book.gate.set()
    book.faulty = {"b": StoreError("a fault of ours")}
    found = await asyncio.gather(*handed_in(Endings(book), "a", "b", "c"), return_exceptions=True)
    assert [found[0], found[2]] == [True, True]
    assert found[1] is book.faulty["b"]
    assert book.works == [["a", "b", "c"], ["a"], ["b"], ["c"]]


async def test_what_fails_alone_fails_once(book: Book) -> None:
    book.gate.set()
    book.faulty = {"a": StoreError("a fault of ours")}
    with pytest.raises(StoreError):
        await one(Endings(book), "a")
    assert book.works == [["a"]]


async def test_what_a_store_does_not_take_is_brought_again_until_it_does(book: Book) -> None:
    book.gate.set()
    book.faulty = dict.fromkeys("abc", StoreUnavailableError("the server is away"))
    tasks = handed_in(Endings(book, again_s=SOON_S), "a", "b", "c")
    while len(book.works) < 20:
        await moments()
    assert not any(task.done() for task in tasks)
    book.faulty = {}
    assert await asyncio.gather(*tasks) == [True] * 3


async def test_what_waits_for_a_lock_delays_no_other_and_is_never_given_up(book: Book) -> None:
    book.gate.set()
    book.faulty = {"a": StoreBusyError("another transaction kept its lock")}
    endings = Endings(book, again_s=SOON_S)
    [locked] = handed_in(endings, "a")
    for number in range(3 * FAULTS_MAX):
        tried = book.works.count(["a"])
        while book.works.count(["a"]) == tried:
            await moments()
        assert await one(endings, f"b{number}")
    assert not locked.done()
    book.faulty = {}
    assert await locked


async def test_what_alone_is_not_taken_while_others_are_is_given_up(book: Book) -> None:
    """Data that no server takes look like a server that is away; the lease ends then, as with any fault of ours."""
    book.gate.set()
    book.faulty = {"a": StoreUnavailableError("too large")}
    endings = Endings(book, again_s=SOON_S)
    [faulty] = handed_in(endings, "a")
    others = 0
    while not faulty.done():
        assert await one(endings, f"b{others}")
        others += 1
        await moments()
    assert faulty.exception() is book.faulty["a"]
    assert book.works.count(["a"]) > FAULTS_MAX


async def test_at_the_end_what_is_not_taken_is_tried_once_more_and_then_told(book: Book) -> None:
    book.gate.set()
    book.faulty = {"a": StoreUnavailableError("the server is away")}
    endings = Endings(book, again_s=3600)
    [task] = handed_in(endings, "a")
    await moments()
    await endings.finish()
    assert book.works == [["a"], ["a"]]
    with pytest.raises(StoreUnavailableError):
        await task


async def test_who_gives_up_waiting_is_booked_nevertheless_and_takes_nobody_along(book: Book) -> None:
    endings = Endings(book)
    first, second, third = handed_in(endings, "a", "b", "c")
    await moments()
    fourth, fifth = handed_in(endings, "d", "e")
    await moments()
    for task in (second, fourth):
        task.cancel()
    await moments()
    finished = asyncio.create_task(endings.finish())
    await moments()
    assert not finished.done()
    book.gate.set()
    await finished
    assert book.works == [["a", "b", "c"], ["d", "e"]]
    assert [await task for task in (first, third, fifth)] == [True] * 3
    assert (second.cancelled(), fourth.cancelled()) == (True, True)


async def test_a_hand_waits_for_all_of_its_own_and_hears_of_each_at_its_place(book: Book) -> None:
    book.lost, book.faulty = frozenset("b"), {"d": StoreError("a fault of ours")}
    endings = Endings(book)
    (first,) = handed_in(endings, "first")
    hand = asyncio.create_task(endings.conclude(*(Ended(row=row(id), outcome=Acknowledged()) for id in "abcd")))
    await moments()
    assert not hand.done()
    book.gate.set()
    held, lost, other, failed = await hand
    assert (held, lost, other) == (True, False, True)
    assert failed is book.faulty["d"]
    assert await first


async def test_a_hand_longer_than_a_work_is_told_when_the_last_of_it_is_booked(book: Book) -> None:
    book.gate.set()
    names = [str(number) for number in range(TOGETHER_MAX + 1)]
    book.lost = frozenset(names[-1:])
    said = await Endings(book).conclude(*(Ended(row=row(id), outcome=Acknowledged()) for id in names))
    assert said == [True] * TOGETHER_MAX + [False]
    assert len(book.works) == 2


async def test_with_nothing_under_way_there_is_nothing_to_wait_for(book: Book) -> None:
    await Endings(book).finish()
    assert book.works == []
