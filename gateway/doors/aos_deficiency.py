"""What came from AÖS and does not verify, handed to the engine as a deficiency with the bytes as evidence (AOS-S2)."""

from __future__ import annotations

from hashlib import sha256

from aiohttp import web

from contracts.errors import Refusal
from gateway.domain.deficiency import NOT_VERIFYING, Found, deficiency_id
from gateway.ports import Exhibit, Message, Receiver, Target
from gateway.wire.octets import exhibit, request_octets
from gateway.wire.server import request_parts


class Deficiencies:
    """Takes refusals at the AÖS door, and answers of AÖS that the adapter could not believe."""

    def __init__(self, receiver: Receiver, *, participant: str) -> None:
        self._receiver, self._participant = receiver, participant

    async def refused(self, request: web.Request, refusal: Refusal, body: bytes | None) -> None:
        """A request to the AÖS door was refused: a deficiency if its signatures were the reason."""
        octets = request_octets(request_parts(request, body or b""))
        await self.note(refusal, f"{request.method} {request.path}", exhibit("in", octets), identity=body)

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
