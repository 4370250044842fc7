"""HTTP messages as the octets we keep for evidence (`message/http`): start line, fields as they were, body."""

from __future__ import annotations

from certs.http_signature import HttpRequestParts, HttpResponseParts
from gateway.ports import Exhibit

MEDIA_TYPE = "message/http"


def request_octets(parts: HttpRequestParts) -> bytes:
    """The request in HTTP/1.1 form. Its signature can be verified again from these octets alone."""
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return _octets(f"{parts.method} {target} HTTP/1.1", parts.headers, parts.body)


def response_octets(parts: HttpResponseParts) -> bytes:
    """The response in HTTP/1.1 form, without a reason phrase."""
    return _octets(f"HTTP/1.1 {parts.status} ", parts.headers, parts.body)


def exhibit(
    direction: str, content: bytes, *, signer: str | None = None, certificate_sha256: str | None = None
) -> Exhibit:
    """Octets as evidence."""
    return Exhibit(
        direction=direction,
        media_type=MEDIA_TYPE,
        content=content,
        signer=signer,
        certificate_sha256=certificate_sha256,
    )


def _octets(start: str, headers: tuple[tuple[str, str], ...], body: bytes) -> bytes:
    lines = [start, *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + body
