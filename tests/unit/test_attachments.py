"""A document that goes to several at the same moment is read once, and what was read is kept for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.engine import attachments
from gateway.engine.attachments import Attachments
from gateway.store import StoreUnavailableError, Turn
from gateway.store.rows import DocumentRow


@dataclass(slots=True)
class Shelf:
    """A store of documents; `reads` are the ids asked for."""

    documents: dict[str, bytes]
    away: bool = False
    reads: list[str] = field(default_factory=list)

    async def read(self, work: Callable[[Any], Any], turn: Turn = Turn.NEW) -> Any:
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailableError("away")
        return work(SimpleNamespace(document=self._document))

    def _document(self, id: str) -> DocumentRow | None:
        self.reads.append(id)
        content = self.documents.get(id)
        at = datetime(2026, 11, 23, tzinfo=UTC)
        return content and DocumentRow(id=id, media_type="", sha256="", content=content, created_at=at)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf({"a": b"a" * 10, "b": b"b" * 10, "c": b"c" * 10})


async def content(wanted: Attachments, id: str) -> bytes | None:
    found = await wanted.find([id])
    return found[id].content if id in found else None


async def test_several_that_want_it_at_once_share_a_read_and_the_next_needs_none(shelf: Shelf) -> None:
    wanted = Attachments(shelf)
    assert await asyncio.gather(*(content(wanted, "a") for _ in range(3))) == [b"a" * 10] * 3
    assert await content(wanted, "a") == b"a" * 10
    assert shelf.reads == ["a"]


async def test_the_one_longest_not_wanted_goes_first(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "KEPT_MAX_BYTES", 20)
    wanted = Attachments(shelf)
    for id in "abaca":
        await content(wanted, id)
    assert shelf.reads == ["a", "b", "c"]
    await content(wanted, "b")
    assert shelf.reads == ["a", "b", "c", "b"]


async def test_what_is_not_there_is_asked_for_again(shelf: Shelf) -> None:
    wanted = Attachments(shelf)
    assert [await content(wanted, "x"), await content(wanted, "x")] == [None, None]
    assert shelf.reads == ["x", "x"]


async def test_all_hear_that_it_cannot_be_read_and_the_next_tries_again(shelf: Shelf) -> None:
    wanted, shelf.away = Attachments(shelf), True
    found = await asyncio.gather(*(content(wanted, "a") for _ in range(2)), return_exceptions=True)
    assert [type(error) for error in found] == [StoreUnavailableError] * 2
    shelf.away = False
    assert await content(wanted, "a") == b"a" * 10


async def test_who_gives_up_takes_it_from_nobody_else(shelf: Shelf) -> None:
    wanted = Attachments(shelf)
    one, other = (asyncio.create_task(content(wanted, "a")) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    assert await other == b"a" * 10
    assert one.cancelled()
