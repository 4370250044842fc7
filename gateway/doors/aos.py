"""The AÖS door: signed ISO 20022."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.iso20022 import Envelope
from gateway.doors.aos_mapping import hear, hear_copy
from gateway.doors.rail import RailDoor, RailDoorSettings, Spoken
from gateway.wire.iso_envelope import CONTENT_TYPE, MESSAGES_PATH

__all__ = ["MESSAGES_PATH", "AosDoor", "AosDoorSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AosDoorSettings(RailDoorSettings):
    """Who we and AÖS are on the rail."""

    own_address: str  # 12 characters, the prefix of our message ids
    system_bic: str = "NABZAZ2CIPS"
    participant: str = "AOS"
    envelope: Envelope = Envelope.DATA_PDU


class AosDoor(RailDoor[AosDoorSettings]):
    """See the base."""

    rail, path = "AÖS", MESSAGES_PATH

    def spoken(self, content_type: str, body: bytes) -> Spoken:
        """See the base."""
        if content_type != CONTENT_TYPE:
            raise refuse(ErrorCode.CONTENT_TYPE, received=content_type, expected=CONTENT_TYPE)
        opened = self.opened(body, self._settings.envelope)
        message = opened.read()
        heard = hear_copy(message) if opened.header.copy else hear(message, self._settings.own_address)
        return Spoken(id=opened.header.message_id, digest=opened.digest, heard=heard)
