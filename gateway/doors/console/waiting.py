"""What waits for a person: parked deliveries, and nouns in a state that only a person leaves; the decisions there are.

A page that says what will happen stands before each; what is done goes through the engine, under the person's name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlencode

from aiohttp import web

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from gateway.domain.nouns import TABLES
from gateway.domain.payment.data import PaymentState
from gateway.doors.console.lots import Line, names_of, told
from gateway.doors.console.visitor import Visitor, see_other
from gateway.store.interface import Reader
from gateway.store.rows import NounRow, OutboxRow

PAGE_ROWS = 50
REASON_MAX_CHARS = 300
AT_ONCE_MAX = 500  # deliveries sent again by one press: each is a transaction, and somebody waits for the page
DONE = ("retried", "discarded", "retried_all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A noun that waits, since when, and what made it wait."""

    row: NounRow
    since: datetime
    why: Line | None
    named: Mapping[str, str]  # its amount and ids
    next_at: datetime | None  # when something goes on by itself; None where nothing does


async def show(visitor: Visitor) -> web.StreamResponse:
    """Everything that waits."""
    after, language = visitor.number("after") or 0, visitor.language
    parked, nouns, unknown = await visitor.desk.engine.store.read(lambda reader: _waiting(reader, after, language))
    done = visitor.asked("done")
    return visitor.page(
        "waiting.html",
        parked=parked[:PAGE_ROWS],
        next_after=parked[PAGE_ROWS - 1].seq if len(parked) > PAGE_ROWS else None,
        first_page=not after,
        nouns=nouns,
        unknown=unknown,
        more=PAGE_ROWS if any(count == PAGE_ROWS for count in _of_each_kind(nouns).values()) else None,
        several=[code for code, count in Counter(row.recipient for row in parked).items() if count > 1],
        done=done if done in DONE else "",
        done_count=visitor.number("count") or 0,
        done_id=visitor.asked("id"),
        place=_place(visitor.asked("after")),
        names=visitor.desk.names,
    )


async def delivery(visitor: Visitor) -> web.StreamResponse:
    """One parked delivery: what is known, what each decision would do."""
    return await _delivery_page(visitor, visitor.asked("id"))


async def retry(visitor: Visitor) -> web.StreamResponse:
    """Send it again, under its old id."""
    id = visitor.form.get("id", "")
    await _parked(visitor, id)
    await visitor.desk.visits.note_action(visitor.who, "retry", id)
    if not await visitor.desk.engine.parked.requeue(id, person=visitor.who.person):
        raise refuse(ErrorCode.STATE_CONFLICT, noun="delivery", id=id)
    return _back(visitor, "retried", id=id)


async def recipient(visitor: Visitor) -> web.StreamResponse:
    """Everything parked of one recipient, before it is sent again."""
    code = visitor.asked("code")
    rows = await visitor.desk.engine.store.read(
        lambda reader: reader.list_outbox(recipient=code, parked=True, limit=AT_ONCE_MAX)
    )
    if not rows:
        raise web.HTTPNotFound
    return visitor.page("recipient.html", code=code, rows=rows, most=AT_ONCE_MAX, names=visitor.desk.names)


async def retry_recipient(visitor: Visitor) -> web.StreamResponse:
    """Send everything parked of one recipient again, as many as one press may."""
    code, person = visitor.form.get("code", "").strip(), visitor.who.person
    if not code:
        raise web.HTTPNotFound
    await visitor.desk.visits.note_action(visitor.who, "retry-recipient", code)
    count = await visitor.desk.engine.parked.requeue_all(recipient=code, person=person, most=AT_ONCE_MAX)
    return _back(visitor, "retried_all", count=str(count))


async def discard(visitor: Visitor) -> web.StreamResponse:
    """Never send it; the reason is asked for."""
    id, reason = visitor.form.get("id", ""), " ".join(visitor.form.get("reason", "").split())
    await _parked(visitor, id)
    if not reason or len(reason) > REASON_MAX_CHARS or not reason.isprintable():
        return await _delivery_page(visitor, id, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    await visitor.desk.visits.note_action(visitor.who, "discard", id)
    if not await visitor.desk.engine.parked.discard(id, person=visitor.who.person, reason=reason):
        raise refuse(ErrorCode.STATE_CONFLICT, noun="delivery", id=id)
    return _back(visitor, "discarded", id=id)


def _back(visitor: Visitor, done: str, **facts: str) -> web.Response:
    """To the page of the list that the person came from, with what was done."""
    place = _place(visitor.form.get("after", ""))
    return see_other("/waiting?" + urlencode({"done": done, **facts, **place}))


def _place(after: str) -> dict[str, str]:
    return {"after": after} if after.isascii() and after.isdigit() and len(after) < 19 else {}


async def _delivery_page(visitor: Visitor, id: str, status: int = HTTPStatus.OK) -> web.Response:
    row = await _parked(visitor, id)
    followers, noun = await visitor.desk.engine.store.read(lambda reader: _around(reader, row))
    return visitor.page(
        "delivery.html",
        status=status,
        row=row,
        noun=noun,
        followers=followers,
        reason_missing=status != HTTPStatus.OK,
        reason_max=REASON_MAX_CHARS,
        place=_place(visitor.form.get("after", visitor.asked("after"))),
        names=visitor.desk.names,
    )


async def _parked(visitor: Visitor, id: str) -> OutboxRow:
    """The parked row. Raises HTTPNotFound where there is none, RefusedError where it is parked no more."""
    row = await visitor.desk.engine.store.read(lambda reader: reader.find_outbox(id))
    if row is None:
        raise web.HTTPNotFound
    if row.parked_at is None:
        raise refuse(ErrorCode.STATE_CONFLICT, noun="delivery", id=id)
    return row


def _around(reader: Reader, row: OutboxRow) -> tuple[int, NounRow | None]:
    """How many wait behind it, and what it is about."""
    same = [other for other in reader.outbox_of(row.noun, row.noun_id) if other.order_key == row.order_key is not None]
    return sum(other.seq > row.seq for other in same), reader.noun(row.noun, row.noun_id)


def _waiting(
    reader: Reader, after: int, language: str
) -> tuple[Sequence[OutboxRow], Sequence[Waiting], Sequence[Waiting]]:
    parked = reader.list_outbox(parked=True, after=after, limit=PAGE_ROWS + 1)
    nouns = [
        _with_reason(reader, row, language)
        for name, table in TABLES.items()
        for state in table.states
        if state in table.waiting_for_person
        for row in reader.list_nouns(name, state=state, limit=PAGE_ROWS)
    ]
    unknown = reader.list_nouns("payment", state=PaymentState.UNKNOWN, limit=PAGE_ROWS)
    return parked, nouns, [_with_reason(reader, row, language) for row in unknown]


def _of_each_kind(nouns: Sequence[Waiting]) -> Counter[tuple[str, str]]:
    return Counter((item.row.noun, item.row.state) for item in nouns)


def _with_reason(reader: Reader, row: NounRow, language: str) -> Waiting:
    line = reader.last_move(row.noun, row.id)
    due = [sent.due_at for sent in reader.outbox_of(row.noun, row.id) if sent.parked_at is None]
    return Waiting(
        row=row,
        since=row.updated_at if line is None else line.at,
        why=None if line is None else told(line, language),
        named=names_of(row, language),
        next_at=min(due, default=None),
    )
