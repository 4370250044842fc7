"""The verdict of the first page: what is known in, what is wrong out, the worst first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs.expiry import Expiry, Holder
from certs.freshness import IssuerStanding, RevocationSource
from gateway.domain.liquidity import Liquidity, LiquidityState
from gateway.domain.recipient import Breaker
from gateway.domain.table import Alarm
from gateway.doors.console import situation
from gateway.doors.console.situation import Findings, Kind, Severity, lanes, troubles
from gateway.engine.room import Level, Room
from gateway.engine.stamping import StampStanding
from gateway.engine.watchdog import Census
from gateway.store.rows import OutboxCount

NOW = datetime(2026, 11, 22, 23, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
BANK = ("banks", "999101")
MINISTRY = ("ministries", "ECONOMY")
GRACE = 2 * HOUR
GIB = 2**30


def standing(ended: timedelta) -> IssuerStanding:
    """Of an issuer whose freshness ended so long ago."""
    return IssuerStanding.of("CN=CA", NOW - ended, GRACE, NOW, RevocationSource.DELTA)


def ends_in(days: float) -> Expiry:
    begun = NOW - timedelta(days=365)
    return Expiry(
        holder=Holder.OWN, name="GATEWAY", serial="1f", not_before=begun, not_after=NOW + timedelta(days=days)
    )


def outbox(state: str, count: int = 1, **changes: datetime | None) -> OutboxCount:
    row = OutboxCount(
        channel=BANK[0],
        recipient=BANK[1],
        state=state,
        count=count,
        oldest_due_at=NOW - HOUR,
        oldest_created_at=NOW - 2 * HOUR,
        oldest_parked_at=None,
    )
    return replace(row, **changes)


WELL = Findings(
    at=NOW,
    census=Census(at=NOW, nouns={("lot", "concluded"): 3}),
    count_every_s=10,
    backlog_max=100,
    checks={"store": True, "broker": True},
    standings=(standing(-HOUR),),
    stamping=StampStanding(waiting_since=NOW - timedelta(seconds=30), grace_left_s=86_000),
    stamp_every_s=60,
    expiries=(ends_in(300), ends_in(80)),
    breakers={},
    silent_since={},
    liquidity=(("ACC", Liquidity(state=LiquidityState.ENOUGH), NOW),),
    person_since=None,
    grace=GRACE,
)


def census(**changes: object) -> dict[str, object]:
    return {"census": replace(WELL.census, **changes)}


def test_where_nothing_is_wrong_nothing_is_told() -> None:
    assert troubles(WELL) == []


CASES = [
    ({"checks": {"store": False}}, Kind.STORE_AWAY, Severity.ALARM, None, None),
    ({"checks": {"broker": False}}, Kind.BROKER_AWAY, Severity.ALARM, None, None),
    ({"checks": {"topics": False}}, Kind.TOPICS_WRONG, Severity.ALARM, None, None),
    ({"checks": {"grants": False}}, Kind.GRANT_MISSING, Severity.ALARM, None, None),
    (
        {"grants": (("GRANT_EXCESSIVE", {"principal": "User:x", "operation": "WRITE", "topic": "t"}),)},
        Kind.GRANT_EXCESSIVE,
        Severity.ALARM,
        None,
        None,
    ),
    (
        {"grants": (("GRANTS_NOT_ENFORCED", {"brokers": "k:9092"}),)},
        Kind.GRANTS_NOT_ENFORCED,
        Severity.WARNING,
        None,
        None,
    ),
    (census(at=None), Kind.NOT_COUNTED, Severity.ALARM, None, None),
    (census(at=NOW - timedelta(seconds=31)), Kind.NOT_COUNTED, Severity.ALARM, NOW - timedelta(seconds=31), None),
    (census(outbox=(outbox("due", 101),)), Kind.INTAKE_CLOSED, Severity.ALARM, None, None),
    (
        census(alarms=(Alarm("NOT_SCHEDULED", {"noun": "offer", "id": "L1.offer"}),)),
        Kind.NOT_SCHEDULED,
        Severity.ALARM,
        None,
        None,
    ),
    (
        census(room=Room(used=5 * GIB, free=GIB - 1, level=Level.FILLING)),
        Kind.STORE_FILLING,
        Severity.WARNING,
        None,
        None,
    ),
    (census(room=Room(used=5 * GIB, free=0, level=Level.FULL)), Kind.STORE_FULL, Severity.ALARM, None, None),
    (
        census(alarms=(Alarm("STORE_TAMPERED", {"noun": "payment", "id": "L1.purchase", "what": "data"}),)),
        Kind.STORE_TAMPERED,
        Severity.ALARM,
        None,
        None,
    ),
    (
        census(alarms=(Alarm("DELIVERY_LATE", {"channel": "banks", "recipient": "999101", "count": "1"}),)),
        Kind.DELIVERY_LATE,
        Severity.ALARM,
        None,
        None,
    ),
    ({"standings": (standing(HOUR),)}, Kind.ISSUER_STALE, Severity.WARNING, NOW - HOUR, 3600),
    ({"standings": (standing(3 * HOUR),)}, Kind.ISSUER_CLOSED, Severity.ALARM, NOW - HOUR, None),
    (
        {"stamping": StampStanding(waiting_since=NOW - HOUR, grace_left_s=82_800)},
        Kind.STAMPS_WAITING,
        Severity.WARNING,
        NOW - HOUR,
        82_800,
    ),
    (
        {"stamping": StampStanding(waiting_since=NOW - 24 * HOUR, grace_left_s=0)},
        Kind.STAMPS_CLOSED,
        Severity.ALARM,
        NOW - 24 * HOUR,
        None,
    ),
    ({"silent_since": {BANK: NOW - HOUR}}, Kind.RECIPIENT_SILENT, Severity.WARNING, NOW - HOUR, None),
    ({"silent_since": {MINISTRY: NOW - HOUR}}, Kind.TOPIC_SILENT, Severity.WARNING, NOW - HOUR, None),
    ({"silent_since": {("aos", "AOS"): NOW - HOUR}}, Kind.RAIL_SILENT, Severity.ALARM, NOW - HOUR, None),
    ({"expiries": (ends_in(29),)}, Kind.CERTIFICATE_ENDS, Severity.WARNING, None, 29 * 86_400),
    ({"expiries": (ends_in(6),)}, Kind.CERTIFICATE_ENDS, Severity.ALARM, None, 6 * 86_400),
    ({"expiries": (ends_in(-1),)}, Kind.CERTIFICATE_ENDED, Severity.ALARM, NOW - 24 * HOUR, None),
    (
        {"expiries": (replace(ends_in(300), revoked_at=NOW - HOUR),)},
        Kind.CERTIFICATE_REVOKED,
        Severity.ALARM,
        NOW - HOUR,
        None,
    ),
    (
        {"liquidity": (("ACC", Liquidity(state=LiquidityState.SHORT), NOW - HOUR),)},
        Kind.LIQUIDITY_SHORT,
        Severity.WARNING,
        NOW - HOUR,
        None,
    ),
    (
        census(nouns={("payment", "unresolved"): 2, ("credit", "return_unresolved"): 1}, waiting=3),
        Kind.PAYMENT_UNRESOLVED,
        Severity.ALARM,
        None,
        None,
    ),
    (census(nouns={("payment", "unknown"): 2}), Kind.PAYMENT_UNKNOWN, Severity.WARNING, None, None),
    (census(waiting=1) | {"person_since": NOW - HOUR}, Kind.PERSON_WANTED, Severity.PERSON, NOW - HOUR, None),
    (
        census(outbox=(outbox("parked", 1, oldest_parked_at=NOW - HOUR),), waiting=1),
        Kind.DELIVERY_PARKED,
        Severity.PERSON,
        NOW - HOUR,
        None,
    ),
]


@pytest.mark.parametrize(("changes", "kind", "severity", "since", "left_s"), CASES, ids=lambda value: str(value)[:40])
def test_one_thing_wrong_is_told_as_that_one_thing(
    changes: dict, kind: Kind, severity: Severity, since: datetime | None, left_s: float | None
) -> None:
    (told,) = troubles(replace(WELL, **changes))
    assert (told.kind, told.severity, told.since, told.grace_left_s) == (kind, severity, since, left_s)


def test_every_kind_of_trouble_has_its_case() -> None:
    assert {case[1] for case in CASES} == set(Kind)


def test_the_worst_stands_first_and_of_equals_what_runs_out_first() -> None:
    found = replace(
        WELL,
        checks={"broker": False},
        standings=(standing(HOUR),),
        stamping=StampStanding(waiting_since=NOW - HOUR, grace_left_s=60),
        silent_since={BANK: NOW},
    )
    assert [trouble.kind for trouble in troubles(found)] == [
        Kind.BROKER_AWAY,
        Kind.STAMPS_WAITING,
        Kind.ISSUER_STALE,
        Kind.RECIPIENT_SILENT,
    ]


def test_of_alarms_those_that_keep_money_from_moving_stand_first() -> None:
    """At night the first one is read first: a grant too much stood above a silent AÖS, and the database last."""
    excess = {"principal": "User:X", "operation": "WRITE", "topic": "eherrac.receipts"}
    found = replace(
        WELL,
        checks={"store": False, "broker": False},
        silent_since={("aos", "AOS"): NOW},
        grants=(("GRANT_EXCESSIVE", excess),),
        expiries=(ends_in(6),),
    )
    assert [trouble.kind for trouble in troubles(found)] == [
        Kind.STORE_AWAY,
        Kind.RAIL_SILENT,
        Kind.CERTIFICATE_ENDS,
        Kind.BROKER_AWAY,
        Kind.GRANT_EXCESSIVE,
    ]


def test_every_link_of_a_trouble_leads_to_a_part_of_the_page_that_is_there() -> None:
    counts = {("payment", "unknown"): 1, ("payment", "unresolved"): 1, ("lot", "held"): 1}
    found = replace(WELL, **census(outbox=(outbox("parked", 1),), nouns=counts, waiting=3))
    links = {trouble.link for trouble in troubles(found)} - {None}
    assert links == {"/waiting#parked", "/waiting#nouns", "/waiting#unknown"}
    page = (Path(situation.__file__).parent / "templates" / "waiting.html").read_text("utf-8")
    assert all(f'id="{link.partition("#")[2]}"' in page for link in links if link)


def test_what_waits_for_a_silent_recipient_is_not_told_twice() -> None:
    late = Alarm("DELIVERY_LATE", {"channel": "banks", "recipient": "999101", "count": "1"})
    found = replace(WELL, silent_since={BANK: NOW}, **census(alarms=(late,)))
    assert [trouble.kind for trouble in troubles(found)] == [Kind.RECIPIENT_SILENT]


def test_right_after_the_start_nobody_is_told_that_nothing_was_counted() -> None:
    begun = replace(WELL, watched_since=NOW - timedelta(seconds=2), **census(at=None))
    assert troubles(begun) == []
    later = replace(begun, watched_since=NOW - HOUR)
    assert [trouble.kind for trouble in troubles(later)] == [Kind.NOT_COUNTED]


@pytest.mark.parametrize("failing", [("broker",), ("topics",), ("grants",), ("broker", "topics", "grants")])
def test_what_fails_at_kafka_is_told_once_and_no_ministry_is_blamed(failing: tuple[str, ...]) -> None:
    late = Alarm("DELIVERY_LATE", {"channel": "ministries", "recipient": "JUSTICE", "count": "1"})
    checks = dict.fromkeys(failing, False)
    found = replace(WELL, checks=checks, silent_since={MINISTRY: NOW}, **census(alarms=(late,)))
    assert [trouble.kind for trouble in troubles(found)] == [
        {"broker": Kind.BROKER_AWAY, "topics": Kind.TOPICS_WRONG, "grants": Kind.GRANT_MISSING}[failing[0]]
    ]


def test_a_lane_says_what_waits_since_when_and_when_it_is_tried_next() -> None:
    probe_at = NOW + timedelta(minutes=5)
    rows = (outbox("due", 2), outbox("parked", 1), replace(outbox("due"), channel="timer", recipient="offer"))
    found = replace(WELL, breakers={BANK: Breaker(failures=5, probe_at=probe_at)}, **census(outbox=rows))
    (lane,) = lanes(found)
    assert (lane.channel, lane.recipient, lane.waiting, lane.parked) == ("banks", "999101", 2, 1)
    assert (lane.oldest_at, lane.next_at) == (NOW - 2 * HOUR, probe_at)
    (undisturbed,) = lanes(replace(found, breakers={}))
    assert undisturbed.next_at == NOW
    behind_a_parked_one = (outbox("due", 2, oldest_due_at=None), outbox("parked", 1))
    (stuck,) = lanes(replace(found, **census(outbox=behind_a_parked_one)))
    assert (stuck.waiting, stuck.next_at) == (2, None)
