"""What was refused at the doors, told in the very words its sender was answered with: the same catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from contracts.errors import ErrorCode, Refusal
from contracts.errors.catalogue import Problem, describe
from gateway.domain.deficiency import deficiency_id
from gateway.domain.door import RequestRefused
from gateway.doors.console import shown
from gateway.doors.console.visitor import Visitor
from gateway.engine import codec
from gateway.store.interface import Reader
from gateway.store.rows import EvidenceRow, JournalRow

PAGE_ROWS = 50
_SENDER_MAX_CHARS = 100
_SHOWN_APART = ("step", "reference", "expected", "received")  # the first things an engineer asks for


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalView:
    """One refusal. `facts` are those that are not shown in a place of their own."""

    seq: int
    at: datetime
    sender: str
    what: str
    digest: str
    problem: Problem
    step: str
    reference: str
    expected: str
    received: str
    facts: Mapping[str, str]


def view(row: JournalRow, language: str) -> RefusalView | None:
    """What a line of a door's journal says; None where it is no refusal of ours."""
    if (row.noun, row.event) != ("door", RequestRefused.__name__):
        return None
    event = codec.decode(RequestRefused, row.data)
    apart = {name: event.facts.get(name, "") for name in _SHOWN_APART}
    return RefusalView(
        seq=row.seq,
        at=row.at,
        sender=row.noun_id,
        what=event.what,
        digest=event.digest,
        problem=describe(Refusal(code=ErrorCode(event.code), facts=event.facts), language),
        facts={name: shown.fact(fact, language) for name, fact in event.facts.items() if name not in _SHOWN_APART},
        **apart,
    )


async def show_all(visitor: Visitor) -> web.StreamResponse:
    """The newest first, by sender and code."""
    sender, code = visitor.asked("sender")[:_SENDER_MAX_CHARS], visitor.asked("code")
    chosen = {"sender": sender or None, "code": code if code in set(ErrorCode) else None}
    before = visitor.number("before")
    rows = await visitor.desk.engine.store.read(
        lambda reader: reader.refusals(before=before, limit=PAGE_ROWS + 1, **chosen)
    )
    views = [shown for row in rows[:PAGE_ROWS] if (shown := view(row, visitor.language)) is not None]
    return visitor.page(
        "refusals.html",
        rows=views,
        older=rows[PAGE_ROWS - 1].seq if len(rows) > PAGE_ROWS else None,
        newest=before is None,
        sender=sender,
        code=code,
        codes=sorted(ErrorCode),
        names=visitor.desk.names,
    )


async def show(visitor: Visitor) -> web.StreamResponse:
    """One refusal, and what is kept of it."""
    seq = visitor.number("seq")
    row, kept = await visitor.desk.engine.store.read(lambda reader: _with_evidence(reader, seq or 0))
    refusal = None if row is None else view(row, visitor.language)
    if refusal is None:
        raise web.HTTPNotFound
    return visitor.page("refusal.html", row=row, refusal=refusal, kept=kept, names=visitor.desk.names)


def _with_evidence(reader: Reader, seq: int) -> tuple[JournalRow | None, list[EvidenceRow]]:
    """The bytes of what AÖS sent and that did not verify are kept; of others' requests the digest is."""
    row = reader.journal_line(seq)
    if row is None or (row.noun, row.event) != ("door", RequestRefused.__name__):
        return None, []
    event = codec.decode(RequestRefused, row.data)
    refusal = Refusal(code=ErrorCode(event.code), facts=event.facts)
    return row, reader.evidence_of("deficiency", deficiency_id(refusal, event.digest)) if event.digest else []
