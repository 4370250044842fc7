"""The AZIPS door: FIN or ISO 20022 in, 202 out when it is on disk.

FIN bears no signature of its own, so the HTTP request's is the evidence; an ISO message is verified by its own as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from aiohttp import web

from certs.expectations import STRICT, Expected
from contracts import mt
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.iso20022 import BusinessHeader
from gateway.doors.azips_mapping import hear
from gateway.ports import Message, Receiver
from gateway.wire.fin import AZIPS_PATH, FIN_TYPE
from gateway.wire.identity import Identity
from gateway.wire.iso_envelope import CONTENT_TYPE, open_signed
from gateway.wire.server import EXHIBIT, RAW_BODY, VERIFIED


@dataclass(frozen=True, slots=True, kw_only=True)
class AzipsDoorSettings:
    """Who we and AZIPS are on its rail."""

    own_bic: str
    azips_bic: str = "NABZAZ2CRTS"
    participant: str = "AZIPS"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """One message: its own id, its digest, and what it says."""

    id: str
    digest: str
    message: Any


class AzipsDoor:
    """Takes messages from the one participant that may send them."""

    def __init__(
        self,
        receiver: Receiver,
        settings: AzipsDoorSettings,
        identity: Callable[[], Identity],
        *,
        clock: Callable[[], datetime],
        expected: Expected = STRICT,
    ) -> None:
        self._receiver, self._settings, self._identity, self._clock = receiver, settings, identity, clock
        self._expected = expected

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application behind `signed_http`."""
        return [web.post(AZIPS_PATH, self.received)]

    async def received(self, request: web.Request) -> web.Response:
        """Record one message and acknowledge it.

        Raises:
            RefusedError: NOT_PERMITTED, CONTENT_TYPE, those of reading, and the noun's own.
        """
        settings = self._settings
        caller = request[VERIFIED].signer.participant
        if caller != settings.participant:
            raise refuse(ErrorCode.NOT_PERMITTED, operation="AZIPS message", participant=caller)
        opened = self._opened(request)
        heard = hear(opened.message, self._clock())
        state = None
        if heard is not None:
            message = Message(
                source=settings.participant,
                id=opened.id,
                target=heard.target,
                event=heard.event,
                digest=opened.digest,
                exhibits=(request[EXHIBIT],),
            )
            state = (await self._receiver.receive(message)).state
        return web.json_response({"messageId": opened.id, "state": state}, status=202)

    def _opened(self, request: web.Request) -> _Opened:
        data: bytes = request[RAW_BODY]
        if request.content_type == FIN_TYPE:
            message = mt.read(data)
            if (message.from_bic, message.to_bic) != (self._settings.azips_bic, self._settings.own_bic):
                raise refuse(ErrorCode.PARTICIPANT_MISMATCH, received=message.from_bic)
            name = f"{type(message).__name__}.{message.reference}"
            return _Opened(id=name, digest=sha256(data).hexdigest(), message=message)
        if request.content_type != CONTENT_TYPE:
            raise refuse(ErrorCode.CONTENT_TYPE, received=request.content_type, expected=f"{FIN_TYPE}, {CONTENT_TYPE}")
        trust, at = self._identity().trust, self._clock()
        sealed = open_signed(data, trust, at=at, participant_of=self._participant_of, expected=self._expected)
        return _Opened(id=sealed.header.message_id, digest=sealed.digest, message=sealed.read())

    def _participant_of(self, header: BusinessHeader) -> str:
        if (header.from_bic, header.to_bic) != (self._settings.azips_bic, self._settings.own_bic):
            raise refuse(ErrorCode.PARTICIPANT_MISMATCH, received=header.from_bic)
        return self._settings.participant
