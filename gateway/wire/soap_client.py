"""SOAP on the client's side: sign the envelope, send once, believe only what is signed and answers what was asked.

Built on `SignedClient` for the socket, with its errors: `NotSentError` before a connection stood, `OutcomeUnknownError`
for everything after, an answer that cannot be believed included. A signed fault is a value. Nothing is retried here.
"""

from __future__ import annotations

import ssl as tls
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from lxml import etree

from certs.keystore import Credential
from certs.trust import Verified
from certs.wss import sign_envelope, verify_envelope
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError, refuse
from contracts.soap.calls import RESPONSES, action_of, content_type, headers
from contracts.soap.codec import read
from contracts.soap.description import schema
from contracts.soap.envelope import inspect, only_child, to_bytes, wrap
from contracts.soap.faults import SoapFault, read_fault
from contracts.soap.names import SoapVersion
from contracts.soap.outgoing import written
from contracts.xml import XmlLimits, parse_xml
from gateway.errors import OutcomeUnknownError
from gateway.ports import Exhibit
from gateway.wire.client import ANY, SignedAnswer, SignedClient
from gateway.wire.identity import Identity, signing
from gateway.wire.rules import WireRules
from gateway.wire.soap_server import envelope_exhibit

ANSWER_MAX_BYTES = 16 * 1_048_576  # a sealed protocol in base64 is the largest


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapAnswer:
    """A verified answer: `message` is the response of `contracts.soap.model`, or a fault."""

    message: Any
    exhibits: tuple[Exhibit, ...]


class SoapClient:
    """One per adapter; owns its connections.

    Args:
        identity: asked anew for every call, so that keys may turn.
        timeout_s: from the start of a call to the end of its answer.
        version: of the envelopes we write; answers come in the same.
    """

    def __init__(
        self,
        identity: Callable[[], Identity],
        *,
        timeout_s: float,
        clock: Callable[[], datetime],
        version: SoapVersion = SoapVersion.V11,
        answer_max_bytes: int = ANSWER_MAX_BYTES,
        ssl: tls.SSLContext | None = None,
        rules: WireRules = ANY,
    ) -> None:
        self._identity, self._clock, self._version = identity, clock, version
        self._answer_max_bytes = answer_max_bytes
        self._expected = rules.expected
        self._http = SignedClient(
            identity, timeout_s=timeout_s, clock=clock, answer_max_bytes=answer_max_bytes, ssl=ssl, rules=rules
        )

    async def call(self, url: str, message: Any, *, expected_participant: str) -> SoapAnswer:
        """Send one request.

        Raises:
            ValueError: the message is not by our own schema; nothing was sent.
            NotSentError: no connection was made; safe to send again.
            OutcomeUnknownError: sent, then timeout, broken connection, or an answer that is not signed by the expected
                participant, not by the schema, or not to this request (`refusal` says why).
        """
        credential = self._identity().credential
        sent = await signing(credential, partial(self._signed, message, credential))
        out = replace(envelope_exhibit("out", self._version, sent, None), signer=credential.participant)
        answer = await self._http.request(
            "POST",
            url,
            body=sent,
            content_type=content_type(self._version, action_of(message)),
            headers=headers(self._version, action_of(message)),
            expected_participant=None,
            sign=False,
            verify=False,
        )
        try:
            verified, content = self._verified(answer, expected_participant)
            reply = _reply(content, message)
        except RefusedError as error:
            kept = envelope_exhibit("in", self._version, answer.body, None)
            reason = f"answer {answer.status} not believed: {error.refusal.code}"
            raise OutcomeUnknownError(reason, refusal=error.refusal, exhibits=(out, kept)) from error
        return SoapAnswer(message=reply, exhibits=(out, envelope_exhibit("in", self._version, answer.body, verified)))

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    def _signed(self, message: Any, credential: Credential) -> bytes:
        envelope = wrap(self._version, written(message))
        sign_envelope(envelope, credential, now=self._clock())
        return to_bytes(envelope)

    def _verified(self, answer: SignedAnswer, expected_participant: str) -> tuple[Verified, etree._Element]:
        root = inspect(parse_xml(answer.body, limits=XmlLimits(body_max_bytes=self._answer_max_bytes))).root
        trust, expected = self._identity().trust, self._expected
        signed = verify_envelope(root, trust, at=self._clock(), expected=expected, participant=expected_participant)
        return signed.verified, only_child(signed.body)


def _reply(content: etree._Element, request: Any) -> Any:
    """The response to this very request, or the fault."""
    fault = read_fault(content)
    if fault is not None:
        return _about(fault, fault.in_reply_to or request.message_id, request)
    schema().validate(content)
    kind = RESPONSES[type(request)]
    if etree.QName(content).localname != kind.__name__:
        raise refuse(ErrorCode.OPERATION_UNKNOWN, operation=etree.QName(content).localname)
    message = read(kind, content)
    return _about(message, message.in_reply_to, request)


def _about(reply: Any, in_reply_to: str, request: Any) -> Any:
    if in_reply_to != request.message_id:
        raise refuse(ErrorCode.REFERENCE_UNKNOWN, expected=request.message_id, received=in_reply_to)
    return reply


__all__ = ["SoapAnswer", "SoapClient", "SoapFault"]
