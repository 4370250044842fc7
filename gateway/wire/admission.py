"""Whether a door takes a request at all: asked before it is read, and once its sender is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from contracts.errors import Refusal


class Admission(Protocol):
    """Both refuse by RefusedError; a fact `retry_after_s` becomes the Retry-After header."""

    def begin(self, method: str) -> None: ...

    def admit(self, participant: str) -> None: ...


class Everybody:
    """Takes every request: for sandboxes."""

    def begin(self, method: str) -> None:
        """Taken."""

    def admit(self, participant: str) -> None:
        """Taken."""


def retry_after(refusal: Refusal) -> Mapping[str, str]:
    """The header that says when to come again, where the refusal knows."""
    wait_s = refusal.facts.get("retry_after_s")
    return {} if wait_s is None else {"Retry-After": str(wait_s)}
