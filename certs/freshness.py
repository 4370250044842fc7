"""How long what an authority says about revocation is believed: fresh, then stale within grace, then closed.

National rules ask for lists at least every three hours; one older than that is stale though its own next update may lie
later. Within the grace it is still judged by, and everybody can see that it runs out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class RevocationState(StrEnum):
    """Of one issuer."""

    FRESH = "fresh"  # known, and as new as the rules ask
    STALE = "stale"  # older than that, within grace
    CLOSED = "closed"  # too old, or nothing: every certificate of this issuer is refused


class RevocationSource(StrEnum):
    """What an issuer is judged by."""

    LIST = "list"  # a complete list
    DELTA = "delta"  # a complete list and a delta on it
    ANSWERS = "answers"  # OCSP, certificate by certificate


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
    """How an issuer stands at a moment. `fresh_until` and `source` are None where nothing is known."""

    issuer: str
    state: RevocationState
    fresh_until: datetime | None
    grace_left_s: int  # until it is closed: fresh time not counted, 0 when closed
    source: RevocationSource | None = None

    @classmethod
    def of(
        cls,
        issuer: str,
        fresh_until: datetime | None,
        grace: timedelta,
        at: datetime,
        source: RevocationSource | None = None,
    ) -> IssuerStanding:
        """What follows from the end of freshness."""
        state, left_s = RevocationState.CLOSED, 0
        if fresh_until is not None and at <= fresh_until + grace:
            state = RevocationState.FRESH if at <= fresh_until else RevocationState.STALE
            left_s = int((grace - max(at - fresh_until, timedelta(0))).total_seconds())
        return cls(issuer=issuer, state=state, fresh_until=fresh_until, grace_left_s=left_s, source=source)
