"""Nobody is let in, and nothing is done, but as it is meant: every page of the console against every way around it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import quote

import pytest
import pytest_asyncio
from console_door import COOKIE, EVIL, FORM_TOKEN, POLICY, Hand, Office
from tests_house import announced
from yarl import URL

from contracts.errors import ErrorCode
from gateway.domain.events.lot import AuctionCancelled
from gateway.domain.visit import Role
from gateway.doors.console import app
from gateway.doors.console.app import ROUTES, Route
from gateway.doors.console.words import text
from gateway.store import open_store
from gateway.store.testing import blank_store_url

PROTECTED = [route for route in ROUTES if route.role is not None]
OF_OPERATORS = [route for route in PROTECTED if route.role is Role.OPERATOR]
FORMS = [route for route in PROTECTED if route.method == "POST"]


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest_asyncio.fixture
async def office(tmp_path) -> AsyncIterator[Office]:
    store = await open_store(blank_store_url(tmp_path))
    opened = await Office(store).open(names=("console.bank.example:8443",))
    yield opened
    await opened.stack.aclose()
    await store.close()


async def ask(hand: Hand, route: Route, **headers: str):
    return await (hand.get if route.method == "GET" else hand.post)(route.path, **headers)


@pytest.mark.parametrize("route", PROTECTED, ids=named)
async def test_nobody_gets_past_a_page_without_a_session(office: Office, route: Route) -> None:
    nobody = await office.visitor(None)
    for cookie in ("", f"{COOKIE}=", f"{COOKIE}=guessed", f"{COOKIE}=%ff%fe"):
        page = await ask(nobody, route, Cookie=cookie)
        assert (page.status, "form_token" in page.text) == (401, False)


@pytest.mark.parametrize("route", OF_OPERATORS, ids=named)
async def test_a_viewer_decides_nothing(office: Office, route: Route) -> None:
    viewer = await office.visitor(Role.VIEWER)
    assert (await ask(viewer, route)).status == 403
    (line,) = await office.store.read(lambda reader: reader.refusals(sender="console"))
    assert '"participant":"Leyla"' in line.data


@pytest.mark.parametrize("route", FORMS, ids=named)
@pytest.mark.parametrize("token", [None, "", "0" * 64, "another form's"])
async def test_a_form_without_its_own_token_does_nothing(office: Office, route: Route, token: str | None) -> None:
    operator = await office.visitor(Role.OPERATOR)
    if token == "another form's":
        presence = await office.visits.present(operator.secret(office.running.address))
        assert presence is not None
        token = presence.form_token("/elsewhere")
    page = await operator.post(route.path, {} if token is None else {"form_token": token})
    assert page.status == 403
    assert (await operator.get("/")).status == 200  # still signed in


@pytest.mark.parametrize("route", FORMS, ids=named)
@pytest.mark.parametrize(
    "header",
    [("Origin", "https://evil.example"), ("Origin", "null"), ("Origin", "http://["), ("Sec_Fetch_Site", "cross-site")],
    ids="=".join,
)
async def test_a_form_of_another_site_does_nothing(office: Office, route: Route, header: tuple[str, str]) -> None:
    operator = await office.visitor(Role.OPERATOR)
    assert (await operator.post(route.path, **dict([header]))).status == 403


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nowhere", "/static/console.css", "/static/nothing"])
async def test_every_answer_forbids_the_browser_what_it_need_not_do(office: Office, path: str) -> None:
    page = await (await office.visitor(None)).get(path)
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Server"] == "eherrac"
    assert "Strict-Transport-Security" not in page.headers


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "console.bank.example", "evil.example:8443", ""]
)
async def test_another_name_is_not_answered(office: Office, host: str) -> None:
    """DNS rebinding: a page at evil.example that resolves to us."""
    page = await (await office.visitor(None)).get("/sign-in", Host=host)
    assert page.status in (421, 400)
    assert "form" not in page.text


@pytest.mark.parametrize("host", ["localhost:1", "LOCALHOST", "127.0.0.1", "[::1]:8090", "console.bank.example:8443"])
async def test_our_names_are_answered(office: Office, host: str) -> None:
    assert (await (await office.visitor(None)).get("/sign-in", Host=host)).status == 403


async def test_a_link_is_used_once_and_by_pressing_the_button(office: Office) -> None:
    nobody, secret = await office.visitor(None), await office.visits.invite("Leyla", Role.VIEWER)
    for _ in range(2):  # looked at by a scanner, and again: nothing is used up
        asked = await nobody.get(f"/sign-in?link={secret}")
        assert (asked.status, "Leyla" in asked.text, asked.cookies) == (200, True, {})
    assert (await nobody.post("/sign-in", {"link": secret})).status == 303
    again = await nobody.post("/sign-in", {"link": secret})
    assert (again.status, again.cookies) == (403, {})
    assert (await nobody.get(f"/sign-in?link={secret}")).status == 403
    (_, line) = await office.store.read(lambda reader: reader.refusals(sender="console"))
    assert secret not in line.data


async def test_a_link_ends(office: Office) -> None:
    nobody, secret = await office.visitor(None), await office.visits.invite("Leyla", Role.VIEWER)
    office.clock.now += POLICY.link
    assert (await nobody.get(f"/sign-in?link={secret}")).status == 403
    assert (await nobody.post("/sign-in", {"link": secret})).status == 403


@pytest.mark.parametrize("link", ["", "guessed", "%00", "ə" * 100, "a" * 10_000])
async def test_a_guessed_link_signs_nobody_in(office: Office, link: str) -> None:
    page = await (await office.visitor(None)).post("/sign-in", {"link": link})
    assert (page.status, page.cookies) == (403, {})


async def test_who_tries_too_often_waits_and_fills_no_journal(office: Office) -> None:
    nobody = await office.visitor(None)
    statuses = [(await nobody.post("/sign-in", {"link": f"guess {number}"})).status for number in range(30)]
    assert statuses == [403] * 10 + [429] * 20
    assert len(await office.store.read(lambda reader: reader.refusals(sender="console"))) == 10
    office.clock.now += timedelta(seconds=10)
    assert (await nobody.post("/sign-in", {"link": "guess"})).status == 403


@pytest.mark.parametrize("encrypted", [False, True])
async def test_the_cookie_is_for_this_site_alone_and_no_script_sees_it(tmp_path, encrypted: bool) -> None:
    store = await open_store(blank_store_url(tmp_path))
    office = await Office(store).open(encrypted=encrypted)
    page = await (await office.visitor(None)).post(
        "/sign-in", {"link": await office.visits.invite("Leyla", Role.VIEWER)}
    )
    ((name, cookie),) = page.cookies.items()
    assert name == ("__Host-eherrac-console" if encrypted else COOKIE)
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Strict", "/", "")
    assert bool(cookie["secure"]) is encrypted
    assert cookie["max-age"] == cookie["expires"] == ""  # gone with the browser; its end is the store's
    assert ("Strict-Transport-Security" in page.headers) is encrypted
    await office.stack.aclose()
    await store.close()


async def test_secrets_are_nowhere_in_the_store(office: Office, tmp_path) -> None:
    link = await office.visits.invite("Leyla", Role.VIEWER)
    hand = await office.visitor(None)
    await hand.post("/sign-in", {"link": link})
    session = hand.secret(office.running.address)
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        assert link.encode() not in content
        assert session.encode() not in content


async def test_a_session_ends_when_nothing_is_done_and_pages_fetched_anew_do_nothing(office: Office) -> None:
    viewer = await office.visitor(Role.VIEWER)
    for _ in range(3):
        office.clock.now += POLICY.idle / 2
        assert (await viewer.get("/refusals")).status == 200
    for _ in range(5):
        office.clock.now += POLICY.idle / 5
        page = await viewer.get("/?live=1")
    assert page.status == 401


async def test_a_session_ends_whatever_is_done(office: Office) -> None:
    viewer, began = await office.visitor(Role.VIEWER), office.clock.now
    while office.clock.now < began + POLICY.session - POLICY.idle:
        office.clock.now += POLICY.idle / 2
        assert (await viewer.get("/refusals")).status == 200
    office.clock.now = began + POLICY.session
    assert (await viewer.get("/refusals")).status == 401


async def test_signing_out_ends_the_session_for_whoever_kept_the_cookie(office: Office) -> None:
    viewer = await office.visitor(Role.VIEWER)
    kept = viewer.secret(office.running.address)
    assert (await viewer.submit(await viewer.get("/"), "/sign-out")).status == 303
    assert (await (await office.visitor(None)).get("/", Cookie=f"{COOKIE}={kept}")).status == 401


async def test_a_visit_that_is_ended_on_the_host_is_over_at_once(office: Office) -> None:
    viewer = await office.visitor(Role.VIEWER)
    ((id, visit),) = await office.visits.open_visits()
    assert visit.person == "Leyla"
    await office.visits.end(id, by="Rauf")
    assert (await viewer.get("/")).status == 401
    events = [line.event for line in await office.store.read(lambda reader: reader.journal_of("visit", id))]
    assert events == ["Invited", "SignedIn", "Ended"]


async def test_who_pressed_a_button_as_the_visit_ended_is_told_that_nothing_was_done(office: Office) -> None:
    await office.park()
    operator = await office.visitor(Role.OPERATOR)
    form = await operator.get("/waiting/delivery?id=d1")
    office.clock.now += POLICY.idle
    refused = await operator.submit(form, "/waiting/discard", {"id": "d1", "reason": "a wrong address"})
    assert (refused.status, text("az", "message.visit_over_form.title") in refused.text) == (401, True)
    row = await office.store.read(lambda reader: reader.find_outbox("d1"))
    assert row is not None
    assert row.parked_at is not None
    looked = await operator.get("/waiting")
    assert (looked.status, text("az", "message.visit_over.title") in looked.text) == (401, True)
    stranger = await (await office.visitor(None)).get("/waiting")
    assert text("az", "message.sign_in.title") in stranger.text


async def test_a_form_whose_end_does_not_come_is_given_up(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody need be signed in for it: the form that signs in is everybody's."""
    monkeypatch.setattr(app, "FORM_MAX_S", 0.2)
    address = URL(office.running.address)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(
        b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 9\r\n\r\nlink="
    )
    assert await reader.readline() == b"HTTP/1.1 408 Request Timeout\r\n"
    writer.close()
    await writer.wait_closed()


async def test_tokens_of_two_people_and_of_two_forms_differ(office: Office) -> None:
    pages = [await (await office.visitor(Role.OPERATOR, name)).get("/") for name in ("Leyla", "Rauf")]
    tokens = [FORM_TOKEN.findall(page.text) for page in pages]
    assert tokens[0] != tokens[1]


@pytest.mark.parametrize(
    "path",
    ["/?lang=en", "/refusals?lang=ru&sender=%3Cx%3E", "/sign-in?lang=en&link=a%26b", "/?lang=en&next=//evil.example"],
)
async def test_changing_the_language_leads_back_to_the_same_page_and_nowhere_else(office: Office, path: str) -> None:
    page = await (await office.visitor(None)).get(path)
    assert page.status == HTTPStatus.SEE_OTHER
    target = page.headers["Location"]
    assert target.startswith(path.split("?", maxsplit=1)[0])
    assert not target.startswith("//")
    assert "lang=" not in target
    (cookie,) = page.cookies.values()
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Strict")


@pytest.mark.parametrize("path", ["//evil.example/?lang=en", "/%2f%2fevil.example?lang=en", "/\\evil.example?lang=en"])
async def test_no_address_leads_to_another_site(office: Office, path: str) -> None:
    nobody = await office.visitor(None)
    async with nobody.session.get(f"{office.running.address}{path}", allow_redirects=False) as answer:
        assert (answer.status, "Location" in answer.headers) == (404, False)


@pytest.mark.parametrize("value", ["xx", "../../etc/passwd", EVIL])
async def test_a_language_that_is_none_of_ours_is_azerbaijani(office: Office, value: str) -> None:
    page = await (await office.visitor(None)).get("/sign-in", Cookie=f"language={value!r}")
    assert '<html lang="az">' in page.text


async def test_what_others_wrote_is_text_on_every_page(office: Office) -> None:
    lot = f"L{EVIL}"
    await office.tell("lot", lot, announced(title=EVIL, claimant="999101"))
    await office.tell("lot", lot, AuctionCancelled(reason=EVIL))
    parked = await office.park(error=EVIL)
    await office.refuse(sender=f"S{EVIL}", code=ErrorCode.DIGEST_MISMATCH, reference=EVIL, expected=EVIL, what=EVIL)
    await office.refuse(code=ErrorCode.SCHEMA_INVALID, path=EVIL, fault=EVIL)
    viewer = await office.visitor(Role.VIEWER, person=EVIL[:40])
    seqs = [line.seq for line in await office.store.read(lambda reader: reader.refusals())]
    paths = [
        "/",
        "/refusals",
        f"/refusals?sender={EVIL}&code={EVIL}",
        *(f"/refusals/refusal?seq={seq}" for seq in seqs),
        f"/find?q={EVIL}",
        f"/nouns/noun?noun=lot&id={quote(lot)}",
        "/lots",
        f"/lots/lot?id={quote(lot)}",
        "/waiting",
        "/alarms",
        f"/waiting/delivery?id={parked}",
    ]
    for path in paths:
        page = await viewer.get(path)
        assert page.status == 200
        assert "&lt;script&gt;alert" in page.text
        assert "<script>alert" not in page.text
        assert "<img" not in page.text


async def test_signs_that_nobody_sees_are_seen_on_a_page(office: Office) -> None:
    """They turn the letters around them, or part two that look like one word."""
    await office.tell("lot", "L1", announced(title="A\u202e0001 NZA\u200b", claimant="999101"))
    page = await (await office.visitor(Role.VIEWER)).get("/lots/lot?id=L1")
    assert "A[U+202E]0001 NZA[U+200B]" in page.text
    assert not {"\u202e", "\u200b"} & set(page.text)


async def test_a_text_that_looks_like_a_time_does_not_take_a_lots_page_away(office: Office) -> None:
    await office.tell("lot", "L1", announced(title="2026-99-99T99:99Z", claimant="999101"))
    await office.tell("lot", "L1", AuctionCancelled(reason="0001-01-01T00:00:00+14:00"))
    page = await (await office.visitor(Role.VIEWER)).get("/lots/lot?id=L1")
    assert (page.status, "0001-01-01T00:00:00+14:00" in page.text) == (200, True)


@pytest.mark.parametrize("seq", ["", "0", "-1", "1", "99999999999999999999", "9" * 18, "x", "1 OR 1=1", "٣"])
async def test_a_refusal_that_is_none_is_not_found(office: Office, seq: str) -> None:
    viewer = await office.visitor(Role.VIEWER)  # line 1 is the making of the link: no refusal
    assert (await viewer.get(f"/refusals/refusal?seq={seq}")).status == 404


async def test_a_failure_tells_nothing_of_our_inside(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = await office.visitor(Role.VIEWER)
    await office.count()
    office.checks = None  # type: ignore[assignment]
    page = await viewer.get("/")
    assert (page.status, "Traceback" in page.text, "NoneType" in page.text) == (500, False, False)


async def test_a_database_that_is_away_is_said_and_not_a_failure(office: Office) -> None:
    viewer = await office.visitor(Role.VIEWER)
    await office.store.close()
    page = await viewer.get("/")
    assert page.status == 503
    assert re.search(r"\b503\b", re.sub("<[^>]*>", " ", page.text)) is None  # instants have digits too
    assert "Məlumat bazası cavab vermir" in page.text


async def test_a_form_larger_than_any_of_ours_is_not_read(office: Office) -> None:
    operator = await office.visitor(Role.OPERATOR)
    assert (await operator.post("/sign-out", {"form_token": "x" * 100_000})).status == 413
