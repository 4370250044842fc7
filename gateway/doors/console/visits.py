"""Who is at the console: links made on the gateway's host, sessions made of them, and their end.

Secrets are 256 random bits and leave this module towards their bearer only; the store has their SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from gateway.domain.table import Event
from gateway.domain.visit import (
    LINK_ALIAS,
    SESSION_ALIAS,
    Acted,
    Ended,
    Invited,
    Role,
    Seen,
    SignedIn,
    SignedOut,
    Visit,
    VisitState,
)
from gateway.engine import codec
from gateway.engine.engine import Engine
from gateway.ports import Message, Target
from gateway.store.interface import Reader

NOUN = "visit"
NAME_MAX_CHARS = 60
SOURCE = "console"
_OPEN_MAX = 200  # visits listed; more people than that are never there


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitPolicy:
    """How long a link may be used, a person stays signed in, and may do nothing."""

    link: timedelta
    session: timedelta
    idle: timedelta

    @property
    def look_again(self) -> timedelta:
        """How exactly it is known when somebody was last there: coarsely, for each time is a line of the journal."""
        return self.idle / 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Somebody signed in, for one request."""

    visit_id: str
    visit: Visit
    secret: str = field(repr=False)

    @property
    def person(self) -> str:
        """The name that everything done is written down with."""
        return self.visit.person

    def may(self, role: Role) -> bool:
        """Whether the person's role includes this one."""
        return role is Role.VIEWER or self.visit.role is Role.OPERATOR

    def form_token(self, action: str) -> str:
        """What a form that posts to `action` must bring along: nobody else's page can know it."""
        return hmac.new(self.secret.encode(), action.encode(), hashlib.sha256).hexdigest()


class Visits:
    """All visits, in the store that the replicas share."""

    def __init__(self, engine: Engine, policy: VisitPolicy, *, clock: Callable[[], datetime]) -> None:
        self._engine, self._policy, self._clock = engine, policy, clock

    async def invite(self, person: str, role: Role) -> str:
        """Make a link's secret for a person. It may be used once.

        Raises:
            ValueError: no name a journal could carry.
        """
        if not person.strip() or len(person) > NAME_MAX_CHARS or not person.isprintable():
            raise ValueError(f"a name has 1 to {NAME_MAX_CHARS} printable characters")
        secret = secrets.token_urlsafe(32)
        until = self._clock() + self._policy.link
        invited = Invited(person=person.strip(), role=role, link_sha256=_hidden(secret), until=until)
        await self._tell(secrets.token_hex(8), invited, person.strip())
        return secret

    async def invited(self, secret: str) -> Visit | None:
        """The visit a link is for, while it may be used."""
        found = await self._engine.store.read(lambda reader: _by_alias(reader, LINK_ALIAS, secret))
        if found is None or found[1].state is not VisitState.INVITED or found[1].until <= self._clock():
            return None
        return found[1]

    async def sign_in(self, link_secret: str) -> str:
        """Use a link up; the secret of the session.

        Raises:
            RefusedError: NOT_FOUND, DEADLINE_PASSED, STATE_CONFLICT: a link that is unknown, too old or used.
        """
        secret, now = secrets.token_urlsafe(32), self._clock()
        found = await self._engine.store.read(lambda reader: _by_alias(reader, LINK_ALIAS, link_secret))
        if found is None:
            raise refuse(ErrorCode.NOT_FOUND, path="sign-in")
        event = SignedIn(
            session_sha256=_hidden(secret), until=now + self._policy.session, idle_until=now + self._policy.idle
        )
        await self._tell(found[0], event, found[1].person)
        return secret

    async def present(self, secret: str) -> Presence | None:
        """Who bears this secret, if the visit is going on."""
        found = await self._engine.store.read(lambda reader: _by_alias(reader, SESSION_ALIAS, secret))
        if found is None or not found[1].is_present(self._clock()):
            return None
        return Presence(visit_id=found[0], visit=found[1], secret=secret)

    async def note_activity(self, presence: Presence) -> None:
        """The person did something just now; written down only now and then."""
        now, seen_at = self._clock(), presence.visit.seen_at
        if seen_at is None or now - seen_at >= self._policy.look_again:
            await self._tell(presence.visit_id, Seen(idle_until=now + self._policy.idle), presence.person)

    async def note_action(self, presence: Presence, action: str, subject: str) -> None:
        """The person is about to do something to somebody else's noun."""
        await self._tell(presence.visit_id, Acted(action=action, subject=subject), presence.person)

    async def sign_out(self, presence: Presence) -> None:
        """The person goes."""
        await self._tell(presence.visit_id, SignedOut(), presence.person)

    async def end(self, visit_id: str, *, by: str) -> None:
        """End another's visit, or take a link back.

        Raises:
            RefusedError: NOT_FOUND, STATE_CONFLICT: there is none, or it is over.
        """
        await self._tell(visit_id, Ended(by=by), by)

    async def open_visits(self) -> list[tuple[str, Visit]]:
        """Links that may be used and visits that are going on, with their ids."""

        def work(reader: Reader) -> list[tuple[str, Visit]]:
            states = (VisitState.INVITED, VisitState.PRESENT)
            rows = [row for state in states for row in reader.list_nouns(NOUN, state=state, limit=_OPEN_MAX)]
            return [(row.id, codec.decode(Visit, row.data)) for row in rows]

        return await self._engine.store.read(work)

    async def _tell(self, visit_id: str, event: Event, source: str) -> None:
        message = Message(
            source=f"{SOURCE}/{source}",
            id=secrets.token_hex(16),
            target=Target(noun=NOUN, id=visit_id),
            event=event,
            digest="",
        )
        await self._engine.receive(message)


def _by_alias(reader: Reader, scheme: str, secret: str) -> tuple[str, Visit] | None:
    alias = reader.find_alias(scheme, _hidden(secret))
    row = None if alias is None else reader.noun(NOUN, alias.id)
    return None if row is None else (row.id, codec.decode(Visit, row.data))


def _hidden(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
