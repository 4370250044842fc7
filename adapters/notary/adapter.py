"""Channel `notary`: a protocol's content in, its sealed container out. About 40 ms of work, done off the event loop.

With an authority of time the seal gets a time-stamp (XAdES-B-T). While the authority is away a protocol waits on the
schedule of delivery, but no longer than it may; then it is sealed without (B-B), and the noun is told why.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import NameOID

from adapters.notary.mapping import to_record
from certs import asice
from certs.keystore import Credential
from contracts.errors.refusal import RefusedError
from contracts.protocol import PDF_MEDIA_TYPE, PDF_NAME, XML_MEDIA_TYPE, XML_NAME, build_xml, render_pdf
from gateway.domain.dispatches import Channel, ProtocolContent, SealOrder
from gateway.domain.events.protocol import Sealed
from gateway.errors import NotSentError, TheirFaultError
from gateway.ports import Acknowledged, Dispatch, Document, NotSent, Outcome, Refused
from gateway.wire.identity import Identity, check_own_end

_DIGEST_CHARS = 16  # of the container's digest in its id: drawn up twice, it is two documents

Stamper = Callable[[bytes], Awaitable[tuple[bytes, datetime]]]
"""A SHA-256 digest in, a verified token over it and the time it states out; or one of `_NO_STAMP`."""
_NO_STAMP = (NotSentError, TheirFaultError, RefusedError)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seal:
    """A sealed container; with a stamp the time it proves, or why there is none though one was asked for."""

    container: bytes
    proven_at: datetime | None = None
    unstamped: str | None = None


class NotaryAdapter:
    """Draws up and seals.

    Args:
        identity: whose key seals; asked anew for every protocol.
        names: participants' names by code, for the claimant and guarantors.
        stamp: the authority of time; without one, nothing is stamped.
        stamp_wait_s: how long after its order a protocol still waits for an authority that gives no stamp.
    """

    channel = Channel.NOTARY.value

    def __init__(
        self,
        identity: Callable[[], Identity],
        *,
        clock: Callable[[], datetime],
        names: Mapping[str, str] | None = None,
        stamp: Stamper | None = None,
        stamp_wait_s: float = 0.0,
    ) -> None:
        self._identity, self._clock, self._names = identity, clock, dict(names or {})
        self._stamp, self._stamp_wait = stamp, timedelta(seconds=stamp_wait_s)

    async def send(self, dispatch: Dispatch) -> Outcome:
        """Seal one protocol. A content that the schema does not take is refused and waits for a person.

        After our certificate's end nothing is sealed: the protocol would be concluded, and nobody would believe it.
        """
        order: SealOrder = dispatch.body
        now, credential = self._clock(), self._identity().credential
        try:
            check_own_end(credential, now)
            container = await asyncio.to_thread(draw_up, order.content, credential, now=now, names=self._names)
        except RefusedError as error:
            facts = "; ".join(f"{name}: {fact}" for name, fact in error.refusal.facts.items())
            return Refused(code=error.refusal.code, reason=facts)
        except NotSentError as error:
            return NotSent(reason=error.reason)
        seal = await self._stamped(container)
        if seal.unstamped is not None and now < dispatch.created_at + self._stamp_wait:
            return NotSent(reason=seal.unstamped)
        return _acknowledged(order.content.protocol_id, seal, now)

    async def _stamped(self, container: bytes) -> _Seal:
        """With a stamp, if there is an authority of time and it gives one that holds."""
        if self._stamp is None:
            return _Seal(container=container)
        try:
            token, moment = await self._stamp(await asyncio.to_thread(asice.imprint, container))
            stamped = await asyncio.to_thread(asice.with_stamp, container, token)
        except _NO_STAMP as error:
            return _Seal(container=container, unstamped=f"no time-stamp: {_said(error)}")
        return _Seal(container=stamped, proven_at=moment)

    async def close(self) -> None:
        """Nothing is held open."""


def _said(error: Exception) -> str:
    return str(error.refusal.code) if isinstance(error, RefusedError) else str(error)


def _acknowledged(protocol_id: str, seal: _Seal, now: datetime) -> Acknowledged:
    digest = hashlib.sha256(seal.container).hexdigest()
    document_id = f"{protocol_id}.{digest[:_DIGEST_CHARS]}"
    event = Sealed(
        document_id=document_id,
        sha256=digest,
        sealed_at=now,
        level="B-B" if seal.proven_at is None else "B-T",
        proven_at=seal.proven_at,
        unstamped=seal.unstamped,
    )
    return Acknowledged(
        event=event, document=Document(id=document_id, media_type=asice.MEDIA_TYPE, content=seal.container)
    )


def draw_up(content: ProtocolContent, credential: Credential, *, now: datetime, names: Mapping[str, str]) -> bytes:
    """XML and print of one protocol in one sealed container.

    Raises:
        RefusedError: SCHEMA_INVALID, XML_FORBIDDEN: something in the content cannot be written.
    """
    record = to_record(content, issuer=office(credential.certificate), names=names)
    xml = build_xml(record)
    files = {XML_NAME: (XML_MEDIA_TYPE, xml), PDF_NAME: (PDF_MEDIA_TYPE, render_pdf(record, xml=xml))}
    return asice.seal(files, credential, now=now)


def office(certificate: x509.Certificate) -> str:
    """The sealing office's name as its certificate gives it: organisation, else common name, else the whole subject."""
    for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME):
        for part in certificate.subject.get_attributes_for_oid(oid):
            return str(part.value)
    return certificate.subject.rfc4514_string()
