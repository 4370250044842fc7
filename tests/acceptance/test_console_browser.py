"""The console as a person on duty uses it, in a real browser, over the whole gateway: a night with three troubles.

An issuer's list is stale, a bank's signature does not hold, the platform was away until its notice was parked. Leyla
signs in by her link, sees it, reads the refusal in three languages, sends the notice again and sees that it arrived.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from peer import built
from playwright.async_api import Browser, Page, async_playwright, expect
from ports import free_port
from town import PAYER, Town
from waiting import PATIENCE_S, until

from adapters.platform.sandbox import NOTICES_PATH, PlatformSandbox, PlatformSandboxSettings
from contracts.errors import Refusal
from contracts.errors.catalogue import describe
from contracts.soap import model
from gateway.domain.door import RequestRefused
from gateway.domain.visit import Role
from gateway.doors.console import VisitPolicy, Visits
from gateway.doors.console.words import text
from gateway.engine import codec
from gateway.store.rows import OutboxRow

expect.set_options(timeout=PATIENCE_S * 1000)
NARROW = {"width": 320, "height": 700}
POLICY = VisitPolicy(link=timedelta(minutes=10), session=timedelta(hours=1), idle=timedelta(minutes=30))


@pytest_asyncio.fixture
async def night(tmp_path: Path) -> AsyncIterator[tuple[Town, PlatformSandbox]]:
    """The town in its troubles; the platform is not up yet."""
    port = free_port()
    town = await Town(tmp_path).open(
        EHERRAC__PLATFORM__CALLBACK_URL=f"http://127.0.0.1:{port}{NOTICES_PATH}",
        EHERRAC__DELIVERIES='[{"channel": "platform", "retry_s": [0.05, 0.05]}]',
        EHERRAC__WATCHDOG__INTERVAL_S="0.5",
        EHERRAC__REVOCATION__MAX_AGE_S="60",
        EHERRAC__REVOCATION__GRACE_S="7200",
    )
    settings = PlatformSandboxSettings(identity=lambda: town.identity("EHERRAC"), port=port)
    platform = PlatformSandbox(settings, clock=town.now)
    await town.announce()
    await town.unsold()
    await _bad_signature(town)
    town.offset += timedelta(minutes=10)
    yield town, platform
    await platform.close()
    await town.close()


async def _bad_signature(town: Town) -> None:
    """A decision that something changed after it was signed."""
    decision = model.DecideOffer(
        message_id="s-1",
        offer_id="L1.offer",
        decision=model.Decision.ACCEPT,
        decided_by="Ə. Ğ.",
        payer=model.Account(**PAYER),
    )
    status, _ = await town.soap("999101", decision, tamper=lambda raw: raw.replace(b"accept<", b"refuse<"))
    assert status == 500


@pytest_asyncio.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as player:
        launched = await player.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        await launched.close()


@pytest_asyncio.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page whose script may not fail, and that asks for nothing its own policy forbids."""
    opened, complaints = await browser.new_page(), []
    opened.set_default_timeout(PATIENCE_S * 1000)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda said: complaints.append(said.text) if "Security Policy" in said.text else None)
    yield opened
    assert complaints == []


async def _signed_in(town: Town, page: Page, role: Role = Role.OPERATOR) -> str:
    """The console's address, with Leyla at it."""
    assert town.system.console is not None
    address = town.system.console.address
    visits = Visits(town.system.engine, POLICY, clock=town.now)
    await page.goto(f"{address}/sign-in?link={await visits.invite('Leyla', role)}")
    await page.get_by_role("button", name=text("az", "sign_in.button")).click()
    await expect(page).to_have_url(f"{address}/")
    return address


async def test_a_night_at_the_console(night: tuple[Town, PlatformSandbox], page: Page) -> None:
    town, platform = night
    await _signed_in(town, page)

    await expect(page.get_by_role("heading", level=1)).to_have_text(text("az", "situation.verdict.warning"))
    stale = page.locator(".trouble", has_text=text("az", "trouble.issuer_stale.title")).first
    await expect(stale).to_contain_text(re.compile(r"1\s*saat [1-5]?\d\s*dəq"))  # two hours less some minutes
    await expect(stale).to_contain_text(text("az", "source.list"))
    await expect(page.get_by_text(text("az", "trouble.delivery_parked.title", count=1))).to_be_visible()

    await page.get_by_role("link", name=text("az", "nav.refusals")).click()
    (line,) = await town.refusals()
    event = codec.decode(RequestRefused, line.data)
    for language in ("az", "en", "ru"):
        await page.locator(f".languages [lang={language}]").click()
        told = describe(Refusal(code=event.code, facts=event.facts), language)  # type: ignore[arg-type]
        await page.get_by_role("link", name=told.title).click()
        for words in (told.detail, told.remedy, event.facts["step"], event.facts["expected"]):
            await expect(page.locator("main")).to_contain_text(words)
        await expect(page.locator("html")).to_have_attribute("lang", language)
        await page.go_back()

    await page.locator(".languages [lang=en]").click()
    await page.get_by_role("link", name=text("en", "nav.waiting")).click()
    await platform.start()
    platform.connect(town.system.address)
    await page.get_by_role("link", name=text("en", "waiting.decide")).click()
    await expect(page.locator("main")).to_contain_text(text("en", "waiting.retry_what"))
    await page.get_by_role("button", name=text("en", "waiting.retry")).click()
    await expect(page.get_by_role("status")).to_contain_text(text("en", "waiting.done.retried"))
    await expect(page).to_have_title(re.compile("^" + re.escape(text("en", "waiting.done.retried"))))

    await page.get_by_role("link", name=text("en", "nav.lots")).click()
    await page.get_by_label(text("en", "find.label")).fill("L1.offer")
    await page.keyboard.press("Enter")
    delivered = page.locator(".timeline li", has_text="EHERRAC: notice delivered")

    async def is_shown() -> bool:
        await page.reload()
        return await delivered.count() > 0

    await expect(page.locator(".timeline")).to_be_visible()

    await until(is_shown)
    await expect(page.locator(".timeline")).to_contain_text("Leyla decided: EHERRAC: notice is sent again")
    assert [notice.data.subject_id for notice in platform.notices] == ["L1.offer"]

    await page.get_by_role("button", name=text("en", "nav.sign_out")).click()
    await page.goto(page.url.replace("/sign-in", "/"))
    await expect(page.get_by_role("heading", level=1)).to_have_text(text("en", "message.sign_in.title"))


@pytest.fixture(scope="module")
def axe(program: Callable[[str, str], str]) -> str:
    """The examiner's script, from npm."""
    folder = built("axe", program("npm", "npm"), "ci", "--no-audit", "--no-fund", "--silent")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


async def _barriers(page: Page, **options: object) -> list[str]:
    """What axe finds wrong with the page it is in: the rule, and the first place."""
    found = await page.evaluate("options => axe.run(document, options)", {"resultTypes": ["violations"], **options})
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found["violations"]]


async def test_every_page_can_be_read_by_everybody(night: tuple[Town, PlatformSandbox], page: Page, axe: str) -> None:
    """320 px, light and dark, without a mouse; axe finds nothing: contrasts, names of controls, landmarks, headings."""
    town, _ = night
    await page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    address = await _signed_in(town, page)
    ((parked,),) = [[row.id for row in await _parked(town)]]
    (line,) = await town.refusals()
    paths = [
        "/",
        "/waiting",
        f"/waiting/delivery?id={parked}",
        f"/deliveries/delivery?id={parked}",
        "/refusals",
        f"/refusals/refusal?seq={line.seq}",
        "/alarms",
        "/find?q=nothing",
        "/nouns/noun?noun=offer&id=L1.offer",
    ]
    for path in (*paths, "/recipients/recipient?code=EHERRAC", "/lots", "/lots/lot?id=L1", "/nowhere"):
        await page.emulate_media(color_scheme="light")
        await page.goto(address + path)
        await page.evaluate(axe)
        assert await page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], path
        assert await _barriers(page) == [], path
        await page.emulate_media(color_scheme="dark")
        assert await _barriers(page, runOnly=["color-contrast"]) == [], path
    await page.goto(address)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "content"


async def test_the_page_works_without_scripts_and_says_so_when_it_is_old(
    night: tuple[Town, PlatformSandbox], browser: Browser
) -> None:
    town, _ = night
    plain = await (await browser.new_context(java_script_enabled=False)).new_page()
    address = await _signed_in(town, plain)
    assert await plain.locator("noscript").count() == 1
    cookies = await plain.context.cookies()
    page = await (await browser.new_context()).new_page()
    await page.context.add_cookies(cookies)  # type: ignore[arg-type]
    await page.clock.install()
    await page.goto(address)
    await page.route("**/*", lambda route: route.abort())
    await page.clock.run_for(11_000)
    await expect(page.get_by_role("alert")).to_have_text(text("az", "situation.lost"))
    await page.unroute("**/*")
    await page.clock.run_for(11_000)
    await expect(page.get_by_role("alert")).to_be_hidden()


async def _parked(town: Town) -> list[OutboxRow]:
    async def rows() -> list[OutboxRow]:
        return await town.system.store.read(lambda reader: reader.list_outbox(parked=True, recipient="EHERRAC"))

    await until(rows)
    return await rows()
