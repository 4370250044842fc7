"""Where signatures are made: on the loop with a key in memory, in a thread with a device (ADR 10)."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime

import pytest

from certs.authority import Authority
from certs.keystore import Credential
from gateway.wire.identity import signing

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


class Device:
    """A key that signs elsewhere."""

    def sign_message(self, data: bytes) -> bytes:
        return data


def credential_of(kind: str) -> Credential:
    issued = Authority.create(NOW).issue("GATEWAY", "Qapı", key="p256" if kind == "device" else kind, now=NOW)
    return Credential(issued.certificate, issued.chain, Device()) if kind == "device" else issued


@pytest.mark.parametrize(
    ("kind", "place"), [("rsa", "loop"), ("p256", "loop"), ("rsa3072", "loop"), ("device", "thread")]
)
def test_a_device_leaves_the_loop_free_and_a_key_in_memory_signs_on_it(kind: str, place: str) -> None:
    async def where() -> str:
        name = await signing(credential_of(kind), lambda: threading.current_thread().name)
        return "thread" if name.startswith("signing") else "loop"

    assert asyncio.run(where()) == place
