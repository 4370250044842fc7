"""A processor that is short, at the doors: who is refused unread, and who does not notice. Over sockets."""

from __future__ import annotations

import asyncio
import ssl as tls
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest
from aiohttp import ClientSession, TCPConnector, web
from aiohttp.typedefs import Handler
from waiting import until

from certs.authority import Authority
from certs.keystore import Credential
from gateway.doors import fairness
from gateway.doors.fairness import UNSIGNED_PATHS, Fairness, Spent
from gateway.doors.health import health_routes
from gateway.doors.metrics import Metrics
from gateway.doors.shares import SCRAPERS, STRANGERS, Account, Kind, Shares
from gateway.tls import secured
from gateway.wire.server import VERIFIED, Running, read_body, serve_app

BANK = Account(kind=Kind.PARTICIPANT, name="999101")
BURNED_S = 0.05


class Doors:
    """One door whose signatures are a field's word, and what it was asked."""

    def __init__(self) -> None:
        self.shares, self.metrics = Shares(late_max_s=0.1), Metrics()
        self.fairness = Fairness(self.shares, self.metrics, clock=lambda: datetime.now(UTC), chance=lambda: 0.0)
        self.read: list[str] = []
        self.running: Running

    async def open(self, ssl: tls.SSLContext | None = None) -> None:
        app = web.Application(middlewares=[self.fairness.mind, self.verify])
        app.add_routes([web.post("/said", self.said), web.post("/dear", self.dear)])
        app.add_routes(health_routes({}, self.metrics))
        self.running = await serve_app(app, "127.0.0.1", 0, ssl, welcome=self.fairness.welcome)

    @web.middleware
    async def verify(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if signer := request.headers.get("Signer"):
            request[VERIFIED] = SimpleNamespace(signer=SimpleNamespace(participant=signer))
        return await handler(request)

    async def said(self, request: web.Request) -> web.Response:
        self.read.append((await read_body(request, 1024)).decode())
        return web.Response(text="taken")

    async def dear(self, _: web.Request) -> web.Response:
        began = time.thread_time()
        while time.thread_time() - began < BURNED_S:
            pass
        return web.Response()

    def make_short(self, *greedy: Account) -> None:
        """As if these had taken the whole loop for some seconds, and it were late."""
        now = asyncio.get_running_loop().time()
        for account in greedy:
            self.shares.refused(account, 1e6, now)  # which takes long to be forgotten
        self.shares.beat(10.0, now)
        assert self.shares.is_short


@pytest.fixture
async def doors(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Doors]:
    monkeypatch.setattr(fairness, "PAUSE_S", 0.0)
    doors = Doors()
    await doors.open()
    yield doors
    await doors.running.close()


async def say(session: ClientSession, doors: Doors, what: str, signer: str = "") -> tuple[int, str]:
    headers = {"Signer": signer} if signer else {}
    async with session.post(f"{doors.running.address}/said", data=what, headers=headers) as answer:
        return answer.status, answer.headers.get("Retry-After", "")


async def test_who_takes_too_much_is_refused_unread_and_who_proved_himself_before_is_not(doors: Doors) -> None:
    async with ClientSession() as bank, ClientSession() as stranger:
        assert await say(bank, doors, "1", "999202") == (200, "")
        doors.make_short(STRANGERS)
        doors.fairness._proven_at.clear()  # both come from one address here
        assert await say(stranger, doors, "2") == (503, "5")
        assert await say(stranger, doors, "3", "999202") == (503, "5")  # a signature is not looked at any more
        assert await say(bank, doors, "4", "999202") == (200, "")
    assert doors.read == ["1", "4"]
    assert b'eherrac_shed_total{known_by="stranger"} 2.0' in doors.metrics.text()


async def test_a_refusal_for_want_of_time_says_what_every_refusal_says_but_is_not_signed(doors: Doors) -> None:
    doors.make_short(STRANGERS)
    async with ClientSession() as session, session.post(f"{doors.running.address}/said", data=b"x") as answer:
        problem = orjson.loads(await answer.read())
        assert (problem["code"], problem["retry"], problem["facts"]) == ("OVERLOADED", True, {"retry_after_s": "5"})
        assert "Signature" not in answer.headers


async def test_a_participant_that_takes_too_much_is_refused_on_every_connection_that_proved_it(doors: Doors) -> None:
    async with ClientSession() as greedy, ClientSession() as honest:
        assert await say(greedy, doors, "1", "999101") == (200, "")
        assert await say(honest, doors, "2", "999202") == (200, "")
        doors.make_short(BANK)
        assert await say(greedy, doors, "3", "999101") == (503, "5")
        assert await say(honest, doors, "4", "999202") == (200, "")


async def test_an_address_is_known_by_a_signature_that_came_from_there(doors: Doors) -> None:
    """Clients that open a connection for each request are not strangers."""
    async with ClientSession(connector=TCPConnector(force_close=True)) as bank:
        assert await say(bank, doors, "1", "999202") == (200, "")
        doors.make_short(STRANGERS)
        assert await say(bank, doors, "2", "999202") == (200, "")


async def test_over_mutual_tls_a_client_is_known_by_its_certificate_before_it_signed(
    doors: Doors, tmp_path: Path
) -> None:
    """After a restart amid a flood nobody has proved anything; one address is everybody's, as behind a NAT."""
    authority, now = Authority.create(datetime.now(UTC)), datetime.now(UTC)
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority.anchors_pem + authority.intermediates_pem)
    shown = {name: authority.issue(name, name, key="p256", now=now) for name in ("999101", "999202")}
    await doors.running.close()
    server = authority.issue_server("gateway", ["127.0.0.1"], now=now)
    context = secured(*pem_files(tmp_path / "server", server))
    context.load_verify_locations(roots)
    context.verify_mode = tls.CERT_REQUIRED
    await doors.open(context)

    def client(name: str) -> ClientSession:
        context = tls.create_default_context(cafile=roots)
        context.load_cert_chain(*pem_files(tmp_path / name, shown[name]))
        return ClientSession(connector=TCPConnector(ssl=context, force_close=True))

    async with client("999101") as greedy, client("999202") as honest:
        assert await say(greedy, doors, "1") == (200, "")
        (account,) = doors.shares._taken
        assert account.kind is Kind.CERTIFICATE
        doors.make_short(account)
        assert await say(greedy, doors, "2") == (503, "5")
        assert await say(honest, doors, "3") == (200, "")
    assert b'eherrac_shed_total{known_by="certificate"} 1.0' in doors.metrics.text()


def pem_files(stem: Path, credential: Credential) -> tuple[Path, Path]:
    """Certificate chain and key."""
    key_pem, chain_pem = credential.to_pem()
    chain, key = stem.with_suffix(".crt"), stem.with_suffix(".key")
    chain.write_bytes(chain_pem)
    key.write_bytes(key_pem)
    return chain, key


async def test_a_proxys_word_on_whom_it_passes_on_makes_nobody_known(doors: Doors) -> None:
    """Anybody may write it: the address is the connection's."""
    doors.make_short(STRANGERS)
    doors.fairness._proven_at["192.0.2.2"] = asyncio.get_running_loop().time()
    forwarded = {"X-Forwarded-For": "192.0.2.2", "Forwarded": "for=192.0.2.2", "X-Real-IP": "192.0.2.2"}
    async with ClientSession(headers=forwarded) as stranger:
        assert await say(stranger, doors, "1") == (503, "5")


async def test_health_and_what_is_counted_are_answered_whoever_else_floods(doors: Doors) -> None:
    doors.make_short(STRANGERS)
    async with ClientSession() as session:
        for path in sorted(UNSIGNED_PATHS):
            async with session.get(doors.running.address + path) as answer:
                assert answer.status == 200, path


async def test_who_floods_what_is_counted_is_refused_and_health_is_still_answered(doors: Doors) -> None:
    async with ClientSession() as session:
        doors.make_short(SCRAPERS)
        found = {}
        for path in sorted(UNSIGNED_PATHS):
            async with session.get(doors.running.address + path) as answer:
                found[path] = answer.status
        assert found == {"/healthz": 200, "/readyz": 200, "/metrics": 503}
        assert await say(session, doors, "1") == (200, "")


async def test_what_is_counted_is_charged_to_its_own_account(doors: Doors) -> None:
    async with ClientSession() as session, session.get(f"{doors.running.address}/metrics") as answer:
        assert answer.status == 200
    assert doors.shares.share(SCRAPERS, asyncio.get_running_loop().time()) > 0


async def test_the_loop_s_time_is_charged_to_whom_it_was_taken_by(doors: Doors) -> None:
    async with ClientSession() as session:
        await say(session, doors, "1", "999101")
        before = doors.shares.share(BANK, asyncio.get_running_loop().time())
        for _ in range(4):
            async with session.post(f"{doors.running.address}/dear", data=b""):
                pass
        taken = doors.shares.share(BANK, asyncio.get_running_loop().time()) - before
    assert taken > 0.01  # 0.2 s of it; less by what was forgotten meanwhile


async def test_watched_work_ends_as_it_would_without_anybody_watching() -> None:
    """With its value, its fault, or its cancellation, which it may outlive."""
    spent, asleep = Spent(), asyncio.Event()

    async def work(fault: Exception | None) -> str:
        asleep.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if fault is not None:
                raise fault from None
        return "outlived"

    async def watched(fault: Exception | None = None) -> str:
        return await spent.watch(work(fault))

    for fault in (None, OSError("its own")):
        task = asyncio.create_task(watched(fault))
        await asleep.wait()
        asleep.clear()
        task.cancel()
        assert await asyncio.gather(task, return_exceptions=True) == [fault or "outlived"]
    assert spent.seconds > 0


async def test_handshakes_of_unknown_addresses_are_few_while_the_processor_is_short(doors: Doors) -> None:
    assert all(doors.fairness.welcome("192.0.2.1") for _ in range(1000))
    doors.make_short(STRANGERS)
    doors.fairness._proven_at["192.0.2.2"] = asyncio.get_running_loop().time()
    assert sum(doors.fairness.welcome("192.0.2.1") for _ in range(1000)) < 50
    assert sum(doors.fairness.welcome("192.0.2.2") for _ in range(1000)) >= 100
    assert doors.fairness.welcome("192.0.2.3")


async def test_the_loop_s_lateness_is_measured(doors: Doors) -> None:
    beating = asyncio.create_task(doors.fairness.run())
    await asyncio.sleep(0)
    time.sleep(4 * fairness.BEAT_S)  # noqa: ASYNC251 - the loop is kept from its work
    await until(lambda: doors.fairness.late_s > fairness.BEAT_S)
    beating.cancel()


async def test_a_store_that_is_behind_counts_as_a_loop_that_is_late() -> None:
    shares, behind_s = Shares(late_max_s=30.0), 0.0  # no machine is so slow
    judging = Fairness(shares, Metrics(), clock=lambda: datetime.now(UTC), store_late_s=lambda: behind_s)
    beating = asyncio.create_task(judging.run())
    await asyncio.sleep(2 * fairness.BEAT_S)
    was_short, behind_s = shares.is_short, 100.0
    shares.refused(STRANGERS, 1.0, asyncio.get_running_loop().time())
    await until(lambda: shares.is_short)
    assert not was_short
    beating.cancel()
