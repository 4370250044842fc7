"""The AZIPS door: FIN, which bears no signature but the request's, or signed ISO 20022."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from contracts import mt
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from gateway.doors.azips_mapping import hear, name_of
from gateway.doors.rail import RailDoor, RailDoorSettings, Spoken
from gateway.wire.fin import AZIPS_PATH, FIN_TYPE
from gateway.wire.iso_envelope import CONTENT_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class AzipsDoorSettings(RailDoorSettings):
    """Who we and AZIPS are on its rail."""

    system_bic: str = "NABZAZ2CRTS"
    participant: str = "AZIPS"


class AzipsDoor(RailDoor[AzipsDoorSettings]):
    """See the base."""

    rail, path = "AZIPS", AZIPS_PATH

    def spoken(self, content_type: str, body: bytes) -> Spoken:
        """See the base."""
        if content_type == FIN_TYPE:
            return self._fin(body)
        if content_type != CONTENT_TYPE:
            raise refuse(ErrorCode.CONTENT_TYPE, received=content_type, expected=f"{FIN_TYPE}, {CONTENT_TYPE}")
        opened = self.opened(body)
        heard = hear(opened.read(), self._clock())
        return Spoken(id=opened.header.message_id, digest=opened.digest, heard=heard)

    def _fin(self, body: bytes) -> Spoken:
        message = mt.read(body)
        self.check_way(message.from_bic, message.to_bic)
        return Spoken(id=name_of(message), digest=sha256(body).hexdigest(), heard=hear(message, self._clock()))
