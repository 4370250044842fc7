"""Delivery of AÖS's messages: a queue per participant, in order, each message tried until it is taken or given up."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential

from adapters.aos.central.participants import Participant
from adapters.aos.central.words import Outgoing
from adapters.aos.faults import Fault, FaultKind, about_nothing, contrary
from certs.keystore import Credential
from contracts.iso20022 import Envelope
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.wire.client import SignedClient
from gateway.wire.identity import Identity
from gateway.wire.iso_envelope import CONTENT_TYPE, MESSAGES_PATH, seal

_log = logging.getLogger(__name__)
_HELD_BACK_S = 1.0  # the longest wait for a next message where the fault names none
_SIGNATURE_VALUE = re.compile(rb"(<(?:\w+:)?SignatureValue[^>]*>\s*)(.)")
_TRY_LATER = 500  # and above


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """How stubborn AÖS is."""

    timeout_s: float = 5.0
    first_pause_s: float = 0.2  # doubles up to `pause_max_s`
    pause_max_s: float = 2.0
    give_up_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """How one message fared; `status` is the HTTP status, or None where it was given up."""

    outgoing: Outgoing
    status: int | None


_About = tuple[str, str, type[Any]]  # to whom, about which payment, which kind of message


class _Signing(Enum):
    """How a message is signed."""

    SOUND = auto()
    BROKEN = auto()  # the value is changed afterwards
    REVOKED = auto()  # by the signer whose certificate is revoked


class _TryAgainError(Exception):
    """The participant could not take it now."""


class Deliveries:
    """All queues. `done` is the record of what was delivered or given up, oldest first."""

    def __init__(
        self,
        bic: str,
        identity: Callable[[], Identity],
        participants: Iterable[Participant],
        settings: DeliverySettings,
        clock: Callable[[], datetime],
        *,
        revoked: Credential | None = None,
        envelope: Envelope = Envelope.DATA_PDU,
    ) -> None:
        self._bic, self._identity, self._settings, self._revoked = bic, identity, settings, revoked
        self._envelope = envelope
        rows = tuple(participants)
        self._codes = {row.bic: row.code for row in rows}
        self._urls = {row.bic: row.url for row in rows}
        self._queues: dict[str, asyncio.Queue[tuple[Outgoing, _Signing]]] = {row.bic: asyncio.Queue() for row in rows}
        self._client = SignedClient(identity, timeout_s=settings.timeout_s, clock=clock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: dict[_About, tuple[Outgoing, Mapping[FaultKind, Fault]]] = {}
        self.done: list[Delivered] = []

    def connect(self, bic: str, url: str) -> None:
        """Where a participant's door is."""
        self._urls[bic] = url

    def start(self) -> None:
        """Begin to deliver."""
        for bic in self._queues:
            self._spawn(self._work(bic))

    async def close(self) -> None:
        """Stop at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()

    def put(self, outgoing: Outgoing, faults: Mapping[FaultKind, Fault]) -> None:
        """Queue one message, with the faults that befall it."""
        if FaultKind.SILENCE in faults:
            return
        about = (outgoing.to_bic, outgoing.end_to_end_id, type(outgoing.message))
        late, swapped = faults.get(FaultKind.LATE), faults.get(FaultKind.OUT_OF_ORDER)
        if late is not None:
            self._spawn(self._queue_later(outgoing, faults, late.delay_s))
        elif swapped is not None and about not in self._held:
            self._held[about] = (outgoing, faults)
            self._spawn(self._release_later(about, swapped.delay_s or _HELD_BACK_S))
        else:
            self._queue(outgoing, faults)
            self._release(about)

    def _queue(self, outgoing: Outgoing, faults: Mapping[FaultKind, Fault]) -> None:
        put = self._queues[outgoing.to_bic].put_nowait
        stray = about_nothing(outgoing) if FaultKind.UNKNOWN_MESSAGE in faults else None
        opposite = contrary(outgoing) if FaultKind.CONFLICTING in faults else None
        if stray is not None:
            put((stray, _Signing.SOUND))
        if FaultKind.BADLY_SIGNED in faults:
            put((outgoing, _Signing.BROKEN))
        if FaultKind.REVOKED_SIGNER in faults and self._revoked is not None:
            put((outgoing, _Signing.REVOKED))
        for _ in range(2 if FaultKind.TWICE in faults else 1):
            put((outgoing, _Signing.SOUND))
        if opposite is not None:
            put((opposite, _Signing.SOUND))

    def _release(self, about: _About) -> None:
        """What was held back for a swap, if anything."""
        held = self._held.pop(about, None)
        if held is not None:
            self._queue(*held)

    async def _release_later(self, about: _About, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        self._release(about)

    async def _queue_later(self, outgoing: Outgoing, faults: Mapping[FaultKind, Fault], delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        self._queue(outgoing, faults)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, bic: str) -> None:
        while True:
            outgoing, signing = await self._queues[bic].get()
            status: int | None = None
            try:
                status = await self._deliver(outgoing, signing)
            except (NotSentError, OutcomeUnknownError, _TryAgainError) as error:
                _log.error("given up: %s to %s: %s", type(outgoing.message).__name__, bic, error)
            except Exception:
                _log.exception("cannot deliver %s to %s", type(outgoing.message).__name__, bic)
            self.done.append(Delivered(outgoing=outgoing, status=status))

    async def _deliver(self, outgoing: Outgoing, signing: _Signing) -> int:
        revoked = self._revoked if signing is _Signing.REVOKED else None
        data = await seal(
            outgoing.message,
            from_bic=self._bic,
            to_bic=outgoing.to_bic,
            credential=revoked or self._identity().credential,
            copy=outgoing.copy,
            wrapper=self._envelope,
        )
        broken = signing is _Signing.BROKEN
        settings = self._settings
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((NotSentError, OutcomeUnknownError, _TryAgainError)),
            wait=wait_exponential(multiplier=settings.first_pause_s, max=settings.pause_max_s),
            stop=stop_after_delay(settings.give_up_s),
            reraise=True,
        )
        return await retrying(self._post, outgoing.to_bic, _break_signature(data) if broken else data)

    async def _post(self, bic: str, data: bytes) -> int:
        url = self._urls[bic]
        if url is None:
            raise NotSentError(f"the address of {bic} is not known yet")
        answer = await self._client.request(
            "POST",
            url.rstrip("/") + MESSAGES_PATH,
            body=data,
            content_type=CONTENT_TYPE,
            expected_participant=self._codes[bic],
        )
        if answer.status >= _TRY_LATER:
            raise _TryAgainError(f"{bic} answered {answer.status}")
        return answer.status


def _break_signature(data: bytes) -> bytes:
    """The first character of the signature's value, changed."""
    return _SIGNATURE_VALUE.sub(lambda found: found[1] + (b"B" if found[2] == b"A" else b"A"), data, count=1)
