"""Notices to callbacks and answers to outcomes, pure. JSON and XML come from one list of fields (contracts.events)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import orjson

from contracts.events.notices import NoticeEvent
from contracts.soap.faults import SoapFault
from contracts.soap.model import Notify
from contracts.soap.notices import notice_element
from gateway.domain.dispatches import Notice
from gateway.ports import Acknowledged, Dispatch, NotSent, Outcome, Refused, Unknown
from gateway.wire.client import SignedAnswer
from gateway.wire.notices import notice_event
from gateway.wire.soap_client import SoapAnswer

TRY_LATER = frozenset({408, 425, 429, 503})  # the bank says itself that it has not taken the notice
RETRY_AFTER_MAX_S = 3_600.0  # however long it asks for, we look again within the hour


def rest_callback(dispatch: Dispatch) -> NoticeEvent:
    """The notice in JSON, equal at every attempt.

    Raises:
        TypeError: the dispatch is not a notice.
        ValueError: a notice our own contract does not allow.
    """
    if not isinstance(dispatch.body, Notice):
        raise TypeError(f"banks take notices, not {type(dispatch.body).__name__}")
    return notice_event(dispatch.body, id=dispatch.id, sequence=dispatch.sequence, version=dispatch.state_version)


def soap_callback(dispatch: Dispatch) -> Notify:
    """The notice in XML; the message id is the dispatch's own at every attempt. Raises as `rest_callback`."""
    return Notify(message_id=dispatch.id, notice=notice_element(rest_callback(dispatch)))


def callback_headers(dispatch: Dispatch, now: datetime) -> Mapping[str, str]:
    """Standard Webhooks, covered by the signature: the constant id, and the time of this attempt."""
    return {"webhook-id": dispatch.id, "webhook-timestamp": str(int(now.timestamp()))}


def rest_outcome(answer: SignedAnswer) -> Outcome:
    """What a bank's verified HTTP answer means for the outbox row. A callback may safely arrive twice."""
    if 200 <= answer.status < 300:
        return Acknowledged(exhibits=answer.exhibits)
    if answer.status in TRY_LATER:
        return NotSent(reason=f"HTTP {answer.status}", retry_after_s=_retry_after_s(answer))
    if answer.status >= 500:
        return Unknown(reason=f"HTTP {answer.status}", exhibits=answer.exhibits)
    code, reason = _problem(answer)
    return Refused(code=code, reason=reason, exhibits=answer.exhibits)


def soap_outcome(answer: SoapAnswer) -> Outcome:
    """What a bank's verified envelope means for the outbox row."""
    fault = answer.message
    if not isinstance(fault, SoapFault):
        return Acknowledged(exhibits=answer.exhibits)
    if fault.retry:
        return Unknown(reason=f"{fault.code}: {fault.reason}", exhibits=answer.exhibits)
    return Refused(code=fault.code, reason=fault.reason, exhibits=answer.exhibits)


def _retry_after_s(answer: SignedAnswer) -> float | None:
    text = answer.headers.get("retry-after", "")
    if not (text.isascii() and text.isdigit()):
        return None
    return min(float(text), RETRY_AFTER_MAX_S)


def _problem(answer: SignedAnswer) -> tuple[str, str]:
    """Code and reason out of a problem document; the bare status where there is none."""
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        document = None
    problem = document if isinstance(document, dict) else {}
    code = problem.get("code") or f"HTTP_{answer.status}"
    reason = problem.get("detail") or problem.get("title") or f"HTTP {answer.status}"
    return str(code)[:64], str(reason)[:300]
