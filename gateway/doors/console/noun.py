"""One noun of any kind, of a lot or of none: how it stands, what is under way, what happened, the signed messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from gateway.domain.nouns import TABLES
from gateway.doors.console.lots import names_of, told
from gateway.doors.console.visitor import Visitor
from gateway.doors.console.words import catalogue
from gateway.store.interface import Reader
from gateway.store.rows import EvidenceRow, JournalRow, NounRow, OutboxRow

PAGE_ROWS = 100
_HIDDEN = frozenset({"visit"})  # who is at the console is `console sessions`
_CLOCKS = timedelta(minutes=1)  # by which replicas' clocks may differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known of a noun, a page of it."""

    row: NounRow
    lines: Sequence[JournalRow]
    messages: Sequence[EvidenceRow]
    under_way: Sequence[OutboxRow]


async def show(visitor: Visitor) -> web.StreamResponse:
    """One noun; at first the last page of what happened to it."""
    noun, id = visitor.asked("noun"), visitor.asked("id")
    if noun not in TABLES or noun in _HIDDEN:
        raise web.HTTPNotFound
    after, messages_after = visitor.number("after"), visitor.number("messages_after")
    record = await visitor.desk.engine.store.read(lambda reader: _record(reader, noun, id, after, messages_after))
    if record is None:
        raise web.HTTPNotFound
    row, lines, messages = record.row, record.lines[:PAGE_ROWS], record.messages[:PAGE_ROWS]
    first = lines[0].version if lines else 1
    advice = f"advice.{row.noun}.{row.state}"
    return visitor.page(
        "noun.html",
        row=row,
        waits=row.state in {str(state) for state in TABLES[noun].waiting_for_person},
        advice=advice if advice in catalogue(visitor.language) else None,
        named=names_of(row, visitor.language),
        under_way=record.under_way,
        lines=[told(line, visitor.language) for line in lines],
        earlier=max(first - 1 - PAGE_ROWS, 0) if first > 1 else None,
        later=lines[-1].version if len(record.lines) > PAGE_ROWS else None,
        messages=messages,
        messages_after=messages[-1].seq if len(record.messages) > PAGE_ROWS else None,
        names=visitor.desk.names,
    )


def kept_since(reader: Reader, noun: str, id: str, since: datetime, limit: int) -> list[EvidenceRow]:
    """A noun's messages from then on. What goes on for years is not walked through: some sixty seeks find the place."""
    beginning = reader.evidence_of(noun, id, limit=limit)
    if len(beginning) < limit or beginning[0].at >= since:
        return beginning
    low, high = 0, 2**62
    while high - low > 1:
        middle = (low + high) // 2
        there = reader.evidence_of(noun, id, after=middle, limit=1)
        if there and there[0].at < since - _CLOCKS:
            low = there[0].seq
        else:
            high = middle
    return reader.evidence_of(noun, id, after=low, limit=limit)


def _record(reader: Reader, noun: str, id: str, after: int | None, messages_after: int | None) -> Record | None:
    row = reader.noun(noun, id)
    if row is None:
        return None
    begin = max(row.version - PAGE_ROWS, 0) if after is None else after
    lines = reader.journal_of(noun, id, after=begin, limit=PAGE_ROWS + 1)
    if messages_after is not None:
        messages = reader.evidence_of(noun, id, after=messages_after, limit=PAGE_ROWS + 1)
    else:
        since = lines[0].at if lines else row.updated_at
        messages = kept_since(reader, noun, id, since, PAGE_ROWS + 1)
    return Record(row=row, lines=lines, messages=messages, under_way=reader.outbox_of(noun, id))
