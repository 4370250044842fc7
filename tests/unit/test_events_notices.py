"""Notices: the same bytes at every attempt, read back as they were written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.events.notices import NoticeEvent, parse_notice
from gateway.domain.dispatches import Notice, NoticeKind
from gateway.domain.money import Money
from gateway.wire.notices import notice_event

NOTICE = Notice(
    kind=NoticeKind.PAYMENT_STATE,
    lot_id="LOT-B",
    subject_id="LOT-B.payment",
    state="settled",
    occurred_at=datetime(2026, 11, 22, 9, 30, 0, 123456, tzinfo=UTC),
    amount=Money(1_875_000),
    case_number="5-1/2026",
    reference="MSID-1",
)


def event() -> NoticeEvent:
    return notice_event(NOTICE, id="d-1", sequence=7, version=3)


def test_a_notice_is_a_cloudevent_with_the_lot_as_subject() -> None:
    wire = orjson.loads(event().to_bytes())
    assert wire == {
        "specversion": "1.0",
        "id": "d-1",
        "source": "GATEWAY",
        "type": "az.eherrac.gateway.payment.state",
        "time": "2026-11-22T09:30:00.123Z",
        "subject": "LOT-B",
        "datacontenttype": "application/json",
        "data": {
            "lotId": "LOT-B",
            "subjectId": "LOT-B.payment",
            "state": "settled",
            "version": 3,
            "sequence": 7,
            "occurredAt": "2026-11-22T09:30:00.123Z",
            "amount": {"value": "18750.00", "currency": "AZN"},
            "deadline": None,
            "caseNumber": "5-1/2026",
            "reference": "MSID-1",
            "reason": None,
        },
    }


def test_equal_notices_give_equal_bytes() -> None:
    assert event().to_bytes() == event().to_bytes()


def test_what_is_written_is_read_back() -> None:
    read = parse_notice(event().to_bytes())
    assert read.kind == "payment.state"
    assert read.to_bytes() == event().to_bytes()


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_kind_of_the_domain_can_be_told(kind: NoticeKind) -> None:
    notice = Notice(kind=kind, lot_id="L", subject_id="L.x", state="open", occurred_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert notice_event(notice, id="d", sequence=None, version=0).kind == kind.value


def test_a_notice_of_an_unknown_kind_is_not_read() -> None:
    body = orjson.dumps(orjson.loads(event().to_bytes()) | {"type": "az.eherrac.gateway.weather"})
    with pytest.raises(RefusedError) as caught:
        parse_notice(body)
    assert caught.value.refusal.code is ErrorCode.SCHEMA_INVALID
    assert caught.value.refusal.facts["path"] == "/type"


def test_a_reason_that_others_wrote_is_told_in_one_bounded_line() -> None:
    reason = "  EA178\r\nrequest\u2028rejected " + "x" * 600
    told = notice_event(replace(NOTICE, reason=reason, reference=" \n"), id="d", sequence=1, version=1)
    assert told.data.reason is not None
    assert told.data.reason.startswith("EA178 request rejected x")
    assert len(told.data.reason) == 500
    assert told.data.reference is None
