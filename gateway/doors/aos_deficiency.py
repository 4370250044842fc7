"""What came from AÖS and does not verify, handed to the engine as a deficiency with the bytes as evidence (AOS-S2).

Whatever AÖS's own channel brought is reported, each at once. What anybody else threw at the door is reported as far as
a quota goes, else a stranger could make us flood the central bank and fill the disk: beyond it there is the journal's
line of the refusal, as for every refusal, and an alarm.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

import structlog
from aiohttp import web

from contracts.errors import Refusal
from gateway.domain.deficiency import NOT_VERIFYING, Found, deficiency_id
from gateway.domain.quota import Bucket, QuotaPolicy, take
from gateway.ports import Exhibit, Message, Receiver, Target
from gateway.wire.octets import exhibit, request_octets
from gateway.wire.server import VERIFIED, request_parts

STRANGERS = QuotaPolicy(rate_per_s=0.1, burst=60)  # reports a second about what did not come by AÖS's channel

_log = structlog.get_logger(__name__)


class Deficiencies:
    """Takes refusals at the AÖS door, and answers of AÖS that the adapter could not believe."""

    def __init__(self, receiver: Receiver, *, participant: str, clock: Callable[[], datetime]) -> None:
        self._receiver, self._participant, self._clock = receiver, participant, clock
        self._strangers: Bucket | None = None

    async def refused(self, request: web.Request, refusal: Refusal, body: bytes | None) -> None:
        """A request to the AÖS door was refused: a deficiency if its signatures were the reason."""
        if refusal.code not in NOT_VERIFYING:  # what is shed must cost nothing
            return
        if not self._is_reported(request):
            _log.error("alarm", alarm="DEFICIENCIES_TOO_MANY", facts={"code": refusal.code})
            return
        octets = request_octets(request_parts(request, body or b""))
        await self.note(refusal, f"{request.method} {request.path}", exhibit("in", octets), identity=body)

    def _is_reported(self, request: web.Request) -> bool:
        verified = request.get(VERIFIED)
        if verified is not None and verified.signer.participant == self._participant:
            return True
        self._strangers, wait = take(self._strangers, STRANGERS, self._clock())
        return wait is None

    async def disbelieved(self, refusal: Refusal, what: str, exhibits: tuple[Exhibit, ...]) -> None:
        """An answer of AÖS was not verifiable; the last exhibit is the answer."""
        await self.note(refusal, what, exhibits[-1])

    async def note(self, refusal: Refusal, what: str, kept: Exhibit, *, identity: bytes | None = None) -> None:
        """Hand it over, unless another reason than a signature was behind the refusal.

        Args:
            identity: what makes two of them the same; the kept octets where nothing else is given.
        """
        if refusal.code not in NOT_VERIFYING:
            return
        digest = sha256(kept.content if identity is None else identity).hexdigest()
        id = deficiency_id(refusal, digest)
        await self._receiver.receive(
            Message(
                source=self._participant,
                id=id,
                target=Target(noun="deficiency", id=id),
                event=Found(code=refusal.code, what=what, sha256=digest, facts=refusal.facts),
                digest=digest,
                exhibits=(kept,),
            )
        )
