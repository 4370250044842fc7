"""How long what an authority says about revocation is believed: fresh, then stale within grace, then closed.

National rules ask for lists at least every three hours; one older than that is stale though its own next update may lie
later. Within the grace it is still judged by, and everybody can see that it runs out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

FOREVER = datetime.max.replace(tzinfo=UTC)


class RevocationState(StrEnum):
    """Of one issuer."""

    FRESH = "fresh"  # known, and as new as the rules ask
    STALE = "stale"  # older than that, within grace
    CLOSED = "closed"  # too old, or nothing: every certificate of this issuer is refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """The rules. `max_age` counts from thisUpdate (None: only nextUpdate counts), `grace` from the end of freshness."""

    max_age: timedelta | None = None
    grace: timedelta = timedelta(0)

    def until(self, this_update: datetime, next_update: datetime | None) -> datetime | None:
        """The end of freshness; None for a statement without an end, which is never believed."""
        if next_update is None:
            return None
        return next_update if self.max_age is None else min(next_update, this_update + self.max_age)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerStanding:
    """How an issuer stands at a moment. `fresh_until` is None where nothing is known."""

    issuer: str
    state: RevocationState
    fresh_until: datetime | None
    grace_left_s: int  # until it is closed: fresh time not counted, 0 when closed

    @classmethod
    def of(cls, issuer: str, fresh_until: datetime | None, grace: timedelta, at: datetime) -> IssuerStanding:
        """What follows from the end of freshness."""
        if fresh_until is None or at > fresh_until + grace:
            return cls(issuer=issuer, state=RevocationState.CLOSED, fresh_until=fresh_until, grace_left_s=0)
        state = RevocationState.FRESH if at <= fresh_until else RevocationState.STALE
        left = grace - max(at - fresh_until, timedelta(0))
        return cls(issuer=issuer, state=state, fresh_until=fresh_until, grace_left_s=int(left.total_seconds()))
