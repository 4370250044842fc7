"""Notices to the platform: constant bytes and id, and every answer has its outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest

from adapters.platform import mapping
from gateway.domain.dispatches import Notice, NoticeKind, SealOrder
from gateway.ports import Acknowledged, Dispatch, Exhibit, NotSent, Refused, Unknown
from gateway.wire.callbacks import callback_headers, callback_outcome
from gateway.wire.client import SignedAnswer

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
DISPATCH = Dispatch(
    id="d-1",
    channel="platform",
    recipient="EHERRAC",
    body=Notice(kind=NoticeKind.OFFER_OPENED, lot_id="LOT-B", subject_id="LOT-B.offer", state="open", occurred_at=NOW),
    attempt=1,
    created_at=NOW,
    sequence=4,
    state_version=2,
)
EXHIBITS = (Exhibit(direction="out", media_type="message/http", content=b"x"),)


def answer(status: int, body: bytes = b"", **headers: str) -> SignedAnswer:
    return SignedAnswer(status=status, headers=headers, body=body, signer=None, exhibits=EXHIBITS)


def test_a_second_attempt_sends_the_same_bytes_under_the_same_id() -> None:
    again = replace(DISPATCH, attempt=2)
    assert mapping.callback(DISPATCH).to_bytes() == mapping.callback(again).to_bytes()
    assert callback_headers(again, NOW) == {"webhook-id": "d-1", "webhook-timestamp": "1795339800"}


def test_the_notice_carries_the_version_and_the_sequence_of_its_dispatch() -> None:
    data = mapping.callback(DISPATCH).data
    assert (data.version, data.sequence, data.subject_id) == (2, 4, "LOT-B.offer")


def test_only_notices_go_to_the_platform() -> None:
    with pytest.raises(TypeError):
        mapping.callback(replace(DISPATCH, body=SealOrder))


PROBLEM = orjson.dumps({"code": "SCHEMA_INVALID", "detail": "yer: /data"})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (answer(200), Acknowledged(exhibits=EXHIBITS)),
        (answer(204), Acknowledged(exhibits=EXHIBITS)),
        (answer(408), NotSent(reason="HTTP 408")),
        (answer(425), NotSent(reason="HTTP 425")),
        (answer(429, **{"retry-after": "7"}), NotSent(reason="HTTP 429", retry_after_s=7.0)),
        (answer(503, **{"retry-after": "999999"}), NotSent(reason="HTTP 503", retry_after_s=3_600.0)),
        (answer(503, **{"retry-after": "Sun, 22 Nov 2026 09:30:00 GMT"}), NotSent(reason="HTTP 503")),
        (answer(500), Unknown(reason="HTTP 500", exhibits=EXHIBITS)),
        (answer(502), Unknown(reason="HTTP 502", exhibits=EXHIBITS)),
        (answer(422, PROBLEM), Refused(code="SCHEMA_INVALID", reason="yer: /data", exhibits=EXHIBITS)),
        (answer(403, b"no"), Refused(code="HTTP_403", reason="HTTP 403", exhibits=EXHIBITS)),
        (answer(400, b"[]"), Refused(code="HTTP_400", reason="HTTP 400", exhibits=EXHIBITS)),
        (answer(302), Refused(code="HTTP_302", reason="HTTP 302", exhibits=EXHIBITS)),
    ],
)
def test_an_answer_has_one_outcome(given: SignedAnswer, expected: object) -> None:
    assert callback_outcome(given) == expected
