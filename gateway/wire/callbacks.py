"""Signed callbacks over REST: the headers of an attempt, and what a verified answer means for the outbox row.

The id is the dispatch's own at every attempt and the reader drops what it has seen, so a callback may safely arrive
twice: what is not certain is simply sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import orjson

from gateway.ports import Acknowledged, Dispatch, NotSent, Outcome, Refused, Unknown
from gateway.wire.client import SignedAnswer
from gateway.wire.patience import retry_after_s

TRY_LATER = frozenset({408, 425, 429, 503})  # the reader says itself that it has not taken the notice
_CODE_MAX, _REASON_MAX = 64, 300


def callback_headers(dispatch: Dispatch, now: datetime) -> Mapping[str, str]:
    """Standard Webhooks, covered by the signature: the constant id, and the time of this attempt."""
    return {"webhook-id": dispatch.id, "webhook-timestamp": str(int(now.timestamp()))}


def callback_outcome(answer: SignedAnswer) -> Outcome:
    """What a verified HTTP answer means."""
    if 200 <= answer.status < 300:
        return Acknowledged(exhibits=answer.exhibits)
    if answer.status in TRY_LATER:
        return NotSent(reason=f"HTTP {answer.status}", retry_after_s=retry_after_s(answer.headers))
    if answer.status >= 500:
        return Unknown(reason=f"HTTP {answer.status}", exhibits=answer.exhibits)
    code, reason = problem_of(answer)
    return Refused(code=code, reason=reason, exhibits=answer.exhibits)


def problem_of(answer: SignedAnswer) -> tuple[str, str]:
    """Code and reason out of a problem document; the bare status where there is none."""
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        document = None
    problem = document if isinstance(document, dict) else {}
    code = problem.get("code") or f"HTTP_{answer.status}"
    reason = problem.get("detail") or problem.get("title") or f"HTTP {answer.status}"
    return str(code)[:_CODE_MAX], str(reason)[:_REASON_MAX]
