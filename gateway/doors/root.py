"""What all doors share in their one application: notes of refusals, and an answer where no door is."""

from __future__ import annotations

import hashlib

from aiohttp import web
from aiohttp.typedefs import Handler

from contracts.errors import ErrorCode, Refusal
from gateway.doors.means import NoteRefusal
from gateway.wire.server import VERIFIED, OnRefusal, problem_response


def noting(note: NoteRefusal) -> OnRefusal:
    """A middleware's refusals as journal lines."""

    async def on_refusal(request: web.Request, refusal: Refusal, body: bytes | None) -> None:
        verified = request.get(VERIFIED)
        source = None if verified is None else verified.signer.participant
        await note(source, request.path, refusal, None if body is None else hashlib.sha256(body).hexdigest())

    return on_refusal


@web.middleware
async def unknown_paths(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Paths that no door has answer with a problem document too."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        refusal, headers = Refusal(code=ErrorCode.NOT_FOUND, facts={"path": request.path}), {}
    except web.HTTPMethodNotAllowed as error:
        headers = {"Allow": error.headers["Allow"]}
        facts = {"method": request.method, "allowed": error.headers["Allow"]}
        refusal = Refusal(code=ErrorCode.METHOD_NOT_ALLOWED, facts=facts)
    response = problem_response(refusal, request.headers.get("Accept-Language", ""))
    response.headers.update(headers)
    return response
