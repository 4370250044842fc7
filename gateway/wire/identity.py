"""Who we are on a socket, and whom we believe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from certs.keystore import Credential
from certs.trust import TrustStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identity:
    """A key pair with its certificate, and the trust store peers are judged by. Replaced as a whole."""

    credential: Credential
    trust: TrustStore


async def signing(credential: Credential, work: Callable[[], T]) -> T:
    """Do what signs: a device is waited for in a thread, so that the loop goes on; a key in memory is quicker."""
    return await asyncio.to_thread(work) if credential.is_in_device else work()
