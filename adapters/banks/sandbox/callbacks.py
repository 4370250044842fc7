"""The bank's callback endpoint: verifies the gateway's signature, takes each notice once, answers signed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from adapters.banks.adapter import Transport
from adapters.banks.sandbox.settings import BankSandboxSettings, CallbackFault
from certs.trust import Verified
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.events.cloudevents import MEDIA_TYPE
from contracts.events.notices import parse_notice
from contracts.soap.description import Service
from contracts.soap.model import Notice, Notify, NotifyResponse
from contracts.soap.notices import notice_element
from gateway.domain.clock import format_instant
from gateway.ports import Exhibit
from gateway.wire.server import RAW_BODY, VERIFIED, signed_http
from gateway.wire.soap_server import Offered, SoapEndpoint, SoapLimits

CALLBACK_PATH = "/callback"
_FAULTS = {CallbackFault.BUSY: ErrorCode.OVERLOADED, CallbackFault.REFUSING: ErrorCode.NOT_PERMITTED}


class Callbacks:
    """Both transports; the settings say which one this bank speaks. `fault` may be changed at any time."""

    def __init__(
        self,
        settings: BankSandboxSettings,
        take: Callable[[Notice], None],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings, self._take, self._clock = settings, take, clock
        self.fault = settings.callback_fault

    def app(self) -> web.Application:
        """The application to serve."""
        if self._settings.transport is Transport.SOAP:
            app = web.Application(middlewares=[self._spoil])
            app.add_routes(self._soap().routes(CALLBACK_PATH))
            return app
        signed = signed_http(self._settings.identity, clock=self._clock)
        app = web.Application(middlewares=[self._spoil, signed])
        app.add_routes([web.post(CALLBACK_PATH, self._rest)])
        return app

    def _soap(self) -> SoapEndpoint[Verified]:
        offered = Offered(
            service=Service.CALLBACK, requests={"Notify": Notify}, admit=self._admit, perform=self._notified
        )
        return SoapEndpoint(offered, self._settings.identity, clock=self._clock, limits=SoapLimits())

    def _admit(self, verified: Verified, _: Exhibit) -> Verified:
        if verified.signer.participant != self._settings.gateway_participant:
            raise refuse(ErrorCode.NOT_PERMITTED, operation="Notify", participant=verified.signer.participant)
        return verified

    async def _notified(self, message: Notify, _: Verified) -> NotifyResponse:
        self._accept(message.message_id, message.notice)
        return NotifyResponse(in_reply_to=message.message_id, received_at=self._clock())

    async def _rest(self, request: web.Request) -> web.Response:
        caller = request[VERIFIED].signer.participant
        if caller != self._settings.gateway_participant:
            raise refuse(ErrorCode.NOT_PERMITTED, operation="callback", participant=caller)
        if request.content_type != MEDIA_TYPE:
            raise refuse(ErrorCode.CONTENT_TYPE, received=request.content_type, expected=MEDIA_TYPE)
        notice = notice_element(parse_notice(request[RAW_BODY]))
        self._accept(request.headers.get("webhook-id", ""), notice)
        body = orjson.dumps({"id": notice.id, "receivedAt": format_instant(self._clock())})
        return web.Response(body=body, content_type="application/json")

    def _accept(self, message_id: str, notice: Notice) -> None:
        code = _FAULTS.get(self.fault)
        if code is not None:
            raise refuse(code, operation="callback", participant=self._settings.gateway_participant)
        if message_id != notice.id:
            raise refuse(ErrorCode.ID_CONFLICT, id=message_id)
        self._take(notice)

    @web.middleware
    async def _spoil(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if self.fault is CallbackFault.UNSIGNED:
            return web.Response(text="OK")
        return response
