"""Who we are on a socket, and whom we believe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from certs.keystore import Credential
from certs.trust import TrustStore
from gateway.errors import NotSentError

T = TypeVar("T")

# Two, and nobody else's: a signature never waits behind a protocol in print.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="signing")


@dataclass(frozen=True, slots=True)
class Identity:
    """A key pair with its certificate, and the trust store peers are judged by. Replaced as a whole."""

    credential: Credential
    trust: TrustStore


def check_own_end(credential: Credential, now: datetime) -> None:
    """Whoever gets what an ended certificate signed refuses it for good; unsigned, it waits for the next one.

    Raises:
        NotSentError: ours has ended.
    """
    ended = credential.certificate.not_valid_after_utc
    if now > ended:
        raise NotSentError(f"our own certificate ended at {ended.isoformat()}")


async def signing(credential: Credential, work: Callable[[], T]) -> T:
    """Do what signs: with a device in a thread, so that the loop goes on; with a key in memory at once (ADR 10)."""
    return await asyncio.get_running_loop().run_in_executor(_threads, work) if credential.is_in_device else work()
