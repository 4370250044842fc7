"""The way out to AÖS: one signed message, one POST, one transport answer.

The transport answer only says that AÖS has the message; what becomes of the payment arrives at our AÖS door. Silence
after sending is `Unknown` with the event that makes the payment ask (AOS-I1, AOS-I2), never a new id.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from adapters.aos import mapping
from adapters.aos.mapping import AosBody, RailProfile
from contracts.errors import Refusal
from contracts.errors.refusal import RefusedError
from contracts.iso20022 import Envelope
from gateway.domain.dispatches import Channel
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.ports import Acknowledged, Dispatch, Exhibit, NotSent, Outcome, Refused, Unknown
from gateway.wire.client import SignedClient
from gateway.wire.identity import Identity
from gateway.wire.iso_envelope import CONTENT_TYPE, MESSAGES_PATH, seal

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AosSettings:
    """Where AÖS is, whose signature its answers carry, and who we are on its rail."""

    url: str  # base, without a path
    own_bic: str
    system_bic: str = "NABZAZ2CIPS"
    central_bank_bic: str = "NABZAZ2C"
    participant: str = "AOS"
    envelope: Envelope = Envelope.DATA_PDU


class Disbelieved(Protocol):
    """Told of every answer of AÖS whose signature does not hold (AOS-S2)."""

    async def __call__(self, refusal: Refusal, what: str, exhibits: tuple[Exhibit, ...], /) -> None: ...


class AosAdapter:
    """Channel `aos`: payment orders and requests, enquiries, confirmations of credits, reports of deficiencies."""

    channel = Channel.AOS.value

    def __init__(
        self,
        client: SignedClient,
        settings: AosSettings,
        identity: Callable[[], Identity],
        *,
        on_disbelief: Disbelieved | None = None,
    ) -> None:
        self._client, self._settings, self._identity = client, settings, identity
        self._on_disbelief = on_disbelief
        self._profile = RailProfile(
            own_bic=settings.own_bic, system_bic=settings.system_bic, central_bank_bic=settings.central_bank_bic
        )

    async def send(self, dispatch: Dispatch) -> Outcome:
        """Say one dispatch; the same dispatch is always the same message."""
        body: AosBody = dispatch.body
        try:
            content = await self._sealed(body)
        except RefusedError as fault:
            return mapping.unwritable(fault)
        try:
            answer = await self._client.request(
                "POST",
                self._settings.url.rstrip("/") + MESSAGES_PATH,
                body=content,
                content_type=CONTENT_TYPE,
                expected_participant=self._settings.participant,
            )
        except NotSentError as error:
            return NotSent(reason=error.reason)
        except OutcomeUnknownError as error:
            await self._disbelieve(error, dispatch)
            return replace(mapping.silence(body, error.reason), exhibits=error.exhibits)
        outcome = mapping.outcome(body, answer.status, answer.headers, answer.body)
        if isinstance(outcome, Acknowledged | Refused | Unknown):
            return replace(outcome, exhibits=answer.exhibits)
        return outcome

    async def _disbelieve(self, error: OutcomeUnknownError, dispatch: Dispatch) -> None:
        if self._on_disbelief is None or error.refusal is None or not error.exhibits:
            return
        try:
            await self._on_disbelief(error.refusal, f"answer to {dispatch.id}", error.exhibits)
        except RefusedError as fault:  # the store is away: the outcome is not known either way
            _log.error("a deficiency could not be noted: %s", fault.refusal.code)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _sealed(self, body: AosBody) -> bytes:
        return await seal(
            mapping.message_for(body, self._profile),
            from_bic=self._settings.own_bic,
            to_bic=self._settings.system_bic,
            credential=self._identity().credential,
            wrapper=self._settings.envelope,
        )
