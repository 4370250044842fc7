"""The door of a rail: what its one participant says goes to the engine; 202 when it is on disk.

The request's signature was checked by the server's middleware, an ISO message's own is checked here and is the evidence
(AOS-S2); both must be the rail's (AOS-S1). What does not verify changes nothing: it is refused, and the middleware's
`on_refusal` keeps the bytes and tells. What a rail says, and what that means, is its own door's.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from aiohttp import web

from certs.expectations import STRICT, Expected
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.iso20022 import BusinessHeader, Envelope
from gateway.doors.heard import Heard
from gateway.ports import Message, Receiver
from gateway.wire.identity import Identity
from gateway.wire.iso_envelope import Opened, open_signed
from gateway.wire.server import EXHIBIT, RAW_BODY, VERIFIED

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RailDoorSettings:
    """Who we and the rail are on it."""

    own_bic: str
    system_bic: str
    participant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One message: its own id, its digest, and what it means; None where it changes nothing."""

    id: str
    digest: str
    heard: Heard | None


Settings = TypeVar("Settings", bound=RailDoorSettings)


class RailDoor(ABC, Generic[Settings]):
    """Takes messages from the one participant that may send them."""

    rail: ClassVar[str]
    path: ClassVar[str]

    def __init__(
        self,
        receiver: Receiver,
        settings: Settings,
        identity: Callable[[], Identity],
        *,
        clock: Callable[[], datetime],
        expected: Expected = STRICT,
    ) -> None:
        self._receiver, self._settings, self._identity, self._clock = receiver, settings, identity, clock
        self._expected = expected

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application behind `signed_http`."""
        return [web.post(self.path, self.received)]

    async def received(self, request: web.Request) -> web.Response:
        """Record one message and acknowledge it.

        Raises:
            RefusedError: NOT_PERMITTED, those of `spoken`, and the noun's own.
        """
        participant, caller = self._settings.participant, request[VERIFIED].signer.participant
        if caller != participant:
            raise refuse(ErrorCode.NOT_PERMITTED, operation=f"{self.rail} message", participant=caller)
        spoken = self.spoken(request.content_type, request[RAW_BODY])
        if spoken.heard is None:
            _log.info("%s message %s changes nothing", self.rail, spoken.id)
            return _acknowledged(spoken, None)
        message = Message(
            source=participant,
            id=spoken.id,
            target=spoken.heard.target,
            event=spoken.heard.event,
            digest=spoken.digest,
            exhibits=(request[EXHIBIT],),
        )
        return _acknowledged(spoken, (await self._receiver.receive(message)).state)

    @abstractmethod
    def spoken(self, content_type: str, body: bytes) -> Spoken:
        """Verify and read what came.

        Raises:
            RefusedError: CONTENT_TYPE, PARTICIPANT_MISMATCH, those of opening, reading and hearing.
        """

    def opened(self, body: bytes, wrapper: Envelope = Envelope.DATA_PDU) -> Opened:
        """An ISO message with the rail's own signature."""
        return open_signed(
            body,
            self._identity().trust,
            at=self._clock(),
            participant_of=self._participant_of,
            wrapper=wrapper,
            expected=self._expected,
        )

    def check_way(self, from_bic: str, to_bic: str) -> None:
        """Only the rail speaks to us here, and only to us."""
        if (from_bic, to_bic) != (self._settings.system_bic, self._settings.own_bic):
            raise refuse(ErrorCode.PARTICIPANT_MISMATCH, expected=self._settings.system_bic, received=from_bic)

    def _participant_of(self, header: BusinessHeader) -> str:
        self.check_way(header.from_bic, header.to_bic)
        return self._settings.participant


def _acknowledged(spoken: Spoken, state: str | None) -> web.Response:
    return web.json_response({"messageId": spoken.id, "state": state}, status=202)
