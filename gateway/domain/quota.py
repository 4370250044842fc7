"""Quota: how much one client may ask for, as a bucket of tokens that fills at a steady rate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaPolicy:
    """So many requests a second for ever, and so many at once after a rest."""

    rate_per_s: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The tokens there were at an instant."""

    tokens: float
    at: datetime


def take(bucket: Bucket | None, policy: QuotaPolicy, now: datetime) -> tuple[Bucket, timedelta | None]:
    """Take one token; how long until there is one, if there is none now. A clock that went back fills nothing."""
    if bucket is None:
        bucket = Bucket(tokens=policy.burst, at=now)
    passed_s = max((now - bucket.at).total_seconds(), 0.0)
    tokens = min(bucket.tokens + passed_s * policy.rate_per_s, policy.burst)
    if tokens >= 1:
        return Bucket(tokens=tokens - 1, at=now), None
    return Bucket(tokens=tokens, at=now), timedelta(seconds=(1 - tokens) / policy.rate_per_s)
