"""Telling of certificates that end soon or were revoked: an alarm at every rung of the ladder, once each; the ends for
metrics.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from certs.expiry import Expiry, expiries
from gateway.wire.identity import Identity

_log = structlog.get_logger(__name__)
LOOK_S = 600.0


class ExpiryWatch:
    """One per process."""

    def __init__(self, identity: Callable[[], Identity], *, clock: Callable[[], datetime]) -> None:
        self._identity, self._clock = identity, clock
        self._told: dict[tuple[str, str], int] = {}

    def all(self) -> tuple[Expiry, ...]:
        """Every certificate we depend on, with its end."""
        present = self._identity()
        return tuple(expiries(present.credential, present.trust, self._clock()))

    def look(self) -> list[Expiry]:
        """Those that came to a lower rung since the last look; each is an alarm."""
        now, lower = self._clock(), []
        for expiry in self.all():
            rung, key = expiry.rung(now), (expiry.name, expiry.serial)
            if rung is not None and rung < self._told.get(key, rung + 1):
                self._told[key] = rung
                lower.append(expiry)
                _tell(expiry, rung, now)
        return lower

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)


def _tell(expiry: Expiry, rung: int, now: datetime) -> None:
    facts: dict[str, object] = {"holder": expiry.holder, "name": expiry.name, "serial": expiry.serial}
    if expiry.revoked_at is not None and expiry.revoked_at <= now:
        facts["revoked_at"] = expiry.revoked_at.isoformat()
        _log.warning("alarm", alarm="CERTIFICATE_REVOKED", facts=facts)
    else:
        facts["within_days"] = rung
        _log.warning("alarm", alarm="CERTIFICATE_EXPIRES", facts=facts, not_after=expiry.not_after.isoformat())
