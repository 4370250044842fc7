"""Who comes in at the doors of the platform and the banks, and what it may do there, in whichever words it asks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeVar

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified participant; `actor` limits what it sees: a bank's code, or None for the platform."""

    participant: str
    actor: str | None

    def speaks_as(self, source: str) -> None:
        """Raises RefusedError(PARTICIPANT_MISMATCH) where a message says that it is somebody else's."""
        if source != self.participant:
            raise refuse(ErrorCode.PARTICIPANT_MISMATCH, expected=self.participant, received=source)

    def as_platform(self, operation: str) -> None:
        """Raises RefusedError(NOT_PERMITTED) of a bank."""
        if self.actor is not None:
            raise refuse(ErrorCode.NOT_PERMITTED, operation=operation, participant=self.participant)

    def as_bank(self, operation: str) -> str:
        """The bank's code. Raises RefusedError(NOT_PERMITTED) of the platform."""
        if self.actor is None:
            raise refuse(ErrorCode.NOT_PERMITTED, operation=operation, participant=self.participant)
        return self.actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """Who may come in, by participant code."""

    platform: str
    banks: Collection[str]

    def known(self, participant: str) -> Caller:
        """Who calls. Raises RefusedError(PARTICIPANT_UNKNOWN)."""
        if participant == self.platform:
            return Caller(participant, None)
        if participant in self.banks:
            return Caller(participant, participant)
        raise refuse(ErrorCode.PARTICIPANT_UNKNOWN, participant=participant)


def found(value: Found | None, unknown: ErrorCode, id: str) -> Found:
    """What was asked for; another's id is refused exactly like one that never was (EHR-4)."""
    if value is None:
        raise refuse(unknown, id=id)
    return value
