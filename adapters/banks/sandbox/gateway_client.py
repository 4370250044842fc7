"""How the bank calls the gateway: the same questions over SOAP or REST, requests signed and answers verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote
from uuid import uuid4

import orjson

from contracts.errors.refusal import RefusedError
from contracts.events.notices import NoticeEvent
from contracts.fields import AccountModel, validated
from contracts.json import parse_json
from contracts.rest.models import Decision
from contracts.soap import model
from contracts.soap.faults import SoapFault
from contracts.soap.model import Notice
from contracts.soap.names import SoapVersion
from contracts.soap.notices import notice_element
from gateway.errors import TheirFaultError
from gateway.wire.client import SignedAnswer, SignedClient
from gateway.wire.identity import Identity
from gateway.wire.soap_client import SoapClient

FEED_PAGE = 100
SOAP_PATH = "/soap/v1"
REST_PREFIX = "/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the gateway said to a decision: the state it recorded, or the code of its refusal."""

    state: str | None = None
    refused: str | None = None
    retry: bool = False


class GatewayClient(Protocol):
    """What the bank does at the gateway.

    Every method raises NotSentError and OutcomeUnknownError as its client does; the same call may be repeated.
    """

    async def decide(self, message_id: str, offer_id: str, decision: Decision) -> Told: ...

    async def feed(self, after: int) -> tuple[Notice, ...]:
        """Raises TheirFaultError when the gateway refuses."""

    async def document(self, protocol_id: str) -> bytes:
        """The sealed container. Raises TheirFaultError when the gateway refuses."""

    async def close(self) -> None: ...


class RestGateway:
    """RFC 9421 over JSON."""

    def __init__(
        self,
        url: str,
        identity: Callable[[], Identity],
        *,
        participant: str,
        timeout_s: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._url, self._participant = url.rstrip("/") + REST_PREFIX, participant
        self._client = SignedClient(identity, timeout_s=timeout_s, clock=clock, answer_max_bytes=16 * 1_048_576)

    async def decide(self, message_id: str, offer_id: str, decision: Decision) -> Told:
        """POST the decision; the idempotency key is the message's id."""
        answer = await self._client.request(
            "POST",
            f"{self._url}/offers/{quote(offer_id, safe='')}/decision",
            body=orjson.dumps(decision.model_dump(mode="json", exclude_none=True)),
            content_type="application/json",
            headers={"Idempotency-Key": message_id},
            expected_participant=self._participant,
        )
        document = _object(answer)
        if answer.status < 300:
            return Told(state=document.get("state"))
        return Told(refused=document.get("code"), retry=document.get("retry") is True)

    async def feed(self, after: int) -> tuple[Notice, ...]:
        """GET one page."""
        answer = await self._get(f"{self._url}/feed?after={after}&limit={FEED_PAGE}")
        try:
            return tuple(notice_element(validated(NoticeEvent, item)) for item in _object(answer).get("items", ()))
        except RefusedError as error:
            raise TheirFaultError("not a page of the feed", refusal=error.refusal) from error

    async def document(self, protocol_id: str) -> bytes:
        """GET the container."""
        return (await self._get(f"{self._url}/protocols/{quote(protocol_id, safe='')}.asice")).body

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _get(self, url: str) -> SignedAnswer:
        answer = await self._client.request("GET", url, expected_participant=self._participant)
        if answer.status >= 300:
            raise TheirFaultError(f"the gateway answered {answer.status}", exhibits=answer.exhibits)
        return answer


class SoapGateway:
    """WS-Security over SOAP."""

    def __init__(
        self,
        url: str,
        identity: Callable[[], Identity],
        *,
        participant: str,
        timeout_s: float,
        clock: Callable[[], datetime],
        version: SoapVersion,
    ) -> None:
        self._url, self._participant = url.rstrip("/") + SOAP_PATH, participant
        self._client = SoapClient(identity, timeout_s=timeout_s, clock=clock, version=version)

    async def decide(self, message_id: str, offer_id: str, decision: Decision) -> Told:
        """Call DecideOffer."""
        message = model.DecideOffer(
            message_id=message_id,
            offer_id=offer_id,
            decision=model.Decision(decision.decision),
            decided_by=decision.decided_by,
            payer=None if decision.payer is None else _account(decision.payer),
            reason=decision.reason,
        )
        answer = (await self._client.call(self._url, message, expected_participant=self._participant)).message
        if isinstance(answer, SoapFault):
            return Told(refused=answer.code, retry=answer.retry)
        return Told(state=answer.receipt.state)

    async def feed(self, after: int) -> tuple[Notice, ...]:
        """Call GetFeed for one page."""
        answer = await self._ask(model.GetFeed(message_id=_new_id(), after=after, limit=FEED_PAGE))
        return tuple(answer.notice)

    async def document(self, protocol_id: str) -> bytes:
        """Call GetProtocol for the container."""
        asked = model.GetProtocol(message_id=_new_id(), protocol_id=protocol_id, format=model.Format.ASICE)
        return bytes((await self._ask(asked)).document.content)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _ask(self, message: Any) -> Any:
        answer = await self._client.call(self._url, message, expected_participant=self._participant)
        if isinstance(answer.message, SoapFault):
            raise TheirFaultError(f"{answer.message.code}: {answer.message.reason}", exhibits=answer.exhibits)
        return answer.message


def _object(answer: SignedAnswer) -> dict[str, Any]:
    """The JSON object of a verified answer. Raises TheirFaultError for anything else."""
    try:
        document = parse_json(answer.body)
    except RefusedError as error:
        raise TheirFaultError("not JSON", refusal=error.refusal, exhibits=answer.exhibits) from error
    if not isinstance(document, dict):
        raise TheirFaultError("not a JSON object", exhibits=answer.exhibits)
    return document


def _account(payer: AccountModel) -> model.Account:
    return model.Account(holder=payer.holder, iban=payer.iban, bic=payer.bic, tax_id=payer.tax_id)


def _new_id() -> str:
    return f"q-{uuid4()}"
