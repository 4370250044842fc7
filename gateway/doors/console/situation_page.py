"""The first page: all is well, or exactly what is wrong; below it, how everything stands."""

from __future__ import annotations

from aiohttp import web

from certs.freshness import RevocationState
from gateway.domain.nouns import TABLES
from gateway.domain.routing import closes_at, opens_at
from gateway.doors.console.finding import Look
from gateway.doors.console.situation import Kind, lanes
from gateway.doors.console.visitor import Visitor

_EXPIRIES_MAX = 12
_LANES_MAX = 60


async def show(visitor: Visitor) -> web.StreamResponse:
    """The situation."""
    look = await visitor.desk.finder.look()
    found = look.found
    worst = look.troubles[0].severity.word if look.troubles else "well"
    soonest = sorted(found.expiries, key=lambda expiry: expiry.ends_at)
    return visitor.page(
        "situation.html",
        look=look,
        worst=worst,
        counts=_counts(look),
        lanes=lanes(found)[:_LANES_MAX],
        soonest=soonest[:_EXPIRIES_MAX],
        states=RevocationState,
        azips=_azips(visitor),
        aos_day=look.stored.day,
        names=visitor.desk.names,
    )


def _counts(look: Look) -> dict[str, int]:
    """Everything accepted, as the watchdog sorts it; not what has a state and no end."""
    done = waiting = scheduled = 0
    for (noun, state), count in look.found.census.nouns.items():
        table = TABLES[noun]
        if state in table.waiting_for_person:
            waiting += count
        elif state in table.final:
            done += count
        elif noun not in _STANDING:
            scheduled += count
    parked = sum(row.count for row in look.found.census.outbox if row.state == "parked")
    return {
        "done": done,
        "scheduled": scheduled,
        "waiting": waiting + parked,
        "alarms": sum(int(trouble.facts["count"]) for trouble in look.troubles if trouble.kind in _NEITHER),
        "backlog": look.found.census.backlog,
    }


_NEITHER = frozenset(  # and not explained by a recipient's silence
    {Kind.NOT_SCHEDULED, Kind.STORE_TAMPERED, Kind.DELIVERY_LATE}
)
_STANDING = frozenset({"door", "recipient", "liquidity", "visit"})  # they have a state and no end


def _azips(visitor: Visitor) -> dict[str, object] | None:
    """Whether AZIPS takes documents now, and until or from when."""
    rules = visitor.desk.rules
    if rules.azips is None:
        return None
    opens = opens_at(rules.azips, visitor.now, rules.is_business_day)
    return {
        "open": opens <= visitor.now,
        "opens": opens,
        "closes": closes_at(rules.azips, visitor.now, rules.is_business_day),
    }
