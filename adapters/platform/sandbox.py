"""The auction platform as a program of its own: signs and publishes events, takes and verifies signed callbacks.

    platform = PlatformSandbox(settings)
    await platform.start()                       # serves POST {platform.address}/notices
    platform.connect("http://127.0.0.1:8080")    # the gateway's base address
    await platform.play(demo_scenario())
    await platform.close()

It keeps what a careful reader keeps: each notice once by its id, and per subject the one with the highest version, so
that an old notice that comes late never takes a subject back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from adapters.platform.scenario import LotScript, Pause, Publish, Scenario, WaitFor, event_of
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.events.cloudevents import MEDIA_TYPE
from contracts.events.notices import NoticeEvent, parse_notice
from contracts.events.platform import PlatformEvent
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.wire.callbacks import TRY_LATER, problem_of
from gateway.wire.client import SignedAnswer, SignedClient
from gateway.wire.identity import Identity
from gateway.wire.server import RAW_BODY, VERIFIED, Running, serve_app, signed_http

NOTICES_PATH = "/notices"
EVENTS_PATH = "/v1/events"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSandboxSettings:
    """Who the platform is, where it listens, and how patiently it publishes."""

    identity: Callable[[], Identity]
    host: str = "127.0.0.1"
    port: int = 0
    gateway_url: str | None = None  # may be told later by `connect`
    gateway_participant: str = "GATEWAY"
    publish_again_s: float = 0.2  # first pause between two tries; doubles up to `publish_again_max_s`
    publish_again_max_s: float = 10.0
    timeout_s: float = 5.0
    unavailable_times: int = 0  # so many callbacks are answered 503 first


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The gateway has the event on disk."""

    event_id: str
    tries: int
    answer: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationRefused:
    """The gateway's final no."""

    event_id: str
    tries: int
    status: int
    code: str
    detail: str


Publication = Published | PublicationRefused
OnStep = Callable[[str, str], Awaitable[None] | None]
"""Told what a scenario does: lot id, and a line for people."""


class ScenarioFailedError(Exception):
    """A scenario's event was refused; `publication` says why."""

    def __init__(self, publication: PublicationRefused) -> None:
        super().__init__(f"{publication.event_id}: {publication.status} {publication.code} {publication.detail}")
        self.publication = publication


class PlatformSandbox:
    """The program. `answer_next` makes faults: statuses for the next callbacks, before any is taken."""

    def __init__(
        self, settings: PlatformSandboxSettings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings, self._clock = settings, clock
        self.notices: list[NoticeEvent] = []  # every notice once, in the order of arrival
        self.callbacks = 0  # how many came and verified, repetitions included
        self.answer_next: deque[int] = deque([503] * settings.unavailable_times)
        self._seen: set[str] = set()
        self._latest: dict[str, NoticeEvent] = {}
        self._changed = asyncio.Condition()
        self._gateway_url = settings.gateway_url
        self._client = SignedClient(settings.identity, timeout_s=settings.timeout_s, clock=clock)
        self._running: Running | None = None

    @property
    def address(self) -> str:
        """Base URL it listens on."""
        if self._running is None:
            raise RuntimeError("the sandbox is not running")
        return self._running.address

    async def start(self) -> None:
        """Listen for callbacks."""
        signed = signed_http(self._settings.identity, clock=self._clock)
        app = web.Application(middlewares=[signed])
        app.add_routes([web.post(NOTICES_PATH, self._take)])
        self._running = await serve_app(app, self._settings.host, self._settings.port)

    def connect(self, gateway_url: str) -> None:
        """Where events go."""
        self._gateway_url = gateway_url

    async def close(self) -> None:
        """Stop listening and close the connections."""
        await self._client.close()
        if self._running is not None:
            await self._running.close()
            self._running = None

    async def publish(self, event: PlatformEvent) -> Publication:
        """Send an event until the gateway has it or refuses it: the same id and the same bytes at every try."""
        body = orjson.dumps(event.model_dump(mode="json", exclude_none=True))
        pause_s, tries = self._settings.publish_again_s, 0
        while True:
            tries += 1
            answer = await self._try(body)
            if answer is not None and 200 <= answer.status < 300:
                return Published(event_id=event.id, tries=tries, answer=orjson.loads(answer.body))
            if answer is not None and answer.status < 500 and answer.status not in TRY_LATER:
                return _refused(event.id, tries, answer)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._settings.publish_again_max_s)

    def latest(self, subject: str) -> NoticeEvent | None:
        """The newest notice of a subject by version, whatever came last."""
        return self._latest.get(subject)

    def has_been_told(self, kind: str, subject: str, state: str) -> bool:
        """Whether any notice told this state of this subject."""
        return any((n.kind, n.data.subject_id, n.data.state) == (kind, subject, state) for n in self.notices)

    async def wait_for(self, kind: str, subject: str, state: str) -> None:
        """Return once a notice has told it. Put `asyncio.timeout` around for a limit."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.has_been_told(kind, subject, state))

    async def play(self, scenario: Scenario, on_step: OnStep | None = None) -> None:
        """Play all lots of a scenario side by side to their ends.

        Raises:
            ScenarioFailedError: in a group, when the gateway refused an event.
        """
        async with asyncio.TaskGroup() as group:
            for script in scenario.lots:
                group.create_task(self._play_lot(script, on_step))

    async def _play_lot(self, script: LotScript, on_step: OnStep | None) -> None:
        for index, step in enumerate(script.steps):
            match step:
                case Publish():
                    await self._play_event(script, index)
                    said = f"published {step.type}"
                case WaitFor():
                    await self.wait_for(step.kind, step.subject, step.state)
                    said = f"was told {step.kind} {step.subject} {step.state}"
                case Pause():
                    await asyncio.sleep(step.seconds)
                    continue
            if on_step is not None and (told := on_step(script.lot_id, said)) is not None:
                await told

    async def _play_event(self, script: LotScript, index: int) -> None:
        source = self._settings.identity().credential.participant
        publication = await self.publish(event_of(script, index, source=source, now=self._clock()))
        if isinstance(publication, PublicationRefused):
            failed = ScenarioFailedError(publication)
            _log.error("the scenario stops: %s", failed)
            raise failed

    async def _try(self, body: bytes) -> SignedAnswer | None:
        """One attempt; None where it may not have arrived or the answer cannot be believed."""
        if self._gateway_url is None:
            return None
        try:
            return await self._client.request(
                "POST",
                self._gateway_url + EVENTS_PATH,
                body=body,
                content_type=MEDIA_TYPE,
                expected_participant=self._settings.gateway_participant,
            )
        except (NotSentError, OutcomeUnknownError) as error:
            _log.info("event not published yet: %s", error.reason)
            return None

    async def _take(self, request: web.Request) -> web.Response:
        """A callback: signed by the gateway, a notice by the contract, kept once."""
        signer = request[VERIFIED].signer.participant
        if signer != self._settings.gateway_participant:
            raise refuse(ErrorCode.PARTICIPANT_MISMATCH, expected=self._settings.gateway_participant, received=signer)
        notice = parse_notice(request[RAW_BODY])
        if request.headers.get("webhook-id") != notice.id:
            raise refuse(ErrorCode.SCHEMA_INVALID, path="header webhook-id", fault="not the id of the notice")
        self.callbacks += 1
        if self.answer_next:
            return web.Response(status=self.answer_next.popleft())
        await self._keep(notice)
        return web.Response(status=204)

    async def _keep(self, notice: NoticeEvent) -> None:
        async with self._changed:
            if notice.id in self._seen:
                return
            self._seen.add(notice.id)
            self.notices.append(notice)
            known = self._latest.get(notice.data.subject_id)
            if known is None or notice.data.version > known.data.version:
                self._latest[notice.data.subject_id] = notice
            self._changed.notify_all()


def _refused(event_id: str, tries: int, answer: SignedAnswer) -> PublicationRefused:
    code, detail = problem_of(answer)
    return PublicationRefused(event_id=event_id, tries=tries, status=answer.status, code=code, detail=detail)
