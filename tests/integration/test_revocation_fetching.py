"""Lists and OCSP answers are fetched in the background, over real sockets, from an authority that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from waiting import PATIENCE_S

from certs.authority import Authority
from certs.freshness import RevocationState
from certs.keystore import Credential, participant_codes
from certs.ocsp import read_answer
from certs.revocation import load_lists
from certs.trust import TrustPolicy
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError
from gateway.doors.health import health_routes
from gateway.doors.metrics import Metrics
from gateway.keys import KeyFolder, WatchedKeys
from gateway.wire.revocation import RevocationFetcher, RevocationSources, stop
from gateway.wire.server import Running, serve_app

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ECDSA_SHA256 = b"\x2a\x86\x48\xce\x3d\x04\x03\x02"


def split_lists(bundle: bytes) -> tuple[bytes, bytes]:
    """The issuing authority's list and the root's."""
    first, second = (part + b"-----END X509 CRL-----\n" for part in bundle.split(b"-----END X509 CRL-----\n")[:2])
    return first, second


class World:
    """An authority on a socket, a gateway's keys, and a clock that only the test moves."""

    def __init__(self, folder: Path) -> None:
        self.now = START
        self.authority = Authority.create(START - HOUR)
        self.bank = self._issue("999101")
        own = self._issue("GATEWAY")
        key, chain = own.to_pem()
        contents = {
            "key.pem": key,
            "chain.pem": chain,
            "anchors.pem": self.authority.anchors_pem,
            "intermediates.pem": self.authority.intermediates_pem,
            "crl.pem": self.authority.crl(START),
        }
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        policy = TrustPolicy(revocation_max_age_s=10_800, revocation_grace_s=3600)
        self.keys = WatchedKeys(KeyFolder(directory=folder, policy=policy), reload_s=3600)
        self.behaviour, self.requests, self.kept = "honest", 0, b""
        self.asked = asyncio.Event()
        self.running: Running | None = None

    def _issue(self, code: str) -> Credential:
        return self.authority.issue(code, "Nümunə", key="p256", now=START - HOUR)

    @property
    def address(self) -> str:
        assert self.running is not None
        return self.running.address

    def fetcher(self, *, ocsp: bool = False, **limits: float) -> RevocationFetcher:
        sources = RevocationSources(
            lists=() if ocsp else (f"{self.address}/list.crl",),
            ocsp_url=f"{self.address}/ocsp" if ocsp else None,
            **limits,  # type: ignore[arg-type]
        )
        return RevocationFetcher(sources, self.keys, clock=lambda: self.now)

    def verdict(self) -> str:
        try:
            return self.keys().trust.judge(self.bank.certificate, (), self.now).participant
        except RefusedError as error:
            return error.refusal.code

    def states(self) -> set[RevocationState]:
        return {standing.state for standing in self.keys().trust.standings(self.now)}

    async def list(self, _: web.Request) -> web.Response:
        self.requests += 1
        self.asked.set()
        match self.behaviour:
            case "redirect":
                raise web.HTTPFound(f"{self.address}/elsewhere")
            case "error":
                return web.Response(status=500)
            case "garbage":
                return web.Response(body=b"<html>")
            case "forged":
                return web.Response(body=Authority.create(START).crl(self.now))
            case "old":
                return web.Response(body=self.kept)
            case "unreadable":  # a version that does not exist: found out long after the list was loaded
                (first, *_) = load_lists([self.authority.crl(self.now)])
                der = first.public_bytes(Encoding.DER)
                return web.Response(body=der.replace(b"\x02\x01\x01", b"\x02\x01\x5d", 1))
            case "long":
                return web.Response(body=b"\0" * 100_000)
            case "encoded":
                return web.Response(body=self.authority.crl(self.now), headers={"Content-Encoding": "gzip"})
            case "mixed":  # a new list of the root, beside an old one of the issuing authority
                issuing, _ = split_lists(self.kept)
                _, root = split_lists(self.authority.crl(self.now))
                return web.Response(body=issuing + root)
            case "slow":
                await asyncio.sleep(3)
        return web.Response(body=self.authority.crl(self.now))

    async def elsewhere(self, _: web.Request) -> web.Response:
        raise AssertionError("a redirect was followed")

    async def ocsp(self, request: web.Request) -> web.Response:
        self.requests += 1
        assert request.content_type == "application/ocsp-request"
        if self.behaviour == "poisoned":  # by whoever stands on the line: of tomorrow, and not the authority's
            forger, tomorrow = Authority.create(START), self.now + timedelta(days=1)
            return web.Response(body=forger.ocsp_answer(await request.read(), tomorrow))
        if self.behaviour == "unreadable":  # signed in a way that nobody knows
            answer = self.authority.ocsp_answer(await request.read(), self.now)
            return web.Response(body=answer.replace(ECDSA_SHA256, ECDSA_SHA256[:-2] + b"\x07\x02"))
        return web.Response(body=self.authority.ocsp_answer(await request.read(), self.now))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    app = web.Application()
    app.add_routes(
        [web.get("/list.crl", made.list), web.get("/elsewhere", made.elsewhere), web.post("/ocsp", made.ocsp)]
    )
    made.running = await serve_app(app, "127.0.0.1", 0)
    yield made
    await made.running.close()


async def test_a_fetched_list_takes_over_from_the_one_in_the_folder(world: World) -> None:
    fetcher = world.fetcher()
    assert world.verdict() == "999101"
    world.authority.revoke(world.authority.register[0].serial, START + 2 * HOUR)
    world.now = START + 2 * HOUR
    assert world.verdict() == "999101"
    await fetcher.refresh()
    assert world.verdict() == ErrorCode.CERTIFICATE_REVOKED


async def test_nothing_is_fetched_before_it_is_due_however_many_messages_come(world: World) -> None:
    fetcher = world.fetcher(refresh_s=3600.0)
    for _ in range(5):
        await fetcher.refresh()
        assert world.verdict() == "999101"
    assert world.requests == 1
    world.now += HOUR
    await fetcher.refresh()
    assert world.requests == 2


@pytest.mark.parametrize(
    "behaviour", ["redirect", "error", "garbage", "forged", "unreadable", "long", "encoded", "slow"]
)
async def test_a_source_that_misbehaves_changes_nothing_until_the_grace_is_over(world: World, behaviour: str) -> None:
    fetcher = world.fetcher(timeout_s=1 if behaviour == "slow" else PATIENCE_S, list_max_bytes=50_000)
    world.behaviour = behaviour
    world.now = START + 3 * HOUR
    await fetcher.refresh()
    assert (world.verdict(), world.states()) == ("999101", {RevocationState.FRESH})
    world.now = START + 4 * HOUR
    await fetcher.refresh()
    assert (world.verdict(), world.states()) == ("999101", {RevocationState.STALE})
    world.now = START + 4 * HOUR + timedelta(seconds=1)
    assert (world.verdict(), world.states()) == (ErrorCode.REVOCATION_UNKNOWN, {RevocationState.CLOSED})
    world.behaviour = "honest"
    world.now += timedelta(minutes=2)
    await fetcher.refresh()
    assert (world.verdict(), world.states()) == ("999101", {RevocationState.FRESH})


async def test_an_older_list_does_not_replace_a_newer_one(world: World) -> None:
    world.kept = world.authority.crl(START)
    fetcher = world.fetcher(refresh_s=10.0)
    world.now = START + HOUR
    world.authority.revoke(world.authority.register[0].serial, world.now)
    await fetcher.refresh()
    world.behaviour, world.now = "old", world.now + HOUR
    await fetcher.refresh()
    assert world.requests == 2
    assert world.verdict() == ErrorCode.CERTIFICATE_REVOKED


async def test_an_old_list_beside_a_new_one_of_another_issuer_takes_no_revocation_back(world: World) -> None:
    """AOS-S1: the sources are asked without TLS; who stands on the line may put honest lists together as he likes."""
    world.kept = world.authority.crl(START)
    fetcher = world.fetcher(refresh_s=10.0)
    world.now = START + HOUR
    world.authority.revoke(world.authority.register[0].serial, world.now)
    await fetcher.refresh()
    assert world.verdict() == ErrorCode.CERTIFICATE_REVOKED
    world.behaviour, world.now = "mixed", world.now + HOUR
    await fetcher.refresh()
    assert world.requests == 2
    assert world.verdict() == ErrorCode.CERTIFICATE_REVOKED


async def test_a_forged_answer_of_tomorrow_does_not_outdate_the_true_ones(world: World) -> None:
    """AOS-S1."""
    assert world.verdict() == "999101"
    fetcher = world.fetcher(ocsp=True, refresh_s=60.0)
    world.behaviour = "poisoned"
    await fetcher.refresh()
    assert world.verdict() == "999101"
    world.authority.revoke(world.authority.register[0].serial, world.now)
    world.behaviour, world.now = "honest", world.now + timedelta(seconds=61)
    await fetcher.refresh()
    assert world.verdict() == ErrorCode.CERTIFICATE_REVOKED


async def test_an_answer_that_nobody_can_read_does_not_end_the_asking(world: World) -> None:
    """AOS-S1: one octet changed on the line once ended it for good, and every door when the grace was over."""
    assert world.verdict() == "999101"
    fetcher = world.fetcher(ocsp=True, refresh_s=60.0)
    world.behaviour = "unreadable"
    await fetcher.refresh()
    world.authority.revoke(world.authority.register[0].serial, world.now)
    world.behaviour, world.now = "honest", world.now + timedelta(seconds=61)
    await fetcher.refresh()
    assert world.verdict() == ErrorCode.CERTIFICATE_REVOKED


async def test_what_fails_while_an_answer_is_kept_does_not_end_the_asking(world: World) -> None:
    async def keep(_: x509.Certificate, __: bytes) -> None:
        raise RuntimeError("nobody thought of this")

    sources = RevocationSources(ocsp_url=f"{world.address}/ocsp", refresh_s=60.0)
    assert world.verdict() == "999101"
    await RevocationFetcher(sources, world.keys, clock=lambda: world.now, keep_answer=keep).refresh()
    assert world.requests == 3


async def test_ocsp_is_asked_about_those_seen_and_heard_when_it_says_revoked(world: World) -> None:
    fetcher = world.fetcher(ocsp=True, refresh_s=60.0)
    await fetcher.refresh()
    assert world.requests == 2  # our own certificate and that of its issuer
    assert world.verdict() == "999101"
    await fetcher.refresh()
    assert world.requests == 3  # the bank's too; its issuer is ours
    world.authority.revoke(world.authority.register[0].serial, world.now)
    world.now += timedelta(seconds=61)
    await fetcher.refresh()
    assert world.verdict() == ErrorCode.CERTIFICATE_REVOKED


async def test_an_answer_that_we_judge_by_is_kept_as_it_came_and_no_other(world: World) -> None:
    """What evidence brings along: the responder knows nothing of the issuing authority itself, so that is no answer."""
    kept: list[tuple[str, bytes]] = []

    async def keep(certificate: x509.Certificate, content: bytes) -> None:
        kept.append((participant_codes(certificate)[0], content))

    sources = RevocationSources(ocsp_url=f"{world.address}/ocsp", refresh_s=60.0)
    fetcher = RevocationFetcher(sources, world.keys, clock=lambda: world.now, keep_answer=keep)
    assert world.verdict() == "999101"
    await fetcher.refresh()
    assert sorted(code for code, _ in kept) == ["999101", "GATEWAY"]
    trust = world.keys().trust
    trust.vouched(world.bank.certificate, [read_answer(content) for _, content in kept], world.now)
    with pytest.raises(RefusedError, match=ErrorCode.REVOCATION_UNKNOWN):
        trust.vouched(world.bank.certificate, [read_answer(content) for _, content in kept], world.now - HOUR)


async def test_it_runs_by_itself_and_ends_when_told(world: World) -> None:
    task = asyncio.create_task(world.fetcher().run())
    async with asyncio.timeout(PATIENCE_S):
        await world.asked.wait()
    await stop(task)
    assert task.cancelled()


async def test_the_grace_left_is_shown_in_readiness_and_metrics(world: World) -> None:
    def standings() -> tuple:
        return world.keys().trust.standings(world.now)

    metrics = Metrics()
    metrics.watch_revocation(standings)
    app = web.Application()
    app.add_routes(health_routes({}, metrics, standings))
    running = await serve_app(app, "127.0.0.1", 0)
    world.now = START + 3 * HOUR + timedelta(minutes=30)
    try:
        async with ClientSession() as session, session.get(f"{running.address}/readyz") as answer:
            told = (await answer.json())["revocation"]
    finally:
        await running.close()
    assert [(one["state"], one["graceLeftSeconds"]) for one in told] == [("stale", 1800), ("stale", 1800)]
    text = metrics.text().decode()
    assert 'eherrac_revocation_grace_left_seconds{issuer="CN=BSXM (nümunə) Buraxan CA' in text
    assert 'state="stale"} 1.0' in text
    assert 'state="fresh"} 0.0' in text
