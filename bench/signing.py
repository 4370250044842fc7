"""Signing on the event loop and in two threads beside it: `python -m bench.signing` (ADR 10).

So many signed SOAP requests a second come to one loop; each is verified and answered by a signed envelope, on the loop
or with the answer made in one of two threads. Printed, for each kind of key: CPU a message, how long a message takes,
and how late a timer of the same loop is, which is what everything else on it feels.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

from cyclopts import App, Parameter

from bench.books import Spread
from certs.authority import Authority
from certs.keystore import Credential
from certs.trust import TrustStore
from certs.wss import sign_envelope, verify_envelope
from contracts.soap.codec import write
from contracts.soap.envelope import to_bytes, wrap
from contracts.soap.model import ListOffers
from contracts.soap.names import SoapVersion
from contracts.xml import parse_xml

KEYS = {"rsa": "RSA-2048", "rsa3072": "RSA-3072", "p256": "P-256"}
_TICK_S = 0.002
_PASSES = 3  # by turns, so that other work on the machine falls on all of them

app = App(name="bench.signing", help=__doc__)


@dataclass(slots=True, kw_only=True)
class Measured:
    """All passes of one key in one way."""

    cpu_s: float = 0.0
    waits_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)

    @property
    def cpu_us(self) -> float:
        """CPU of one message, all threads."""
        return self.cpu_s / len(self.waits_s) * 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Takes signed requests and answers by a key."""

    credential: Credential
    trust: TrustStore
    request: bytes
    threads: Executor | None

    async def take(self, measured: Measured) -> None:
        """One message."""
        began = time.perf_counter()
        verify_envelope(parse_xml(self.request), self.trust, at=datetime.now(UTC))
        answer = partial(_signed, self.credential)
        if self.threads is None:
            answer()
        else:
            await asyncio.get_running_loop().run_in_executor(self.threads, answer)
        measured.waits_s.append(time.perf_counter() - began)


def _signed(credential: Credential) -> bytes:
    envelope = wrap(SoapVersion.V11, write(ListOffers(message_id="bench-1")))
    sign_envelope(envelope, credential, now=datetime.now(UTC))
    return to_bytes(envelope)


async def play(door: Door, measured: Measured, *, messages: int, rate: float) -> None:
    """So many messages at so many a second."""
    late = asyncio.create_task(_watch(measured))
    cpu_s, began = time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as taken:
        for number in range(messages):
            taken.create_task(door.take(measured))
            await asyncio.sleep(max(0.0, began + (number + 1) / rate - time.perf_counter()))
    measured.cpu_s += time.process_time() - cpu_s
    late.cancel()
    with suppress(asyncio.CancelledError):
        await late


async def _watch(measured: Measured) -> None:
    while True:
        due = time.perf_counter() + _TICK_S
        await asyncio.sleep(_TICK_S)
        measured.late_s.append(time.perf_counter() - due)


@app.default
def main(
    *,
    messages: Annotated[int, Parameter(help="Of each key, way and pass.")] = 600,
    rate: Annotated[float, Parameter(help="Messages a second.")] = 200.0,
) -> None:
    """Measure and print a table."""
    now = datetime.now(UTC)
    authority = Authority.create(now - timedelta(days=1))
    keys = {kind: authority.issue("999101", "Bank", key=kind, now=now - timedelta(hours=1)) for kind in KEYS}
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(now)]
    )
    request = _signed(keys["rsa"])
    with ThreadPoolExecutor(max_workers=2) as threads:
        ways = {"on the loop": None, "two threads": threads}
        rows = {(kind, way): Measured() for kind in KEYS for way in ways}
        for _ in range(_PASSES):
            for (kind, way), measured in rows.items():
                door = Door(credential=keys[kind], trust=trust, request=request, threads=ways[way])
                asyncio.run(play(door, measured, messages=messages, rate=rate))
    print(f"\nverified and answered over SOAP, {rate:.0f} a second: p50 / p95 / p99")
    for (kind, way), measured in rows.items():
        print(f"  {KEYS[kind]:<10}{way:<13}{measured.cpu_us:>6.0f} µs CPU   ", end="")
        print(f"a message {Spread.of(measured.waits_s)}   a timer late {Spread.of(measured.late_s)}")


if __name__ == "__main__":
    app()
