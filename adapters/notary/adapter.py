"""Channel `notary`: a protocol's content in, its sealed container out. About 40 ms of work, done off the event loop."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from adapters.notary.mapping import to_record
from certs import asice
from certs.keystore import Credential
from contracts.errors.refusal import RefusedError
from contracts.protocol import PDF_MEDIA_TYPE, PDF_NAME, XML_MEDIA_TYPE, XML_NAME, build_xml, render_pdf
from gateway.domain.dispatches import Channel, ProtocolContent, SealOrder
from gateway.domain.events.protocol import Sealed
from gateway.ports import Acknowledged, Dispatch, Document, Outcome, Refused
from gateway.wire.identity import Identity

_DIGEST_CHARS = 16  # of the container's digest in its id: drawn up twice, it is two documents


class NotaryAdapter:
    """Draws up and seals.

    Args:
        identity: whose key seals; asked anew for every protocol.
        names: participants' names by code, for the claimant and guarantors.
    """

    channel = Channel.NOTARY.value

    def __init__(
        self, identity: Callable[[], Identity], *, clock: Callable[[], datetime], names: Mapping[str, str] | None = None
    ) -> None:
        self._identity, self._clock, self._names = identity, clock, dict(names or {})

    async def send(self, dispatch: Dispatch) -> Outcome:
        """Seal one protocol. A content that the schema does not take is refused and waits for a person."""
        order: SealOrder = dispatch.body
        now, credential = self._clock(), self._identity().credential
        try:
            container = await asyncio.to_thread(draw_up, order.content, credential, now=now, names=self._names)
        except RefusedError as error:
            facts = "; ".join(f"{name}: {fact}" for name, fact in error.refusal.facts.items())
            return Refused(code=error.refusal.code, reason=facts)
        digest = hashlib.sha256(container).hexdigest()
        document = Document(
            id=f"{order.content.protocol_id}.{digest[:_DIGEST_CHARS]}", media_type=asice.MEDIA_TYPE, content=container
        )
        return Acknowledged(event=Sealed(document_id=document.id, sha256=digest, sealed_at=now), document=document)

    async def close(self) -> None:
        """Nothing is held open."""


def draw_up(content: ProtocolContent, credential: Credential, *, now: datetime, names: Mapping[str, str]) -> bytes:
    """XML and print of one protocol in one sealed container.

    Raises:
        RefusedError: SCHEMA_INVALID, XML_FORBIDDEN: something in the content cannot be written.
    """
    record = to_record(content, issuer=office(credential.certificate), names=names)
    files = {XML_NAME: (XML_MEDIA_TYPE, build_xml(record)), PDF_NAME: (PDF_MEDIA_TYPE, render_pdf(record))}
    return asice.seal(files, credential, now=now)


def office(certificate: x509.Certificate) -> str:
    """The sealing office's name as its certificate gives it: organisation, else common name, else the whole subject."""
    for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME):
        for part in certificate.subject.get_attributes_for_oid(oid):
            return str(part.value)
    return certificate.subject.rfc4514_string()
