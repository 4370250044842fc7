"""`python -m bench.flooder`: one who asks for as much as his connections carry, in a process of his own.

He asks again as soon as he is answered, whatever the answer, and prints what he was answered at the end. Without a
participant his requests are unsigned or badly signed; with one they are signed anew each time, and authentic.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated

import aiohttp
import orjson
from cyclopts import App, Parameter
from yarl import URL

from certs.http_signature import HttpRequestParts, sign_request
from certs.keystore import Credential
from gateway.keys import KeyFolder

app = App(name="bench.flooder", help=__doc__)


class Flood(StrEnum):
    """What he asks."""

    UNSIGNED = "unsigned"  # an event of 4 kB that nobody signed
    BADLY_SIGNED = "badly_signed"  # as a bank, over another body
    QUESTIONS = "questions"  # a bank's own offers: cheap
    FEED = "feed"  # a bank's whole feed: dear


_PATHS = {
    Flood.UNSIGNED: ("POST", "/v1/events"),
    Flood.BADLY_SIGNED: ("POST", "/v1/offers/x.offer/decision"),
    Flood.QUESTIONS: ("GET", "/v1/offers"),
    Flood.FEED: ("GET", "/v1/feed?limit=500"),
}


@dataclass(slots=True)
class Flooder:
    """All his connections."""

    kind: Flood
    gateway: URL
    credential: Credential
    answers: Counter[str] = field(default_factory=Counter)
    _old: tuple[bytes, dict[str, str]] | None = None  # what he says over and over

    async def run(self, connections: int, seconds: float, address: str) -> None:
        """Ask until the time is over."""
        connector = aiohttp.TCPConnector(limit=0, local_addr=(address, 0))
        until = time.monotonic() + seconds
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(30)) as session:
            await asyncio.gather(*(self._keep_asking(session, until) for _ in range(connections)))

    async def _keep_asking(self, session: aiohttp.ClientSession, until: float) -> None:
        while time.monotonic() < until:
            body, headers = self._said()
            method, path = _PATHS[self.kind]
            try:
                target = URL(f"{self.gateway}{path}", encoded=True)
                async with session.request(
                    method, target, data=body or None, headers=headers, skip_auto_headers=("Content-Type",)
                ) as answer:
                    await answer.read()
                    self.answers[str(answer.status)] += 1
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self.answers[type(error).__name__] += 1
                await asyncio.sleep(0.1)

    def _said(self) -> tuple[bytes, dict[str, str]]:
        if self._old is not None:
            return self._old
        body = b"" if _PATHS[self.kind][0] == "GET" else orjson.dumps({"x": "y" * 4000})
        signed = self._signed(body) if self.kind is not Flood.UNSIGNED else {}
        if self.kind in (Flood.UNSIGNED, Flood.BADLY_SIGNED):
            self._old = (body[:-1] + b" " if signed else body), signed
            return self._old
        return body, signed

    def _signed(self, body: bytes) -> dict[str, str]:
        method, path = _PATHS[self.kind]
        bare, _, query = path.partition("?")
        authority = f"{self.gateway.host}:{self.gateway.port}"
        content = (("Content-Type", "application/json"), ("Idempotency-Key", "flood-1")) if body else ()
        parts = HttpRequestParts(method=method, authority=authority, path=bare, query=query, headers=content, body=body)
        fields = sign_request(parts, self.credential, now=datetime.now(UTC), nonce=token_urlsafe(16))
        return dict(parts.with_headers(fields).headers)


@app.default
def main(
    kind: Flood,
    *,
    gateway: Annotated[str, Parameter(help="Base URL of its doors.")],
    keys: Annotated[Path, Parameter(help="Folder of the participant's keys.")],
    connections: int = 200,
    seconds: float = 20.0,
    address: Annotated[str, Parameter(help="Where the connections come from.")] = "127.0.0.1",
) -> None:
    """Flood; print the answers by status."""
    flooder = Flooder(kind, URL(gateway), KeyFolder(directory=keys).identity().credential)
    asyncio.run(flooder.run(connections, seconds, address))
    print(orjson.dumps(flooder.answers).decode())


if __name__ == "__main__":
    app()
