"""Refusals are written in batches, one at a time; a flood of one sender is counted, an honest one's line is kept."""

from __future__ import annotations

import asyncio

import pytest
from waiting import PATIENCE_S

from contracts.errors import ErrorCode, Refusal
from gateway.domain.door import RequestRefused, RequestsRefused
from gateway.engine.refusals import LINES_MAX, TEXT_MAX_CHARS, Lines, RefusalBook
from gateway.store.errors import StoreUnavailableError

REFUSAL = Refusal(code=ErrorCode.SIGNATURE_INVALID, facts={"step": "5"})


class Slow:
    """A store that writes when it is told to."""

    def __init__(self) -> None:
        self.batches: list[Lines] = []
        self.go = asyncio.Semaphore(0)
        self.broken = False

    async def write(self, lines: Lines) -> None:
        self.batches.append(lines)
        await self.go.acquire()
        if self.broken:
            raise OSError("disk full")


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_comes_while_a_batch_is_written_is_the_next_batch() -> None:
    store = Slow()
    book = RefusalBook(store.write, nameless="anonymous")
    first = asyncio.create_task(book.note("999101", "/v1/events", REFUSAL, digest="ab"))
    await settle()
    others = [asyncio.create_task(book.note(None, "/v1/events", REFUSAL)) for _ in range(3)]
    others.append(asyncio.create_task(book.note("999202", "/soap/v1", REFUSAL)))
    await settle()
    assert len(store.batches) == 1
    store.go.release()
    await first
    await settle()
    assert not any(task.done() for task in others)
    store.go.release()
    await asyncio.gather(*others)
    assert {sender: len(events) for sender, events in store.batches[1].items()} == {"anonymous": 3, "999202": 1}
    assert len(store.batches) == 2


async def test_a_flood_has_so_many_lines_and_one_that_counts_the_rest() -> None:
    store = Slow()
    book = RefusalBook(store.write, nameless="anonymous")
    beginning = asyncio.create_task(book.note("EHERRAC", "/v1/events", REFUSAL))
    await settle()
    flood = [asyncio.create_task(book.note("999101", f"/{number}", REFUSAL)) for number in range(LINES_MAX + 500)]
    await settle()
    for _ in range(2):
        store.go.release()
    await asyncio.gather(beginning, *flood)
    events = store.batches[1]["999101"]
    assert [event.what for event in events[:-1] if isinstance(event, RequestRefused)] == [
        f"/{number}" for number in range(LINES_MAX)
    ]
    assert events[-1] == RequestsRefused(codes={ErrorCode.SIGNATURE_INVALID: 500})


async def test_who_waits_hears_that_it_was_not_written_and_the_next_are_written() -> None:
    store = Slow()
    store.broken = True
    book = RefusalBook(store.write, nameless="anonymous")
    store.go.release()
    with pytest.raises(OSError, match="disk full"):
        await book.note("999101", "/v1/events", REFUSAL)
    store.broken = False
    store.go.release()
    await book.note("999101", "/v1/events", REFUSAL)
    assert len(store.batches) == 2


async def test_where_the_writing_is_cancelled_nobody_waits_for_ever_and_the_next_are_written() -> None:
    store = Slow()
    book = RefusalBook(store.write, nameless="anonymous")
    first = asyncio.create_task(book.note("999101", "/v1/events", REFUSAL))
    await settle()
    second = asyncio.create_task(book.note("999202", "/v1/events", REFUSAL))
    await settle()
    (writing,) = (task for task in asyncio.all_tasks() if task.get_name() == "refusals")
    writing.cancel()
    ends = await asyncio.wait_for(asyncio.gather(first, second, return_exceptions=True), PATIENCE_S)
    assert [type(end) for end in ends] == [StoreUnavailableError] * 2
    store.go.release()
    await book.note("999101", "/v1/events", REFUSAL)
    assert len(store.batches) == 2


async def test_after_a_flood_of_strangers_the_next_lines_wait() -> None:
    """Nobody gives them a quota: without the pause their lines would fill the disk as fast as it writes."""
    store, pauses = Slow(), asyncio.Semaphore(0)
    book = RefusalBook(store.write, nameless="anonymous", pause=pauses.acquire)
    for _ in range(3):
        store.go.release()
    await book.note(None, "/v1/events", REFUSAL)
    await book.note(None, "/v1/events", REFUSAL)  # no flood, no pause
    flood = [asyncio.create_task(book.note(None, "/v1/events", REFUSAL)) for _ in range(LINES_MAX + 1)]
    await asyncio.gather(*flood)
    later = asyncio.create_task(book.note(None, "/v1/events", REFUSAL))
    store.go.release()
    await settle()
    assert (len(store.batches), later.done()) == (3, False)
    pauses.release()
    await later
    assert len(store.batches) == 4


async def test_a_line_is_no_longer_than_anybody_reads() -> None:
    store = Slow()
    store.go.release()
    facts = {"path": "/v1/" + "a" * 8_000}
    refusal = Refusal(code=ErrorCode.NOT_FOUND, facts=facts)
    await RefusalBook(store.write, nameless="anonymous").note(None, facts["path"], refusal)
    (event,) = store.batches[0]["anonymous"]
    assert isinstance(event, RequestRefused)
    assert (len(event.what), len(event.facts["path"])) == (TEXT_MAX_CHARS, TEXT_MAX_CHARS)
