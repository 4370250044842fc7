"""Recent alarms: those that stand, those that ended, and those that were only told; what each means and what to do.

Alarms about a noun are lines of the journal and known to every replica. What a process sees of itself and its
surroundings (a certificate, a broker, a lane) it remembers as long as it lives: the page says since when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson
from aiohttp import web

from gateway.domain.nouns import TABLES
from gateway.doors.console import shown
from gateway.doors.console.lots import Line, told
from gateway.doors.console.visitor import Visitor
from gateway.doors.console.words import text_or
from gateway.engine.names import alarms
from gateway.logs import Heard
from gateway.store.interface import Reader
from gateway.store.rows import JournalRow

RECENT = timedelta(hours=24)
_MOST = 200
_LINES_MAX = 500  # of a noun's journal looked through for what came after
_PREFIX = "Alarm:"
_READ_OUT = ("recipient", "reason", "code")  # what an alarm of the journal says besides its title


class Standing(StrEnum):
    """What became of an alarm about a noun."""

    STANDS = "stands"  # what it is about is as it was
    ENDED = "ended"
    ONLY_TOLD = "only_told"  # nothing was to follow


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An alarm of the journal; `ending` is the line that ended it. `delivery` where it is about one."""

    line: Line
    code: str
    lot_id: str
    standing: Standing
    ending: Line | None
    delivery: str | None
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An alarm of this process, its facts in words."""

    heard: Heard
    facts: Mapping[str, str]


async def show(visitor: Visitor) -> web.StreamResponse:
    """What stands now, and the last 24 hours."""
    since, language = visitor.now - RECENT, visitor.language
    look = await visitor.desk.finder.look()
    journalled = await visitor.desk.engine.store.read(lambda reader: _journalled(reader, since, language))
    codes = {item.code for item in journalled}
    return visitor.page(
        "alarms.html",
        look=look,
        past=visitor.desk.finder.past(since),
        watched_since=visitor.desk.finder.since,
        journalled=journalled,
        most=_MOST if len(journalled) == _MOST else None,
        heard=[
            Seen(heard=one, facts=_in_words(one.facts, language))
            for one in visitor.desk.heard()
            if one.last_at >= since and one.code not in codes
        ],
        names=visitor.desk.names,
    )


def _journalled(reader: Reader, since: datetime, language: str) -> Sequence[Told]:
    return [_told(reader, row, language) for row in alarms(reader, since=since, limit=_MOST)]


def _told(reader: Reader, row: JournalRow, language: str) -> Told:
    facts = _facts(row)
    delivery = facts.get("delivery")
    ending = _ending(reader, row, delivery)
    return Told(
        line=told(row, language),
        code=row.event.removeprefix(_PREFIX),
        lot_id=row.lot_id,
        standing=_standing(row, ending, delivery),
        ending=None if ending is None else told(ending, language),
        delivery=delivery,
        facts=_in_words({name: facts[name] for name in _READ_OUT if facts.get(name)}, language),
    )


def _ending(reader: Reader, row: JournalRow, delivery: str | None) -> JournalRow | None:
    """The line that ended it: of its delivery, what became of that; else what took the noun out of its state."""
    for later in reader.journal_of(row.noun, row.noun_id, after=row.version, limit=_LINES_MAX):
        if delivery is not None:
            if later.event in _ENDS_DELIVERY and orjson.loads(later.data).get("delivery") == delivery:
                return later
        elif later.after != row.after:
            return later
    return None


_ENDS_DELIVERY = frozenset(  # of one parked it comes before the alarm; of one delayed it takes its place
    {"DeliveryAcknowledged", "DeliveryTakenOver", "DeliveryParked", "Requeued", "Discarded"}
)


def _standing(row: JournalRow, ending: JournalRow | None, delivery: str | None) -> Standing:
    if ending is not None:
        return Standing.ENDED
    if delivery is None and row.after in {str(state) for state in TABLES[row.noun].final}:
        return Standing.ONLY_TOLD
    return Standing.STANDS


def _in_words(facts: Mapping[str, str], language: str) -> dict[str, str]:
    """What is known by a word of ours is said by it."""
    return {
        text_or(language, f"fact.{name}", name): text_or(language, f"{name}.{value}", shown.fact(value, language))
        for name, value in facts.items()
        if value
    }


def _facts(row: JournalRow) -> dict[str, Any]:
    facts: dict[str, Any] = orjson.loads(row.data).get("facts", {})
    return facts
