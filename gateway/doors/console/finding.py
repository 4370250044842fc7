"""Finding out how things stand: the watches of this process, and what only the store knows.

Since when something is wrong that does not say so by itself is remembered from the first look that saw it, so a task
looks also while nobody has the page open.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from certs.expiry import Expiry
from certs.freshness import IssuerStanding
from gateway.domain.inquiry import Inquiry
from gateway.domain.liquidity import Liquidity
from gateway.domain.nouns import TABLES
from gateway.domain.recipient import Breaker, RecipientState
from gateway.doors.console.situation import Findings, Kind, Trouble, troubles
from gateway.engine import codec
from gateway.engine.stamping import StampStanding
from gateway.engine.watchdog import Census
from gateway.store.errors import StoreError
from gateway.store.interface import Lane, Reader, Store

LOOK_S = 10.0
_MOST = 100  # recipients, accounts and nouns of one state looked at; more of them are counted, not listed
_PAST_MAX = 500
_FIRST_DAY, _LAST_DAY = (f"day.{digit * 8}T{digit * 12}" for digit in "09")  # as `ask day` names them, by the instant
_TURNS_INTO = {  # what becomes worse has not ended
    Kind.ISSUER_STALE: (Kind.ISSUER_CLOSED,),
    Kind.STAMPS_WAITING: (Kind.STAMPS_CLOSED,),
    Kind.CERTIFICATE_ENDS: (Kind.CERTIFICATE_ENDED, Kind.CERTIFICATE_REVOKED),
    Kind.STORE_FILLING: (Kind.STORE_FULL,),
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watches:
    """What this process knows at any moment without asking the store."""

    census: Callable[[], Census]
    count_every_s: float
    checks: Callable[[], Awaitable[Mapping[str, bool]]]  # those of readiness, by name: whether each passes now
    standings: Callable[[], Sequence[IssuerStanding]]
    expiries: Callable[[], Sequence[Expiry]]
    breakers: Callable[[], Mapping[Lane, Breaker]]
    stamping: Callable[[], StampStanding | None]
    stamp_every_s: float
    backlog_max: int
    grants: Callable[[], Sequence[tuple[str, Mapping[str, str]]]] = tuple  # alarms about the brokers' ACLs


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What only the store knows."""

    silent_since: Mapping[Lane, datetime]
    liquidity: Sequence[tuple[str, Liquidity, datetime]]
    day: tuple[Inquiry, datetime] | None  # what AÖS said last of its operating day
    person_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A trouble that is no more, and the first look that did not see it."""

    trouble: Trouble
    ended_at: datetime


NOTHING = Stored(silent_since={}, liquidity=(), day=None, person_since=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look: what was found, what of it is wrong, and what is only told."""

    found: Findings
    troubles: tuple[Trouble, ...]
    stored: Stored


class Finder:
    """One per process. `run` until cancelled."""

    def __init__(self, store: Store, watches: Watches, *, clock: Callable[[], datetime], grace: timedelta) -> None:
        self._store, self._watches, self._clock, self._grace = store, watches, clock, grace
        self._first_seen: dict[tuple[Kind, str], datetime] = {}
        self._standing: dict[tuple[Kind, str], Trouble] = {}
        self._past: deque[Past] = deque(maxlen=_PAST_MAX)
        self.since = clock()  # what ended before, nobody here has seen

    def past(self, since: datetime) -> list[Past]:
        """Troubles that ended since then, as this process saw it; the last first."""
        return [past for past in reversed(self._past) if past.ended_at >= since]

    async def run(self) -> None:
        """Look now and then."""
        while True:
            try:
                await self.look()
            except Exception:
                _log.exception("the console could not look")
            await asyncio.sleep(LOOK_S)

    async def look(self) -> Look:
        """How things stand now. A store that is away is a finding, not a failure."""
        watches, now = self._watches, self._clock()
        census, checks = watches.census(), await watches.checks()
        stored = NOTHING
        if checks.get("store", True):
            try:
                stored = await self._store.read(lambda reader: _stored(reader, census))
            except StoreError:
                checks = {**checks, "store": False}
        found = Findings(
            at=now,
            census=census,
            count_every_s=watches.count_every_s,
            backlog_max=watches.backlog_max,
            checks=checks,
            standings=watches.standings(),
            stamping=watches.stamping(),
            stamp_every_s=watches.stamp_every_s,
            expiries=watches.expiries(),
            breakers=watches.breakers(),
            silent_since=stored.silent_since,
            liquidity=stored.liquidity,
            person_since=stored.person_since,
            grace=self._grace,
            watched_since=self.since,
            grants=watches.grants(),
        )
        return Look(found=found, troubles=self._dated(troubles(found), now), stored=stored)

    def _dated(self, told: Sequence[Trouble], now: datetime) -> tuple[Trouble, ...]:
        """Troubles that do not know since when get the time of the first look that saw them."""
        seen = {(trouble.kind, trouble.subject) for trouble in told}
        self._first_seen = {key: at for key, at in self._first_seen.items() if key in seen}
        for key in seen:
            self._first_seen.setdefault(key, now)
        dated = tuple(
            trouble if trouble.since else replace(trouble, since=self._first_seen[trouble.kind, trouble.subject])
            for trouble in told
        )
        gone = (
            trouble
            for key, trouble in self._standing.items()
            if seen.isdisjoint({key, *((worse, trouble.subject) for worse in _TURNS_INTO.get(trouble.kind, ()))})
        )
        self._past.extend(Past(trouble=trouble, ended_at=now) for trouble in gone)
        self._standing = {(trouble.kind, trouble.subject): trouble for trouble in dated}
        return dated


def _stored(reader: Reader, census: Census) -> Stored:
    silent = reader.list_nouns("recipient", state=RecipientState.SILENT, limit=_MOST)
    accounts = reader.list_nouns("liquidity", limit=_MOST)
    day = reader.last_noun("inquiry", first=_FIRST_DAY, last=_LAST_DAY)
    return Stored(
        silent_since={_lane(row.id): row.updated_at for row in silent},
        liquidity=tuple((row.id, codec.decode(Liquidity, row.data), row.updated_at) for row in accounts),
        day=None if day is None else (codec.decode(Inquiry, day.data), day.updated_at),
        person_since=min(
            (
                row.updated_at
                for noun, state in census.nouns
                if state in TABLES[noun].waiting_for_person
                for row in reader.list_nouns(noun, state=state, limit=_MOST)
            ),
            default=None,
        ),
    )


def _lane(recipient_id: str) -> Lane:
    channel, _, recipient = recipient_id.partition("/")
    return channel, recipient
