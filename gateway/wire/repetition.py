"""Whether a signed request was answered before: what only reads has no inbox that would know it again.

A message with an id of its own needs none of this: the inbox answers its repetition with the first answer, which is
what a sender wants who never got it (`gateway.engine`).
"""

from __future__ import annotations

from typing import Protocol

from certs.trust import Once


class Memory(Protocol):
    """Of what was answered, shared by replicas and kept over restarts."""

    async def remember(self, once: Once) -> None:
        """Raise RefusedError: SIGNATURE_REPEATED, it was before; STORE_UNAVAILABLE or OVERLOADED, nobody knows."""


class Forgetful:
    """Remembers nothing: for sandboxes."""

    async def remember(self, once: Once) -> None:
        """Forgotten."""


FORGETFUL = Forgetful()
