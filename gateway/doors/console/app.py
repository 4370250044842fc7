"""The console's application: its pages, who may see which, and what happens before any of them."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib import resources

from aiohttp import web
from aiohttp.typedefs import Handler

from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError
from gateway.domain.visit import Role
from gateway.doors.console import alarms, deliveries, lots, noun, refusals, search, signing_in, situation_page, waiting
from gateway.doors.console.desk import Desk
from gateway.doors.console.protection import NamesOfOurs, Tries, comes_from_us, tell_browser
from gateway.doors.console.signing_in import cookie_name
from gateway.doors.console.visitor import LANGUAGE_COOKIE, LIVE, Visitor, render, see_other
from gateway.doors.console.visits import SOURCE, Presence
from gateway.doors.console.words import LANGUAGES
from gateway.store.errors import StoreError

FORM_TOKEN = "form_token"  # noqa: S105 - the field's name
FORM_MAX_S = 15.0  # from a form's head to its end; as at every other door
_FORM_MAX_BYTES = 16_384
_LANGUAGE_S = 31_536_000
_STATIC = {"console.css": "text/css", "live.js": "text/javascript"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A page, or something a person does. Without a role nobody need be signed in."""

    method: str
    path: str
    role: Role | None
    handler: Callable[[Visitor], Awaitable[web.StreamResponse]]


ROUTES = (
    Route(method="GET", path="/", role=Role.VIEWER, handler=situation_page.show),
    Route(method="GET", path="/alarms", role=Role.VIEWER, handler=alarms.show),
    Route(method="GET", path="/refusals", role=Role.VIEWER, handler=refusals.show_all),
    Route(method="GET", path="/refusals/refusal", role=Role.VIEWER, handler=refusals.show),
    Route(method="GET", path="/lots", role=Role.VIEWER, handler=lots.show_all),
    Route(method="GET", path="/lots/lot", role=Role.VIEWER, handler=lots.show),
    Route(method="GET", path="/nouns/noun", role=Role.VIEWER, handler=noun.show),
    Route(method="GET", path="/find", role=Role.VIEWER, handler=search.show),
    Route(method="GET", path="/evidence", role=Role.VIEWER, handler=lots.evidence),
    Route(method="GET", path="/deliveries/delivery", role=Role.VIEWER, handler=deliveries.show),
    Route(method="GET", path="/recipients/recipient", role=Role.VIEWER, handler=deliveries.recipient),
    Route(method="GET", path="/waiting", role=Role.VIEWER, handler=waiting.show),
    Route(method="GET", path="/waiting/delivery", role=Role.VIEWER, handler=waiting.delivery),
    Route(method="GET", path="/waiting/recipient", role=Role.VIEWER, handler=waiting.recipient),
    Route(method="POST", path="/waiting/retry-recipient", role=Role.OPERATOR, handler=waiting.retry_recipient),
    Route(method="POST", path="/waiting/retry", role=Role.OPERATOR, handler=waiting.retry),
    Route(method="POST", path="/waiting/discard", role=Role.OPERATOR, handler=waiting.discard),
    Route(method="GET", path=signing_in.PATH, role=None, handler=signing_in.ask),
    Route(method="POST", path=signing_in.PATH, role=None, handler=signing_in.sign_in),
    Route(method="POST", path="/sign-out", role=Role.VIEWER, handler=signing_in.sign_out),
)


def console_app(desk: Desk, *, host: str, names: tuple[str, ...], encrypted: bool) -> web.Application:
    """The application.

    Args:
        host: where it will listen, which is a name of ours too.
        encrypted: whether browsers reach it by https, so that cookies may say so.
    """
    door = _Door(desk, NamesOfOurs(host, names), Tries(desk.clock), cookie_name(encrypted=encrypted))
    app = web.Application(middlewares=[door.watch], client_max_size=_FORM_MAX_BYTES)
    app[signing_in.ENCRYPTED] = encrypted
    app.on_response_prepare.append(tell_browser(encrypted=encrypted))
    app.add_routes([web.route(route.method, route.path, door.guarded(route)) for route in ROUTES])
    app.router.add_get("/static/{name}", _static)
    return app


class _Door:
    """What every request passes."""

    def __init__(self, desk: Desk, names: NamesOfOurs, tries: Tries, cookie: str) -> None:
        self._desk, self._names, self._tries, self._cookie = desk, names, tries, cookie

    @web.middleware
    async def watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Names and origins before anything is done; failures told without anything of our inside."""
        if not self._names.answers(request.host):
            return web.Response(status=HTTPStatus.MISDIRECTED_REQUEST, text=f"{request.host[:100]!r} is not our name\n")
        if request.method == "POST" and not comes_from_us(request):
            return self._say(request, "foreign", HTTPStatus.FORBIDDEN)
        try:
            return await handler(request)
        except web.HTTPException as error:
            return self._told(request, error)
        except Exception as error:
            return self._say(request, *_failure(request, error))

    def guarded(self, route: Route) -> Handler:
        """The handler behind its guard."""

        async def handle(request: web.Request) -> web.StreamResponse:
            if route.method == "GET" and request.query.get("lang") in LANGUAGES:
                return self._in_language(request)
            if route.role is None:
                return await self._anybody(request, route)
            return await self._somebody(request, route, route.role)

        return handle

    async def _anybody(self, request: web.Request, route: Route) -> web.StreamResponse:
        if not self._tries.take(request.remote or ""):
            response = self._say(request, "too_often", HTTPStatus.TOO_MANY_REQUESTS)
            response.headers["Retry-After"] = "60"
            return response
        return await route.handler(await self._visitor(request, None))

    async def _somebody(self, request: web.Request, route: Route, role: Role) -> web.StreamResponse:
        presence = await self._desk.visits.present(request.cookies.get(self._cookie, ""))
        if presence is None:
            return self._say(request, _unknown(request, self._cookie), HTTPStatus.UNAUTHORIZED)
        if not presence.may(role):
            await self._note(presence, request, "role")
            return self._say(request, "not_permitted", HTTPStatus.FORBIDDEN, presence)
        visitor = await self._visitor(request, presence)
        if route.method == "POST" and not _bears_token(visitor):
            await self._note(presence, request, "form")
            return self._say(request, "foreign", HTTPStatus.FORBIDDEN, presence)
        if LIVE not in request.query:
            await self._desk.visits.note_activity(presence)
        return await route.handler(visitor)

    async def _visitor(self, request: web.Request, presence: Presence | None) -> Visitor:
        posted = await _posted(request) if request.method == "POST" else {}
        form = {name: value for name, value in posted.items() if isinstance(value, str)}
        return Visitor(request=request, desk=self._desk, presence=presence, form=form, now=self._desk.clock())

    async def _note(self, presence: Presence, request: web.Request, why: str) -> None:
        """What somebody signed in tried and may not is a refusal like any other."""
        done = f"{request.method} {request.path}"
        facts = {"operation": done, "what": why, "participant": presence.person}
        await self._desk.engine.record_refusal(SOURCE, done, Refusal(code=ErrorCode.NOT_PERMITTED, facts=facts))

    def _in_language(self, request: web.Request) -> web.StreamResponse:
        """The same page; its path is one of ours, since it has a handler."""
        rest = {name: value for name, value in request.query.items() if name != "lang"}
        response = see_other(str(request.rel_url.with_query(rest)))
        language = request.query["lang"]
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=_LANGUAGE_S, httponly=True, samesite="Strict")
        return response

    def _told(self, request: web.Request, error: web.HTTPException) -> web.StreamResponse:
        keys = {404: "not_found", 405: "not_found", 408: "too_slow", 413: "too_large"}
        return self._say(request, keys.get(error.status, "broken"), error.status)

    def _say(self, request: web.Request, key: str, status: int, presence: Presence | None = None) -> web.Response:
        now = self._desk.clock()
        return render(request, self._desk, presence, "message.html", status=status, now=now, key=key)


def _failure(request: web.Request, error: Exception) -> tuple[str, int]:
    """What is said of a failure, and its status."""
    refused = error.refusal.code if isinstance(error, RefusedError) else None
    if isinstance(error, StoreError) or refused in (ErrorCode.STORE_UNAVAILABLE, ErrorCode.OVERLOADED):
        return "store_away", HTTPStatus.SERVICE_UNAVAILABLE
    if refused is not None:
        return "overtaken", HTTPStatus.CONFLICT
    _log.error("the console failed at %s", request.path, exc_info=error)
    return "broken", HTTPStatus.INTERNAL_SERVER_ERROR


async def _posted(request: web.Request) -> Mapping[str, object]:
    """The form. Raises HTTPRequestTimeout, HTTPRequestEntityTooLarge."""
    try:
        async with asyncio.timeout(FORM_MAX_S):
            return await request.post()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


def _unknown(request: web.Request, cookie: str) -> str:
    """What is said to who is not signed in: whoever was a moment ago shall know whether the last press counted."""
    if cookie not in request.cookies:
        return "sign_in"
    return "visit_over" if request.method == "GET" else "visit_over_form"


def _bears_token(visitor: Visitor) -> bool:
    wanted = visitor.who.form_token(visitor.request.path)
    return hmac.compare_digest(visitor.form.get(FORM_TOKEN, "").encode(), wanted.encode())


async def _static(request: web.Request) -> web.Response:
    """Style and script; nothing else is in the folder that may be asked for."""
    name = request.match_info["name"]
    if name not in _STATIC:
        raise web.HTTPNotFound
    content = resources.files("gateway.doors.console").joinpath("static", name).read_bytes()
    return web.Response(body=content, content_type=_STATIC[name], charset="utf-8")
