"""The way out to the auction platform: one signed POST per notice, the same id until it is acknowledged."""

from __future__ import annotations

import ssl as tls
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from adapters.platform import mapping
from contracts.events.cloudevents import MEDIA_TYPE
from gateway.domain.dispatches import Channel
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.ports import Dispatch, NotSent, Outcome, Refused, Unknown
from gateway.wire.callbacks import callback_headers, callback_outcome
from gateway.wire.client import ANY, SignedClient
from gateway.wire.identity import Identity
from gateway.wire.rules import WireRules


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSettings:
    """Where the platform takes notices, and who must sign its answers."""

    callback_url: str
    participant: str = "EHERRAC"
    timeout_s: float = 5.0
    answer_max_bytes: int = 65_536  # an answer is a short document or empty


class PlatformAdapter:
    """Sends notices. Whatever happens on the way is an outcome, never an exception."""

    channel: str = Channel.PLATFORM.value

    def __init__(
        self,
        settings: PlatformSettings,
        identity: Callable[[], Identity],
        *,
        clock: Callable[[], datetime],
        ssl: tls.SSLContext | None = None,
        rules: WireRules = ANY,
    ) -> None:
        self._settings, self._clock = settings, clock
        self._client = SignedClient(
            identity,
            timeout_s=settings.timeout_s,
            clock=clock,
            answer_max_bytes=settings.answer_max_bytes,
            ssl=ssl,
            rules=rules,
        )

    async def send(self, dispatch: Dispatch) -> Outcome:
        """One attempt. A notice may safely arrive twice: the platform drops what it has seen by id and version."""
        try:
            body = mapping.callback(dispatch).to_bytes()
        except (TypeError, ValueError) as error:
            return Refused(code="NOTICE_INVALID", reason=f"our own contract does not allow it: {error}")
        try:
            answer = await self._client.request(
                "POST",
                self._settings.callback_url,
                body=body,
                content_type=MEDIA_TYPE,
                headers=callback_headers(dispatch, self._clock()),
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
