"""The way out to AZIPS: one message, one POST, one transport answer; what becomes of it arrives at our AZIPS door.

No rule says that AZIPS refuses a second copy, so what may have arrived is never sent again, neither after silence nor
after a death between sending and booking: the payment becomes UNKNOWN and a person asks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from adapters.azips import mapping
from contracts import mt
from contracts.errors.refusal import RefusedError
from gateway.domain.dispatches import Channel, LimitIncrease, PaymentOrder
from gateway.domain.events.order import OutcomeUnknown, Sent
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.ports import Acknowledged, Dispatch, NotSent, Outcome, Refused, Unknown
from gateway.wire.callbacks import callback_outcome
from gateway.wire.client import SignedClient
from gateway.wire.fin import AZIPS_PATH, FIN_TYPE
from gateway.wire.identity import Identity
from gateway.wire.iso_envelope import CONTENT_TYPE, seal

_INTERRUPTED = "whoever was sending it died or lost its lease: it may have arrived"


class Format(StrEnum):
    """What AZIPS speaks at present (facts.md: not found, so the rail profile says)."""

    MT = "mt"
    MX = "mx"


@dataclass(frozen=True, slots=True, kw_only=True)
class AzipsSettings:
    """Where AZIPS is, whose signature its answers carry, and who we are on its rail."""

    url: str  # base, without a path
    own_bic: str
    azips_bic: str = "NABZAZ2CRTS"
    aos_bic: str = "NABZAZ2CIPS"  # whose limits MT205 raises
    participant: str = "AZIPS"
    format: Format = Format.MT


class AzipsAdapter:
    """Channel `azips`: transfers above what AÖS carries."""

    channel = Channel.AZIPS.value

    def __init__(self, client: SignedClient, settings: AzipsSettings, identity: Callable[[], Identity]) -> None:
        self._client, self._settings, self._identity = client, settings, identity

    async def send(self, dispatch: Dispatch) -> Outcome:
        """Say one dispatch; the same dispatch is always the same message."""
        payment = isinstance(dispatch.body, PaymentOrder)
        if payment and dispatch.may_have_left:
            return Unknown(reason=_INTERRUPTED, event=OutcomeUnknown(reason=_INTERRUPTED))
        try:
            content, content_type = await self._written(dispatch.body)
        except RefusedError as fault:
            facts = "; ".join(f"{name}={value}" for name, value in fault.refusal.facts.items())
            return Refused(code=fault.refusal.code, reason=facts)
        outcome = await self._said(content, content_type)
        if isinstance(outcome, Acknowledged) and payment:
            return replace(outcome, event=Sent())
        if isinstance(outcome, Unknown):
            return replace(outcome, event=OutcomeUnknown(reason=outcome.reason))
        return outcome

    async def _said(self, content: bytes, content_type: str) -> Outcome:
        """What the transport makes of it."""
        try:
            answer = await self._client.request(
                "POST",
                self._settings.url.rstrip("/") + AZIPS_PATH,
                body=content,
                content_type=content_type,
                expected_participant=self._settings.participant,
            )
        except NotSentError as error:
            return NotSent(reason=error.reason)
        except OutcomeUnknownError as error:
            return Unknown(reason=error.reason, exhibits=error.exhibits)
        return callback_outcome(answer)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _written(self, order: PaymentOrder | LimitIncrease) -> tuple[bytes, str]:
        settings = self._settings
        if isinstance(order, LimitIncrease):
            limit = mapping.limit_order(
                order, own_bic=settings.own_bic, azips_bic=settings.azips_bic, aos_bic=settings.aos_bic
            )
            return mt.write(limit), FIN_TYPE
        if settings.format is Format.MT:
            return mt.write(mapping.as_mt(order, own_bic=settings.own_bic, azips_bic=settings.azips_bic)), FIN_TYPE
        content = await seal(
            mapping.as_mx(order, own_bic=settings.own_bic),
            from_bic=settings.own_bic,
            to_bic=settings.azips_bic,
            credential=self._identity().credential,
        )
        return content, CONTENT_TYPE
