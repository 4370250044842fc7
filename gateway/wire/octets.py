"""HTTP messages as the octets we keep for evidence (`message/http`): start line, fields as they were, body."""

from __future__ import annotations

from certs.http_signature import HttpRequestParts, HttpResponseParts
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from gateway.ports import Exhibit

MEDIA_TYPE = "message/http"


def request_octets(parts: HttpRequestParts) -> bytes:
    """The request in HTTP/1.1 form. Its signature can be verified again from these octets alone."""
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return _octets(f"{parts.method} {target} HTTP/1.1", parts.headers, parts.body)


def response_octets(parts: HttpResponseParts) -> bytes:
    """The response in HTTP/1.1 form, without a reason phrase."""
    return _octets(f"HTTP/1.1 {parts.status} ", parts.headers, parts.body)


def read_message(octets: bytes) -> HttpRequestParts | HttpResponseParts:
    """What `request_octets` and `response_octets` wrote, or anyone's log of an HTTP/1.1 message.

    Lines may end in CR LF or in LF alone; the body is what follows the empty line, to the octet.

    Raises:
        RefusedError: CONTENT_TYPE, not an HTTP message.
    """
    head, end, body = octets.partition(b"\r\n\r\n")
    if not end or b"\n\n" in head:
        head, end, body = octets.partition(b"\n\n")
    start, *lines = head.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
    fields = tuple(
        (name, value.strip(" \t")) for name, colon, value in (line.partition(":") for line in lines) if colon
    )
    words = start.split(" ")
    if not end or len(fields) != len(lines) or len(words) < 2:
        raise refuse(ErrorCode.CONTENT_TYPE, expected=MEDIA_TYPE)
    if words[0].startswith("HTTP/") and words[1].isdecimal():
        return HttpResponseParts(status=int(words[1]), headers=fields, body=body)
    return _request(words, fields, body)


def _request(words: list[str], fields: tuple[tuple[str, str], ...], body: bytes) -> HttpRequestParts:
    if len(words) != 3 or not words[2].startswith("HTTP/"):
        raise refuse(ErrorCode.CONTENT_TYPE, expected=MEDIA_TYPE)
    path, _, query = words[1].partition("?")
    authority = next((value for name, value in fields if name.lower() == "host"), "")
    return HttpRequestParts(method=words[0], authority=authority, path=path, query=query, headers=fields, body=body)


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
