"""Visit: one person's time at the operators' console, from the link made for it to its end.

The link and the session are known here by their SHA-256 only, as aliases: who reads the store can be nobody. A visit
ends by its person, by another's order, or by itself: at the latest at `until`, and sooner if nothing is done for long.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from contracts.errors import ErrorCode, Refusal
from gateway.domain.frozen import replace
from gateway.domain.table import Alias, CancelTimer, Change, Context, StateTable, Timer

LINK_ALIAS = "console.link"  # SHA-256 of the secret in the link, hexadecimal
SESSION_ALIAS = "console.session"  # SHA-256 of the session's secret
END_TIMER = "end"


class VisitState(StrEnum):
    """Where it is."""

    INVITED = "invited"  # the link is made and not used
    PRESENT = "present"  # signed in
    ENDED = "ended"  # by its person, or by another
    LAPSED = "lapsed"  # its time is over


class Role(StrEnum):
    """What a person may do at the console."""

    VIEWER = "viewer"  # look at everything
    OPERATOR = "operator"  # and decide what waits for a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One visit. `until` is the end of the link while invited, afterwards the latest end of the session."""

    state: VisitState
    lot_id: str = ""
    owner: str = ""
    person: str
    role: Role
    until: datetime
    idle_until: datetime | None = None  # it ends then, unless something is done before
    seen_at: datetime | None = None  # when something was last done, to within some minutes

    def is_present(self, now: datetime) -> bool:
        """Whether it is going on, also where no timer has said yet that it is over."""
        idle_until = self.idle_until or self.until
        return self.state is VisitState.PRESENT and now < min(self.until, idle_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """On the gateway's host a link was made for a person."""

    person: str
    role: Role
    link_sha256: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """The link was used: once."""

    session_sha256: str
    until: datetime
    idle_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Still there."""

    idle_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """The person did something; what came of it stands with the noun that it was done to."""

    action: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOut:
    """The person went."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Another ended it, on the gateway's host."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """The time of the link, of the session, or of doing nothing is over."""


_S = VisitState
TABLE = StateTable(
    "visit",
    Visit,
    VisitState,
    final=(_S.ENDED, _S.LAPSED),
    scheduled=(_S.INVITED, _S.PRESENT),
    unknown=ErrorCode.NOT_FOUND,
)


@TABLE.on(None, event=Invited, to=_S.INVITED)
def _invite(_: None, event: Invited, __: Context) -> Change[Visit]:
    visit = Visit(state=_S.INVITED, person=event.person, role=event.role, until=event.until)
    return Change(visit, (Alias(LINK_ALIAS, event.link_sha256), Timer(END_TIMER, event.until, Expired())))


@TABLE.on(_S.INVITED, event=SignedIn, to=_S.PRESENT)
def _sign_in(visit: Visit, event: SignedIn, context: Context) -> Change[Visit] | Refusal:
    if context.now >= visit.until:
        return Refusal(code=ErrorCode.DEADLINE_PASSED)
    present = replace(visit, until=event.until, idle_until=event.idle_until, seen_at=context.now)
    return Change(present, (Alias(SESSION_ALIAS, event.session_sha256), _end_of(present)))


@TABLE.on(_S.PRESENT, event=Seen)
def _seen(visit: Visit, event: Seen, context: Context) -> Change[Visit]:
    visit = replace(visit, idle_until=event.idle_until, seen_at=context.now)
    return Change(visit, (_end_of(visit),))


@TABLE.on(_S.PRESENT, event=Acted)
def _act(visit: Visit, _: Acted, __: Context) -> Change[Visit]:
    return Change(visit)


@TABLE.on(_S.PRESENT, event=SignedOut, to=_S.ENDED)
@TABLE.on(_S.INVITED, _S.PRESENT, event=Ended, to=_S.ENDED)
def _end(visit: Visit, _: SignedOut | Ended, __: Context) -> Change[Visit]:
    return Change(visit, (CancelTimer(END_TIMER),))


@TABLE.on(_S.INVITED, _S.PRESENT, event=Expired, to=_S.LAPSED)
def _lapse(visit: Visit, _: Expired, __: Context) -> Change[Visit]:
    return Change(visit)


def _end_of(visit: Visit) -> Timer:
    due = visit.until if visit.idle_until is None else min(visit.until, visit.idle_until)
    return Timer(END_TIMER, due, Expired())
