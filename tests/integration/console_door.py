"""The console alone, on a real socket over a real store: people with roles, and hands that send what no page would."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import ClientSession, CookieJar
from tests_house import RULES
from yarl import URL

from contracts.errors import ErrorCode, Refusal
from gateway.domain.delivery import RetryPolicy
from gateway.domain.nouns import TABLES
from gateway.domain.table import Event
from gateway.domain.visit import Role
from gateway.doors.console import Desk, Finder, VisitPolicy, Visits, Watches, console_app
from gateway.engine.engine import Engine
from gateway.engine.watchdog import Census, take_census
from gateway.logs import Heard
from gateway.ports import Message, Target
from gateway.store import Store
from gateway.store.rows import OutboxItem
from gateway.wire.server import Running, serve_app

COOKIE = "eherrac-console"
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
POLICY = VisitPolicy(link=timedelta(minutes=10), session=timedelta(hours=8), idle=timedelta(minutes=30))
FORM_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


@dataclass(frozen=True, slots=True)
class Page:
    """What came back."""

    status: int
    text: str
    headers: Mapping[str, str]
    cookies: Mapping[str, Any]


@dataclass(slots=True)
class Clock:
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now


class Office:
    """The console, and everything under it."""

    def __init__(self, store: Store, *, pauses_s: tuple[float, ...] = (1.0,)) -> None:
        self.store, self.clock, self.stack = store, Clock(), AsyncExitStack()
        policies = {"default": RetryPolicy(pauses_s=pauses_s)}
        self.engine = Engine(store, TABLES, RULES, clock=self.clock, policies=policies)
        self.visits = Visits(self.engine, POLICY, clock=self.clock)
        self.census, self.checks = Census(), {"store": True}
        self.heard: list[Heard] = []
        self.running: Running
        self.finder: Finder

    async def open(self, *, names: tuple[str, ...] = (), encrypted: bool = False) -> Office:
        """Serve it on a free port."""
        watches = Watches(
            census=lambda: self.census,
            count_every_s=10,
            checks=self._checks,
            standings=tuple,
            expiries=tuple,
            breakers=dict,
            stamping=lambda: None,
            stamp_every_s=60,
            backlog_max=1000,
        )
        self.finder = finder = Finder(self.store, watches, clock=self.clock, grace=timedelta(0))
        desk = Desk(
            engine=self.engine,
            rules=RULES,
            visits=self.visits,
            finder=finder,
            clock=self.clock,
            replica="host.1",
            heard=lambda: self.heard,
            sources=("EHERRAC", "999101"),
            names={"999101": f"Bank {EVIL}"},
        )
        app = console_app(desk, host="127.0.0.1", names=names, encrypted=encrypted)
        self.running = await serve_app(app, "127.0.0.1", 0)
        self.stack.push_async_callback(self.running.close)
        return self

    async def _checks(self) -> dict[str, bool]:
        return self.checks

    async def count(self) -> None:
        """As the watchdog does."""
        self.census = await self.store.read(
            lambda reader: take_census(reader, TABLES, self.clock(), timedelta(hours=1))
        )

    async def tell(self, noun: str, id: str, event: Event) -> None:
        """Something happens to a noun."""
        message = Message(
            source="EHERRAC",
            id=f"{noun}.{id}.{type(event).__name__}",
            target=Target(noun=noun, id=id),
            event=event,
            digest="",
        )
        await self.engine.receive(message)

    async def park(self, id: str = "d1", *, noun: str = "door", noun_id: str = "S", error: str = "their no") -> str:
        """A delivery that a person has to decide about; the noun is there afterwards."""
        if noun == "door":
            await self.engine.record_refusal(noun_id, "a noun that is there", Refusal(code=ErrorCode.NOT_FOUND))
        now = self.clock()
        item = OutboxItem(
            id=id,
            channel="banks",
            recipient="999101",
            noun=noun,
            noun_id=noun_id,
            body_type="Notice",
            body="{}",
            due_at=now,
            created_at=now,
            order_key=f"banks|999101|{noun}|{noun_id}",
        )
        await self.store.transact(lambda tx: tx.enqueue(item))
        rows = await self.store.transact(lambda tx: tx.claim(now=now, worker="w", lease_s=9, limits={"banks": 99}))
        for row in rows:
            await self.store.transact(lambda tx, row=row: tx.park(row, now=now, error=error))
        return id

    async def refuse(self, sender: str = "999101", code: ErrorCode = ErrorCode.NOT_FOUND, **facts: str) -> None:
        """Something is refused at a door."""
        await self.engine.record_refusal(sender, "/v1/offers", Refusal(code=code, facts=facts), digest="ab" * 32)

    async def visitor(self, role: Role | None, person: str = "Leyla") -> Hand:
        """Somebody with a role, signed in; or nobody."""
        session = ClientSession(self.running.address, cookie_jar=CookieJar(unsafe=True))
        self.stack.push_async_callback(session.close)
        hand = Hand(session)
        if role is not None:
            secret = await self.visits.invite(person, role)
            signed_in = await hand.post("/sign-in", {"link": secret})
            assert signed_in.status == 303, signed_in.text
        return hand


@dataclass(slots=True)
class Hand:
    """Sends requests. Redirects are shown, not followed."""

    session: ClientSession

    def secret(self, address: str) -> str:
        """That of the session."""
        return self.session.cookie_jar.filter_cookies(URL(address))[COOKIE].value

    async def get(self, path: str, **headers: str) -> Page:
        return await self._ask("GET", path, None, headers)

    async def post(self, path: str, form: Mapping[str, str] | None = None, **headers: str) -> Page:
        return await self._ask("POST", path, form or {}, headers)

    async def submit(self, page: Page, path: str, form: Mapping[str, str] | None = None) -> Page:
        """Send a form that stands in a page, with the token that stands there for it."""
        for part in page.text.split("<form")[1:]:
            if f'action="{path}"' in part.partition(">")[0]:
                found = FORM_TOKEN.search(part.partition("</form>")[0])
                assert found is not None, "a form without a token"
                return await self.post(path, {"form_token": found[1], **(form or {})})
        raise AssertionError(f"no form for {path}")

    async def _ask(self, method: str, path: str, form: Mapping[str, str] | None, headers: Mapping[str, str]) -> Page:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, path, data=form, headers=told, allow_redirects=False) as answer:
            return Page(answer.status, await answer.text(), dict(answer.headers), dict(answer.cookies))
