"""The way out to banks: one signed callback per notice, over the transport the bank has chosen, until acknowledged.

The id is constant over all attempts and the bank drops what it has seen, so what may or may not have arrived is simply
sent again: `Unknown` without an event.
"""

from __future__ import annotations

import ssl as tls
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from adapters.banks import mapping
from contracts.events.cloudevents import MEDIA_TYPE
from contracts.soap.names import SoapVersion
from gateway.domain.dispatches import Channel
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.ports import Dispatch, NotSent, Outcome, Refused, Unknown
from gateway.wire.callbacks import callback_headers, callback_outcome
from gateway.wire.client import ANY, SignedClient
from gateway.wire.identity import Identity
from gateway.wire.rules import WireRules
from gateway.wire.soap_client import SoapClient

ANSWER_MAX_BYTES = 65_536  # an acknowledgement is a short document


class Transport(StrEnum):
    """How a bank speaks with us."""

    REST = "rest"
    SOAP = "soap"


@dataclass(frozen=True, slots=True, kw_only=True)
class BankEndpoint:
    """Where a bank takes notices; its code is also the signer expected of its answers."""

    code: str
    transport: Transport
    callback_url: str
    timeout_s: float = 10.0
    soap_version: SoapVersion = SoapVersion.V11


class BanksAdapter:
    """Channel `banks`. Whatever happens on the way is an outcome, never an exception."""

    channel: str = Channel.BANKS.value

    def __init__(
        self,
        banks: Iterable[BankEndpoint],
        identity: Callable[[], Identity],
        *,
        clock: Callable[[], datetime],
        ssl: tls.SSLContext | None = None,
        rules: WireRules = ANY,
    ) -> None:
        self._ways: dict[str, _Way] = {
            bank.code: (_SoapWay if bank.transport is Transport.SOAP else _RestWay)(bank, identity, clock, ssl, rules)
            for bank in banks
        }

    async def send(self, dispatch: Dispatch) -> Outcome:
        """One attempt."""
        way = self._ways.get(dispatch.recipient)
        if way is None:
            return Refused(code="RECIPIENT_UNKNOWN", reason=f"no bank {dispatch.recipient} in the configuration")
        try:
            return await way.send(dispatch)
        except (TypeError, ValueError) as error:
            return Refused(code="NOTICE_INVALID", reason=f"our own contract does not allow it: {error}")
        except NotSentError as error:
            return NotSent(reason=error.reason)
        except OutcomeUnknownError as error:
            return Unknown(reason=error.reason, exhibits=error.exhibits)

    async def close(self) -> None:
        """Close the connections."""
        for way in self._ways.values():
            await way.close()


class _RestWay:
    def __init__(
        self,
        bank: BankEndpoint,
        identity: Callable[[], Identity],
        clock: Callable[[], datetime],
        ssl: tls.SSLContext | None,
        rules: WireRules,
    ) -> None:
        self._bank, self._clock = bank, clock
        self._client = SignedClient(
            identity, timeout_s=bank.timeout_s, clock=clock, answer_max_bytes=ANSWER_MAX_BYTES, ssl=ssl, rules=rules
        )

    async def send(self, dispatch: Dispatch) -> Outcome:
        answer = await self._client.request(
            "POST",
            self._bank.callback_url,
            body=mapping.rest_callback(dispatch).to_bytes(),
            content_type=MEDIA_TYPE,
            headers=callback_headers(dispatch, self._clock()),
            expected_participant=self._bank.code,
        )
        return callback_outcome(answer)

    async def close(self) -> None:
        await self._client.close()


class _SoapWay:
    def __init__(
        self,
        bank: BankEndpoint,
        identity: Callable[[], Identity],
        clock: Callable[[], datetime],
        ssl: tls.SSLContext | None,
        rules: WireRules,
    ) -> None:
        self._bank = bank
        self._client = SoapClient(
            identity,
            timeout_s=bank.timeout_s,
            clock=clock,
            version=bank.soap_version,
            answer_max_bytes=ANSWER_MAX_BYTES,
            ssl=ssl,
            rules=rules,
        )

    async def send(self, dispatch: Dispatch) -> Outcome:
        message = mapping.soap_callback(dispatch)
        answer = await self._client.call(self._bank.callback_url, message, expected_participant=self._bank.code)
        return mapping.soap_outcome(answer)

    async def close(self) -> None:
        await self._client.close()


_Way = _RestWay | _SoapWay
