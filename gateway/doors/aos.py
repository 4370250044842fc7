"""The AÖS door: signed ISO 20022 in, 202 out when it is on disk.

Two signatures are checked: the request's (by the server's middleware) and the message's own, which is the evidence
(AOS-S2); both must be AÖS's (AOS-S1). What does not verify changes nothing: it is refused, and the middleware's
`on_refusal` keeps the bytes and tells.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from certs.expectations import STRICT, Expected
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.iso20022 import BusinessHeader, Envelope
from gateway.doors.aos_mapping import Heard, hear, hear_copy
from gateway.ports import Message, Receiver
from gateway.wire.identity import Identity
from gateway.wire.iso_envelope import CONTENT_TYPE, MESSAGES_PATH, Opened, open_signed
from gateway.wire.server import EXHIBIT, RAW_BODY, VERIFIED

__all__ = ["MESSAGES_PATH", "AosDoor", "AosDoorSettings"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AosDoorSettings:
    """Who we and AÖS are on the rail."""

    own_bic: str
    own_address: str  # 12 characters, the prefix of our message ids
    system_bic: str = "NABZAZ2CIPS"
    participant: str = "AOS"
    envelope: Envelope = Envelope.DATA_PDU


class AosDoor:
    """Takes messages from the one participant that may send them."""

    def __init__(
        self,
        receiver: Receiver,
        settings: AosDoorSettings,
        identity: Callable[[], Identity],
        *,
        clock: Callable[[], datetime],
        expected: Expected = STRICT,
    ) -> None:
        self._receiver, self._settings, self._identity, self._clock = receiver, settings, identity, clock
        self._expected = expected

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application behind `signed_http`."""
        return [web.post(MESSAGES_PATH, self.received)]

    async def received(self, request: web.Request) -> web.Response:
        """Record one message and acknowledge it.

        Raises:
            RefusedError: NOT_PERMITTED, CONTENT_TYPE, those of opening and reading, and the noun's own.
        """
        caller = request[VERIFIED].signer.participant
        if caller != self._settings.participant:
            raise refuse(ErrorCode.NOT_PERMITTED, operation="AÖS message", participant=caller)
        if request.content_type != CONTENT_TYPE:
            raise refuse(ErrorCode.CONTENT_TYPE, received=request.content_type, expected=CONTENT_TYPE)
        trust = self._identity().trust
        opened = open_signed(
            request[RAW_BODY],
            trust,
            at=self._clock(),
            participant_of=self._participant_of,
            wrapper=self._settings.envelope,
            expected=self._expected,
        )
        message = opened.read()
        heard = hear_copy(message) if opened.header.copy else hear(message, self._settings.own_address)
        if heard is None:
            _log.info("AÖS message %s changes nothing", opened.header.message_id)
            return _acknowledged(opened, None)
        answer = await self._receiver.receive(self._message(opened, heard, request))
        return _acknowledged(opened, answer.state)

    def _participant_of(self, header: BusinessHeader) -> str:
        """Only AÖS speaks to us here, and only to us."""
        if header.from_bic != self._settings.system_bic or header.to_bic != self._settings.own_bic:
            raise refuse(ErrorCode.PARTICIPANT_MISMATCH, expected=self._settings.system_bic, received=header.from_bic)
        return self._settings.participant

    def _message(self, opened: Opened, heard: Heard, request: web.Request) -> Message:
        return Message(
            source=self._settings.participant,
            id=opened.header.message_id,
            target=heard.target,
            event=heard.event,
            digest=opened.digest,
            exhibits=(request[EXHIBIT],),
        )


def _acknowledged(opened: Opened, state: str | None) -> web.Response:
    return web.json_response({"messageId": opened.header.message_id, "state": state}, status=202)
