"""The field on every page: whatever was read out on the telephone leads to its page, or to a list of what it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import web

from gateway.doors.console.visitor import Visitor, see_other
from gateway.engine.names import TEXT_MAX_CHARS, Found, What, find
from gateway.store.interface import Reader
from gateway.store.rows import NounRow, OutboxRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One thing that may be meant: a noun, a delivery, or a participant (neither `row` nor `sent`)."""

    what: What
    id: str
    row: NounRow | None
    sent: OutboxRow | None

    @property
    def page(self) -> str:
        """Where it is shown."""
        if self.row is not None:
            return noun_page(self.row.noun, self.row.id)
        if self.sent is not None:
            return "/deliveries/delivery?" + urlencode({"id": self.id})
        return "/recipients/recipient?" + urlencode({"code": self.id})


async def show(visitor: Visitor) -> web.StreamResponse:
    """Straight to the page of the only thing found; else what was found, or what was looked for."""
    asked = visitor.asked("q")[:TEXT_MAX_CHARS]
    found = await visitor.desk.engine.store.read(lambda reader: _matches(reader, asked, visitor.desk.sources))
    if len(found) == 1:
        return see_other(found[0].page)
    return visitor.page("find.html", asked=asked, found=found, whats=list(What), names=visitor.desk.names)


def noun_page(noun: str, id: str) -> str:
    """The address of a noun's page."""
    if noun == "lot":
        return "/lots/lot?" + urlencode({"id": id})
    return "/nouns/noun?" + urlencode({"noun": noun, "id": id})


def _matches(reader: Reader, asked: str, sources: Sequence[str]) -> Sequence[Match]:
    return [_match(reader, item) for item in find(reader, asked, sources)]


def _match(reader: Reader, item: Found) -> Match:
    sent = None if item.row is not None or item.what is What.PARTICIPANT else reader.find_outbox(item.id)
    return Match(what=item.what, id=item.id, row=item.row, sent=sent)
