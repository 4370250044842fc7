"""Notices to callbacks, answers to outcomes; pure. Headers follow Standard Webhooks; the id is the dispatch's own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import orjson

from contracts.events.notices import NoticeEvent
from gateway.domain.dispatches import Notice
from gateway.ports import Acknowledged, Dispatch, NotSent, Outcome, Refused, Unknown
from gateway.wire.client import SignedAnswer
from gateway.wire.notices import notice_event

TRY_LATER = frozenset({408, 425, 429, 503})  # the platform says so itself: it has not taken the notice
RETRY_AFTER_MAX_S = 3_600.0  # however long it asks for, we look again within the hour


def callback(dispatch: Dispatch) -> NoticeEvent:
    """The notice on the wire, equal at every attempt.

    Raises:
        TypeError: the dispatch is not a notice.
        ValueError: a notice our own contract does not allow.
    """
    if not isinstance(dispatch.body, Notice):
        raise TypeError(f"the platform takes notices, not {type(dispatch.body).__name__}")
    return notice_event(dispatch.body, id=dispatch.id, sequence=dispatch.sequence, version=dispatch.state_version)


def callback_headers(dispatch: Dispatch, now: datetime) -> Mapping[str, str]:
    """Covered by the signature: the constant id, and the time of this attempt."""
    return {"webhook-id": dispatch.id, "webhook-timestamp": str(int(now.timestamp()))}


def outcome(answer: SignedAnswer) -> Outcome:
    """What the platform's verified answer means for the outbox row."""
    if 200 <= answer.status < 300:
        return Acknowledged(exhibits=answer.exhibits)
    if answer.status in TRY_LATER:
        return NotSent(reason=f"HTTP {answer.status}", retry_after_s=_retry_after_s(answer))
    if answer.status >= 500:
        return Unknown(reason=f"HTTP {answer.status}", exhibits=answer.exhibits)
    code, reason = problem_of(answer)
    return Refused(code=code, reason=reason, exhibits=answer.exhibits)


def _retry_after_s(answer: SignedAnswer) -> float | None:
    text = answer.headers.get("retry-after", "")
    if not (text.isascii() and text.isdigit()):
        return None
    return min(float(text), RETRY_AFTER_MAX_S)


def problem_of(answer: SignedAnswer) -> tuple[str, str]:
    """Code and reason out of a problem document; the bare status where there is none."""
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        document = None
    problem = document if isinstance(document, dict) else {}
    code = problem.get("code") or f"HTTP_{answer.status}"
    reason = problem.get("detail") or problem.get("title") or f"HTTP {answer.status}"
    return str(code)[:64], str(reason)[:300]
