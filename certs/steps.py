"""Numbered steps of verification: a refusal says at which it came and what most likely caused it.

So its receiver learns how far he got and what to change. A cause never changes the verdict, and looking for it costs
much more than refusing: so it is looked for as long as all of it together takes little of the processor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

from contracts.errors.causes import FACT, Cause
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import Refusal, RefusedError

_OWN_STEP = {
    ErrorCode.ALGORITHM_NOT_ALLOWED: "algorithms",
    ErrorCode.PARTICIPANT_MISMATCH: "participant",
    ErrorCode.SIGNATURE_INVALID: "signature value",
}
_EFFORT_MAX_S, _EFFORT_SHARE = 1.0, 0.05
_ZONE_MAX_HOURS = 14
_ZONE_SLACK_S = 150  # a message on its way, and clocks a little off
_UNSIGNED = {"Body": Cause.BODY_UNSIGNED, "Timestamp": Cause.TIMESTAMP_UNSIGNED}


@dataclass(slots=True)
class _AtStep:
    """A class and no generator: a message passes some ten of them, and nearly always unrefused."""

    steps: Sequence[str]
    name: str

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, RefusedError):
            step = _step_of(error.refusal, self.steps, self.name)
            numbered = with_facts(error, step=f"{self.steps.index(step) + 1} {step}")
            raise blame(numbered, _told_by(error.refusal)) from error.__cause__


@cache
def at_step(steps: tuple[str, ...], name: str) -> AbstractContextManager[None]:
    """Put the step ("9 digests") into the facts of what is refused inside; a refusal may name another of `steps`."""
    return _AtStep(steps, name)


class Effort:
    """Time of the processor for looking for causes, of all senders: a second at once, a twentieth in the long run.

    Whoever holds a trusted key could make us look without end, before a quota is asked for him.
    """

    __slots__ = ("_clock", "_left_s", "_spent", "_topped_up_at")

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, spent: Callable[[], float] = time.thread_time
    ) -> None:
        self._clock, self._spent = clock, spent
        self.renew()

    def renew(self) -> None:
        """As if nothing had been looked for yet."""
        self._left_s, self._topped_up_at = _EFFORT_MAX_S, self._clock()

    def search(self, cause: Callable[[], Cause | None]) -> Cause | None:
        """The cause; None also where there is no time left to look for it."""
        now = self._clock()
        self._left_s = min(_EFFORT_MAX_S, self._left_s + (now - self._topped_up_at) * _EFFORT_SHARE)
        self._topped_up_at = now
        if self._left_s <= 0:
            return None
        began = self._spent()
        try:
            return cause()
        finally:
            self._left_s -= self._spent() - began


EFFORT = Effort()


@dataclass(slots=True)
class _Blaming:
    """A class for the same reason."""

    code: ErrorCode
    cause: Callable[[], Cause | None]

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, RefusedError) and error.refusal.code is self.code:
            raise blame(error, EFFORT.search(self.cause)) from error.__cause__


def blaming(code: ErrorCode, cause: Callable[[], Cause | None]) -> AbstractContextManager[None]:
    """If what is inside is refused with `code`, look for the cause and put it into the facts."""
    return _Blaming(code, cause)


def blame(error: RefusedError, cause: Cause | None) -> RefusedError:
    """The same refusal with its likely cause, unless there is none or it has one."""
    if cause is None or FACT in error.refusal.facts:
        return error
    return with_facts(error, **{FACT: cause.value})


def age_cause(ahead_s: float) -> Cause:
    """Why a message created so many seconds after our now (negative: before it) is not of now."""
    hours = round(ahead_s / 3600)
    if 0 < abs(hours) <= _ZONE_MAX_HOURS and abs(ahead_s - hours * 3600) <= _ZONE_SLACK_S:
        return Cause.TIME_ZONE
    return Cause.CLOCK_AHEAD if ahead_s > 0 else Cause.LATE


def with_facts(error: RefusedError, **facts: str) -> RefusedError:
    """The same refusal with more facts."""
    return RefusedError(Refusal(code=error.refusal.code, facts={**error.refusal.facts, **facts}))


def _step_of(refusal: Refusal, steps: Sequence[str], name: str) -> str:
    """The code's own step, else the one it states, else the one it came from."""
    told = (_OWN_STEP.get(refusal.code, ""), refusal.facts.get("step", ""))
    return next((step for step in told if step in steps), name)


def _told_by(refusal: Refusal) -> Cause | None:
    """The cause that the refusal's own facts tell."""
    algorithm = refusal.facts.get("algorithm", "").lower()
    if "sha1" in algorithm:
        return Cause.SHA1
    if "rec-xml-c14n" in algorithm or "xml-c14n11" in algorithm:
        return Cause.INCLUSIVE_C14N
    if refusal.code is ErrorCode.SIGNATURE_AGE and refusal.facts.get("what") == "Timestamp":
        return Cause.TIMESTAMP_MISSING
    return _UNSIGNED.get(refusal.facts.get("part", "")) if refusal.code is ErrorCode.SIGNATURE_INCOMPLETE else None
