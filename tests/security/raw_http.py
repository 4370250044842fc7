"""HTTP by hand: octets to a socket and what comes back, so that nothing mends an attack on its way."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from certs.http_signature import HttpRequestParts

ANSWER_MAX_S = 30.0
SILENCE_S = 5.0


def octets(parts: HttpRequestParts, *, length: bool = True, host: bool = True) -> bytes:
    """The request as it would lie on the wire, however malformed."""
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{parts.method} {target} HTTP/1.1", *([f"Host: {parts.authority}"] if host else [])]
    lines += [f"{name}: {value}" for name, value in parts.headers]
    lines += [f"Content-Length: {len(parts.body)}"] if length else []
    lines += ["Connection: close", "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + parts.body


async def send(address: str, data: bytes) -> bytes:
    """Everything that is answered, until the server closes or stays silent.

    Raises:
        TimeoutError: neither an answer nor an end within `ANSWER_MAX_S`.
    """
    url = urlsplit(address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        writer.write(data)
        first = await asyncio.wait_for(reader.read(65_536), ANSWER_MAX_S)
        return first + await _rest(reader)
    except (ConnectionResetError, BrokenPipeError):
        return b""
    finally:
        writer.close()


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """What follows until the end: head and body come apart where the machine is busy."""
    rest = b""
    try:
        while more := await asyncio.wait_for(reader.read(1_048_576), SILENCE_S):
            rest += more
    except (TimeoutError, ConnectionResetError):
        pass
    return rest


def statuses(answer: bytes) -> list[int]:
    """The status of every answer in what came back."""
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:] + answer.split(b"HTTP/1.0 ")[1:]]
