"""Lots: listed by state, and everything that happened to one, in the words that `lot show` says them in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from gateway.domain.lot import LotState
from gateway.domain.nouns import TABLES
from gateway.doors.console import shown
from gateway.doors.console.visitor import Visitor
from gateway.store.interface import Reader
from gateway.store.rows import EvidenceRow, JournalRow, NounRow, OutboxRow
from gateway.timeline import sentence

PAGE_ROWS = 100
NOUNS_MAX = 200  # of one lot shown; a lot of sixty bidders has about that many
_ALARM = "Alarm:"
_READ_OUT = (
    "message_id",
    "end_to_end_id",
    "transaction_id",
    "msid",
    "reference",
    "invoice_number",
    "operation_number",
    "protocol_number",
    "request_id",
    "case_number",
)
_OF_DELIVERIES = frozenset(
    {
        "DeliveryAcknowledged",
        "DeliveryTakenOver",
        "DeliveryDeferred",
        "DeliveryParked",
        "Requeued",
        "Discarded",
        "TimerPassed",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a timeline."""

    at: datetime
    noun: str
    noun_id: str
    before: str | None
    after: str
    words: str
    alarm: str | None  # its code
    delivery: str | None  # the one it tells of
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What is known of a lot, a page of it."""

    nouns: Sequence[NounRow]
    lines: Sequence[JournalRow]
    messages: Sequence[EvidenceRow]
    under_way: Sequence[OutboxRow]


def told(row: JournalRow, language: str) -> Line:
    """A line of the journal as the console tells it."""
    return Line(
        at=row.at,
        noun=row.noun,
        noun_id=row.noun_id,
        before=None if row.before == row.after else row.before,
        after=row.after,
        words=sentence(row, language, partial(shown.fact, language=language)),
        alarm=row.event.removeprefix(_ALARM) if row.event.startswith(_ALARM) else None,
        delivery=orjson.loads(row.data).get("delivery") if row.event in _OF_DELIVERIES else None,
        source=row.cause_source,
    )


async def show_all(visitor: Visitor) -> web.StreamResponse:
    """The list of lots by state."""
    after, state = visitor.asked("after"), visitor.asked("state") if visitor.asked("state") in set(LotState) else ""
    rows = await visitor.desk.engine.store.read(
        lambda reader: reader.list_nouns("lot", state=state or None, after=after, limit=PAGE_ROWS + 1)
    )
    return visitor.page(
        "lots.html",
        state=state,
        states=list(LotState),
        rows=[(row, orjson.loads(row.data)) for row in rows[:PAGE_ROWS]],
        next_after=rows[PAGE_ROWS - 1].id if len(rows) > PAGE_ROWS else None,
        names=visitor.desk.names,
    )


async def show(visitor: Visitor) -> web.StreamResponse:
    """One lot."""
    lot_id = visitor.asked("id")
    if not lot_id:  # what belongs to no lot is not a lot
        raise web.HTTPNotFound
    after, messages_after = visitor.number("after") or 0, visitor.number("messages_after") or 0
    story = await visitor.desk.engine.store.read(lambda reader: _story(reader, lot_id, after, messages_after))
    if not story.nouns and not story.lines:
        raise web.HTTPNotFound
    lot = next((row for row in story.nouns if row.noun == "lot"), None)
    return visitor.page(
        "lot.html",
        lot_id=lot_id,
        lot=lot,
        title=_data(lot).get("title", ""),
        nouns=story.nouns[:NOUNS_MAX],
        more_nouns=len(story.nouns) > NOUNS_MAX,
        named={(row.noun, row.id): names_of(row, visitor.language) for row in story.nouns},
        amounts={row.id: amount for row in story.nouns if (amount := _amount(row, visitor.language))},
        waiting={(name, str(state)) for name, table in TABLES.items() for state in table.waiting_for_person},
        lines=[told(row, visitor.language) for row in story.lines[:PAGE_ROWS]],
        lines_after=story.lines[PAGE_ROWS - 1].seq if len(story.lines) > PAGE_ROWS else None,
        messages=story.messages[:PAGE_ROWS],
        messages_after=story.messages[PAGE_ROWS - 1].seq if len(story.messages) > PAGE_ROWS else None,
        under_way=story.under_way,
        names=visitor.desk.names,
    )


async def evidence(visitor: Visitor) -> web.StreamResponse:
    """The exact bytes of a message, as a file: never as a page of ours. Who took it is written down."""
    seq = visitor.number("seq")
    piece = None if seq is None else await visitor.desk.engine.store.read(lambda reader: reader.evidence_piece(seq))
    if piece is None:
        raise web.HTTPNotFound
    await visitor.desk.visits.note_action(visitor.who, "evidence", piece.sha256)
    headers = {"Content-Disposition": f'attachment; filename="{piece.sha256[:16]}.bin"'}
    return web.Response(body=piece.content, content_type="application/octet-stream", headers=headers)


def _story(reader: Reader, lot_id: str, after: int, messages_after: int) -> Story:
    nouns = reader.nouns_of_lot(lot_id, limit=NOUNS_MAX + 1)
    return Story(
        nouns=nouns,
        lines=reader.journal_of_lot(lot_id, after=after, limit=PAGE_ROWS + 1),
        messages=reader.evidence_of_lot(lot_id, after=messages_after, limit=PAGE_ROWS + 1),
        under_way=[sent for row in nouns[:NOUNS_MAX] for sent in reader.outbox_of(row.noun, row.id)],
    )


def _data(row: NounRow | None) -> dict[str, Any]:
    found: dict[str, Any] = {} if row is None else orjson.loads(row.data)
    return found


def names_of(row: NounRow, language: str) -> dict[str, str]:
    """Its amount and the ids that others read out on the telephone, where it has them."""
    data = _data(row)
    said = {"amount": _amount(row, language)} | {name: data.get(name) for name in _READ_OUT}
    return {name: value for name, value in said.items() if isinstance(value, str) and value}


def _amount(row: NounRow, language: str) -> str:
    """What it is about, where it is about money."""
    data = _data(row)
    money = data.get("amount") or data.get("price") or data.get("starting_price")
    return shown.amount(money["minor"], money["currency"], language) if isinstance(money, dict) else ""
