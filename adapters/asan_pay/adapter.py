"""The way out to Asan Pay: one signed POST an order, with the dispatch's id as idempotency key.

A resend is safe: the same key gets the first answer again. So silence is `Unknown` without an event, and the engine
sends the same dispatch once more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote

from adapters.asan_pay import mapping
from adapters.asan_pay.mapping import AsanPayBody
from contracts.asan_pay import codec
from gateway.domain.dispatches import Channel, InvoiceOrder
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.ports import Acknowledged, Dispatch, NotSent, Outcome, Refused, Unknown
from gateway.wire.client import SignedClient


@dataclass(frozen=True, slots=True, kw_only=True)
class AsanPaySettings:
    """Where Asan Pay is and whose signature its answers carry."""

    url: str  # base, without a path
    participant: str = "ASANPAY"


class AsanPayAdapter:
    """Channel `asan_pay`: invoices and their cancellations."""

    channel = Channel.ASAN_PAY.value

    def __init__(self, client: SignedClient, settings: AsanPaySettings) -> None:
        self._client = client
        self._settings = settings

    async def send(self, dispatch: Dispatch) -> Outcome:
        """Send one order and wait for the answer."""
        body: AsanPayBody = dispatch.body
        try:
            path, content = _written(body)
        except ValueError as fault:
            return mapping.unwritable(body, fault)
        try:
            answer = await self._client.request(
                "POST",
                self._settings.url.rstrip("/") + path,
                body=content,
                content_type=codec.MEDIA_TYPE,
                headers={codec.IDEMPOTENCY_HEADER: dispatch.id},
                expected_participant=self._settings.participant,
            )
        except NotSentError as error:
            return NotSent(reason=error.reason)
        except OutcomeUnknownError as error:
            return Unknown(reason=error.reason, exhibits=error.exhibits)
        outcome = mapping.outcome(body, answer.status, answer.headers, answer.body)
        return replace(outcome, exhibits=answer.exhibits) if isinstance(outcome, Acknowledged | Refused) else outcome

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _written(body: AsanPayBody) -> tuple[str, bytes]:
    if isinstance(body, InvoiceOrder):
        return codec.INVOICES_PATH, codec.write(mapping.invoice_request(body))
    path = codec.CANCELLATION_PATH.format(number=quote(body.invoice_number, safe=""))
    return path, codec.write(mapping.cancellation_request(body))
