"""Deliveries: what one told whom, every attempt, and the signed answer; and what a recipient was sent, newest first.

For the question on the telephone, "we never got it": the journal has the attempts, the evidence both signed messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from gateway.domain.dispatches import Notice
from gateway.doors.console import shown
from gateway.doors.console.lots import Line, told
from gateway.doors.console.noun import kept_since
from gateway.doors.console.visitor import Visitor
from gateway.store.interface import Reader
from gateway.store.rows import EvidenceRow, FeedRow, NounRow, OutboxRow

PAGE_ROWS = 50
LINES_MAX = 1000  # of its noun's journal and messages, looked through from the delivery's making on
PATH = "/deliveries/delivery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """All that is known of one delivery. The noun is None where it tells of none."""

    row: OutboxRow
    noun: NounRow | None
    attempts: Sequence[Line]
    messages: Sequence[EvidenceRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One line of a recipient's feed, and what became of its delivery; None where it is kept no longer."""

    line: FeedRow
    notice: Mapping[str, Any]
    row: OutboxRow | None


async def show(visitor: Visitor) -> web.StreamResponse:
    """One delivery, whatever became of it."""
    id, language = visitor.asked("id"), visitor.language
    known = await visitor.desk.engine.store.read(lambda reader: _dossier(reader, id, language))
    if known is None:
        raise web.HTTPNotFound
    notice = orjson.loads(known.row.body) if known.row.body_type == Notice.__name__ else {}
    return visitor.page(
        "dossier.html",
        row=known.row,
        noun=known.noun,
        attempts=known.attempts,
        messages=known.messages,
        answered=any(kept.direction == "in" for kept in known.messages),
        content={name: shown.fact(value, language) for name, value in notice.items() if value is not None},
        names=visitor.desk.names,
    )


async def recipient(visitor: Visitor) -> web.StreamResponse:
    """What a recipient was told, the newest first, and what still waits for it."""
    code, before = visitor.asked("code"), visitor.number("before")
    head, lines, waiting = await visitor.desk.engine.store.read(lambda reader: _feed(reader, code, before))
    if not head and not waiting and code not in visitor.desk.sources:
        raise web.HTTPNotFound
    oldest = lines[-1].line.sequence if lines else 1
    return visitor.page(
        "told.html",
        code=code,
        lines=lines,
        waiting=waiting,
        older=oldest if oldest > 1 else None,
        newest=before is None,
        names=visitor.desk.names,
    )


def _dossier(reader: Reader, id: str, language: str) -> Dossier | None:
    row = reader.find_outbox(id)
    if row is None or row.name is not None:  # a timer tells nobody anything
        return None
    after, noun = row.state_version, reader.noun(row.noun, row.noun_id)
    lines = reader.journal_of(row.noun, row.noun_id, after=after, limit=LINES_MAX)
    kept = kept_since(reader, row.noun, row.noun_id, row.created_at, LINES_MAX)
    return Dossier(
        row=row,
        noun=noun,
        attempts=[told(line, language) for line in lines if _delivery_of(line.data) == id],
        messages=[item for item in kept if item.message_id == id],
    )


def _feed(reader: Reader, code: str, before: int | None) -> tuple[int, Sequence[Told], Sequence[OutboxRow]]:
    """The recipient's last sequence, a page of its feed backwards, and the first of what waits for it."""
    head = reader.feed_head(code)
    last = head if before is None else min(before - 1, head)
    after = max(last - PAGE_ROWS, 0)
    lines = reader.read_feed(code, after=after, limit=max(last - after, 0)) if last > after else []
    told_so = [Told(line=line, notice=_notice(line.body), row=reader.find_outbox(line.outbox_id)) for line in lines]
    return head, told_so[::-1], reader.list_outbox(recipient=code, limit=PAGE_ROWS)


def _notice(body: str) -> Mapping[str, Any]:
    notice: Mapping[str, Any] = orjson.loads(body).get("notice", {})
    return notice


def _delivery_of(data: str) -> str | None:
    found: str | None = orjson.loads(data).get("delivery")
    return found
