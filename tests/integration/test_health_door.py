"""Health over a socket: up is not ready, and a check that fails or hangs is named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import ClientSession, web
from waiting import PATIENCE_S, until

from gateway.doors import health
from gateway.doors.metrics import Metrics
from gateway.wire.server import Running, serve_app

Serve = Callable[[health.Readiness], Awaitable[str]]


@pytest.fixture
def running() -> list[Running]:
    """What the test serves."""
    return []


@pytest.fixture
async def serve(running: list[Running]) -> AsyncIterator[Serve]:
    async def start(readiness: health.Readiness) -> str:
        app = web.Application()
        app.add_routes(health.health_routes(readiness, Metrics()))
        running.append(await serve_app(app, "127.0.0.1", 0))
        return running[-1].address

    yield start
    for server in running:
        await server.close()


def requests(running: list[Running]) -> int:
    """How many were handed to a handler."""
    return sum(one.runner.server.requests_count for one in running if one.runner.server is not None)


async def get(url: str) -> tuple[int, str]:
    async with ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def good() -> bool:
    return True


async def bad() -> bool:
    return False


async def broken() -> bool:
    raise OSError("password=secret")


async def hanging() -> bool:
    return await asyncio.Event().wait()


async def test_a_process_with_all_it_needs_is_up_and_ready(serve: Serve) -> None:
    address = await serve({"store": good, "keys": good})
    assert await get(address + "/healthz") == (200, '{"status": "up"}')
    status, text = await get(address + "/readyz")
    assert (status, '"store": "ok"' in text) == (200, True)


@pytest.mark.parametrize("check", [bad, broken, hanging])
async def test_what_is_missing_is_named_and_nothing_else_is_told(
    serve: Serve, check: health.Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "CHECK_TIMEOUT_S", 0.05)
    address = await serve({"store": check, "broker": good})
    status, text = await get(address + "/readyz")
    assert status == 503
    assert '"store": "failed"' in text
    assert "secret" not in text
    assert (await get(address + "/healthz"))[0] == 200


@pytest.mark.parametrize("check", ["broker", "topics", "grants"])
async def test_without_kafka_a_process_still_takes_messages(serve: Serve, check: str) -> None:
    """Every replica has the same brokers: a balancer that took them out took out all, and payments with them."""
    address = await serve({"store": good, check: bad})
    status, text = await get(address + "/readyz")
    assert (status, f'"{check}": "failed"' in text) == (200, True)
    assert f'eherrac_check{{check="{check}"}} 0.0' in (await get(address + "/metrics"))[1]


async def test_metrics_are_prometheus_text(serve: Serve) -> None:
    status, text = await get(await serve({}) + "/metrics")
    assert status == 200
    assert "# TYPE eherrac_requests_total counter" in text


async def test_the_checks_are_made_once_for_everybody_who_asks_at_once(
    serve: Serve, running: list[Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them writes to the store, and anybody may ask."""
    monkeypatch.setattr(health, "CHECK_TIMEOUT_S", PATIENCE_S)
    made = 0

    async def writes() -> bool:
        nonlocal made
        made += 1
        await until(lambda: requests(running) == 20)
        return True

    url = await serve({"store": writes})
    answers = await asyncio.gather(*(get(f"{url}/{path}") for path in ("readyz", "metrics") * 10))
    assert ({status for status, _ in answers}, made) == ({200}, 1)


async def test_who_asks_without_end_is_told_what_was_found_a_moment_ago(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each answer would cost the store a write."""
    monkeypatch.setattr(health, "LOOKED_S", 3600.0)
    found = iter((True, False))

    async def writes() -> bool:
        return next(found)

    url = await serve({"store": writes})
    assert [(await get(f"{url}/readyz"))[0] for _ in range(3)] == [200, 200, 200]
    monkeypatch.setattr(health, "LOOKED_S", 0.0)
    assert (await get(f"{url}/readyz"))[0] == 503
