"""The lines between programs: requests as bytes, lost before or after their effect, late, twice, out of order, cut.

A program listens by handing in its aiohttp application; its handlers are called as behind the signature middleware,
with the sender's name already verified. Signatures themselves are what this world leaves out.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web
from multidict import CIMultiDict, MultiDict

from certs.trust import Signer, Verified
from contracts.errors.refusal import RefusedError
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.ports import Exhibit
from gateway.wire.client import SignedAnswer
from gateway.wire.server import EXHIBIT, RAW_BODY, VERIFIED, problem_response
from simulator.loop import Process, SimulatedLoop, current_process
from simulator.plan import Plan
from simulator.trace import Trace

Handler = Callable[[Any], Awaitable[web.Response]]
LATE_S = (5.0, 90.0)
AGAIN_S = (0.001, 120.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request on its way."""

    sender: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    content_type: str | None


@dataclass(slots=True, kw_only=True)
class Host:
    """Who listens at an address, and what runs for a path."""

    process: Process
    routes: list[tuple[str, re.Pattern[str], Handler]]
    answered: Callable[[Exhibit, Callable[[], Exhibit]], None] | None = None


class Request(dict[Any, Any]):
    """What a handler sees of a request: of aiohttp's own, the part that handlers use."""

    transport = None

    def __init__(self, sent: Sent, match: Mapping[str, str], participant: str) -> None:
        super().__init__()
        self.method, self.content_type, self.charset = sent.method, sent.content_type, None
        self.path, _, query = sent.path.partition("?")
        self.match_info = {name: unquote(value) for name, value in match.items()}
        self.headers: CIMultiDict[str] = CIMultiDict(sent.headers)
        self.query: MultiDict[str] = MultiDict(parse_qsl(query))
        self[RAW_BODY] = sent.body
        self[EXHIBIT] = Exhibit(direction="in", media_type="message/http", content=sent.body, signer=participant)
        self[VERIFIED] = verified(participant)


def verified(participant: str) -> Verified:
    """A signature that holds, of a participant."""
    signer = Signer(
        participant=participant,
        subject=f"CN={participant}",
        serial="1",
        issuer_sha256="",
        certificate_sha256=hashlib.sha256(participant.encode()).hexdigest(),
        certificate=None,  # type: ignore[arg-type]  # nothing here looks into it
    )
    return Verified(signer=signer, signed_at=None, steps=())


def participant_of(process: Process | None) -> str:
    """`GATEWAY/2` is a gateway."""
    return "" if process is None else process.name.partition("/")[0]


class Network:
    """All lines. While `calm`, nothing goes wrong on them."""

    def __init__(self, loop: SimulatedLoop, random: Random, plan: Plan, trace: Trace) -> None:
        self._loop, self._random, self._plan, self._trace = loop, random, plan, trace
        self._outside: Context = copy_context()  # what is on a line outlives its sender
        self._hosts: dict[str, Host] = {}
        self.cut: dict[frozenset[str], bool] = {}  # between whom; True: at once refused, False: swallowed
        self.away: dict[str, bool] = {}  # who neither hears nor is heard; as `cut`
        self.calm = False

    def serve(self, app: web.Application, address: str | None = None) -> str:
        """Listen, in the name of the process that asks; the base address."""
        process = current_process()
        assert process is not None
        name = address or process.name.replace("/", ".").lower()
        while address is None and name in self._hosts and self._hosts[name].process is process:
            name += "x"
        routes = [(route.method, _pattern(route.resource.canonical), route.handler) for route in app.router.routes()]
        self._hosts[name] = Host(process=process, routes=routes)
        return f"http://{name}"

    def host(self, address: str) -> Host:
        return self._hosts[address.removeprefix("http://")]

    async def request(self, url: str, sent: Sent, timeout_s: float) -> SignedAnswer:
        """Send once; raises as `SignedClient.request`."""
        name = url.removeprefix("http://").partition("/")[0]
        host, line = self._hosts.get(name), frozenset((sent.sender, name))
        await asyncio.sleep(self._latency_s())
        refused = self.cut.get(line, self.away.get(name, self.away.get(sent.sender.lower())))
        if host is None or not host.process.alive or refused:
            raise NotSentError("no connection")
        answer: asyncio.Future[tuple[int, Mapping[str, str], bytes]] = self._loop.create_future()
        if refused is None and not self._chance(self._plan.loss):
            self._later(self._travel_s(), self._arrive, name, sent, answer)
        if self._chance(self._plan.duplication):
            self._later(self._random.uniform(*AGAIN_S), self._arrive, name, sent, None)
        try:
            status, headers, body = await asyncio.wait_for(answer, timeout_s)
        except TimeoutError:
            raise OutcomeUnknownError("no answer in time") from None
        kept = Exhibit(direction="in", media_type="message/http", content=body, signer=name)
        return SignedAnswer(status=status, headers=headers, body=body, signer=None, exhibits=(kept,))

    def _chance(self, of: float) -> bool:
        return not self.calm and of > 0 and self._random.random() < of

    def _latency_s(self) -> float:
        return self._random.uniform(0.0005, self._plan.latency_s)

    def _travel_s(self) -> float:
        return self._random.uniform(*LATE_S) if self._chance(self._plan.delay) else self._latency_s()

    def _later(self, delay_s: float, callback: Callable[..., Any], *args: Any) -> None:
        self._loop.call_later(delay_s, callback, *args, context=self._outside)

    def _arrive(self, name: str, sent: Sent, answer: asyncio.Future[Any] | None) -> None:
        host = self._hosts[name]  # whoever listens by now
        if not host.process.alive:
            if answer is not None and not answer.done():
                answer.set_exception(OutcomeUnknownError("the connection broke"))
            return
        host.process.spawn(self._serve(host, sent, answer))

    async def _serve(self, host: Host, sent: Sent, answer: asyncio.Future[Any] | None) -> None:
        response = await self._answered(host, sent)
        said = (response.status, {k.lower(): v for k, v in response.headers.items()}, bytes(response.body or b""))
        self._trace(self._loop.time(), f"{host.process.name} < {sent.method} {sent.path} of {sent.sender}: {said[0]}")
        if answer is not None and not self._chance(self._plan.loss):
            self._later(self._travel_s(), _settle, answer, said)

    async def _answered(self, host: Host, sent: Sent) -> web.Response:
        path = sent.path.partition("?")[0]
        for method, pattern, handler in host.routes:
            match = pattern.fullmatch(path) if method == sent.method else None
            if match is not None:
                request = Request(sent, match.groupdict(), sent.sender)
                try:
                    response = await handler(request)
                except RefusedError as error:
                    return problem_response(error.refusal)
                if host.answered is not None:
                    host.answered(request[EXHIBIT], partial(_answer, response))
                return response
        return web.Response(status=404)


def _answer(response: web.Response) -> Exhibit:
    return Exhibit(direction="out", media_type="message/http", content=bytes(response.body or b""))


def _settle(answer: asyncio.Future[Any], said: Any) -> None:
    if not answer.done():
        answer.set_result(said)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))
