"""Is it up, can it work, what has it counted: /healthz, /readyz, /metrics. Unsigned: for the operator's network.

Ready is who can take messages. Without Kafka everybody can: what is for the ministries waits in the outbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from aiohttp import web

from gateway.doors.metrics import Metrics, Standings
from gateway.engine.stamping import Stamping
from gateway.store import Store, StoreBusyError, Turn

CHECK_TIMEOUT_S = 2.0  # a check that takes longer has failed
LOOKED_S = 1.0  # so long what was found is told again: one check writes, and whoever asks may ask without end
_ASKED_FOR = 0.9  # the share of it in which the store may answer by itself
_OF_KAFKA = frozenset({"broker", "topics", "grants"})  # told only: payments go on, and all replicas would go at once
_METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8"


class Check(Protocol):
    """One thing that must work. Raises, or answers False, when it does not."""

    def __call__(self) -> Awaitable[bool]: ...


Readiness = Mapping[str, Check]
"""Named checks: the store answers, the keys are loaded, the broker is reached."""


def health_routes(
    readiness: Readiness, metrics: Metrics, standings: Standings = tuple, stamping: Stamping | None = None
) -> list[web.RouteDef]:
    """The three routes, for an application that serves them.

    Anybody may ask, and one check writes to the store: it is made once a second, however many ask.
    """
    looked = _Looked(readiness)

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "up"})

    async def readyz(_: web.Request) -> web.Response:
        results = await looked.passing()
        ready = all(passed for name, passed in results.items() if name not in _OF_KAFKA)
        body: dict[str, Any] = {
            "status": "ready" if ready else "not ready",
            "checks": {name: "ok" if passed else "failed" for name, passed in results.items()},
            "revocation": [
                {"issuer": standing.issuer, "state": standing.state, "graceLeftSeconds": standing.grace_left_s}
                for standing in standings()
            ],
        }
        if stamping is not None:
            since = stamping.standing.waiting_since
            body["timeStamps"] = {
                "waitingSince": None if since is None else since.isoformat(),
                "graceLeftSeconds": stamping.standing.grace_left_s,
            }
        return web.json_response(body, status=200 if ready else 503)

    async def metrics_text(_: web.Request) -> web.Response:
        metrics.checks(await looked.passing())
        return web.Response(body=metrics.text(), headers={"Content-Type": _METRICS_TYPE})

    return [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics_text)]


async def takes_writes(store: Store) -> bool:
    """Whether the store writes down what is brought to it; one with too much to do does.

    A replica that is taken out of its balancer for being busy leaves its load to the others, until all are out.
    """
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S * _ASKED_FOR):
            await store.transact(lambda tx: tx.prove_writable(), Turn.UNDER_WAY)  # a full disk still reads
    except (StoreBusyError, TimeoutError):
        return store.pressure().is_answering
    return True


class _Looked:
    """The checks, made once for everybody who asks while they are made, and for `LOOKED_S` from their beginning."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness, self._began_at = readiness, 0.0
        self._looking: asyncio.Task[dict[str, bool]] | None = None

    async def passing(self) -> dict[str, bool]:
        """Whoever comes while they are made waits for the same ones."""
        now = asyncio.get_running_loop().time()
        if self._looking is None or (self._looking.done() and now - self._began_at >= LOOKED_S):
            self._began_at = now
            self._looking = asyncio.create_task(passing(self._readiness), name="readiness")
        return await asyncio.shield(self._looking)


async def passing(readiness: Readiness) -> dict[str, bool]:
    """Which checks pass now."""
    return dict(zip(readiness, await asyncio.gather(*map(_passes, readiness.values())), strict=True))


async def _passes(check: Check) -> bool:
    """Whether a check holds; what it raises is for the log of the part it belongs to, not for the caller."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await check()
    except Exception:
        return False
