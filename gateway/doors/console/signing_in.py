"""Signing in by a link that was made on the gateway's host, once; and out.

Opening the link changes nothing (chat programs and scanners open links too): the person presses the button.
"""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError
from gateway.doors.console.visitor import Visitor, see_other
from gateway.doors.console.visits import SOURCE

PATH = "/sign-in"
LINK_FIELD = "link"
ENCRYPTED = web.AppKey("encrypted", bool)
_USED_UP = frozenset({ErrorCode.NOT_FOUND, ErrorCode.DEADLINE_PASSED, ErrorCode.STATE_CONFLICT})


def cookie_name(*, encrypted: bool) -> str:
    """With the prefix a browser takes the cookie from this host alone, over TLS alone."""
    return "__Host-eherrac-console" if encrypted else "eherrac-console"


async def ask(visitor: Visitor) -> web.StreamResponse:
    """Who is to be signed in, and a button."""
    secret = visitor.asked(LINK_FIELD)
    visit = await visitor.desk.visits.invited(secret) if secret else None
    if visit is None:
        return await _refused(visitor, noted=bool(secret))
    return visitor.page("sign_in.html", visit=visit, secret=secret)


async def sign_in(visitor: Visitor) -> web.StreamResponse:
    """The link is used up; the browser gets the session's secret."""
    try:
        secret = await visitor.desk.visits.sign_in(visitor.form.get(LINK_FIELD, ""))
    except RefusedError as error:
        if error.refusal.code not in _USED_UP:
            raise
        return await _refused(visitor, noted=True)
    encrypted = visitor.request.app[ENCRYPTED]
    response = see_other("/")
    response.set_cookie(
        cookie_name(encrypted=encrypted), secret, path="/", httponly=True, secure=encrypted, samesite="Strict"
    )
    return response


async def sign_out(visitor: Visitor) -> web.StreamResponse:
    """The visit is over, for every replica at once."""
    await visitor.desk.visits.sign_out(visitor.who)
    response = see_other(PATH)
    encrypted = visitor.request.app[ENCRYPTED]
    response.del_cookie(cookie_name(encrypted=encrypted), path="/", httponly=True, secure=encrypted, samesite="Strict")
    return response


async def _refused(visitor: Visitor, *, noted: bool) -> web.StreamResponse:
    if noted:
        facts = {"operation": PATH, "what": visitor.request.remote or ""}
        await visitor.desk.engine.record_refusal(SOURCE, PATH, Refusal(code=ErrorCode.NOT_PERMITTED, facts=facts))
    return visitor.message("link_used" if noted else "sign_in", HTTPStatus.FORBIDDEN)
