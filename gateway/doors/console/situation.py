"""What is wrong, out of what is known: pure. The worst first; nothing found means that all is well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from certs.expiry import Expiry
from certs.freshness import IssuerStanding, RevocationState
from gateway.domain.credit.data import CreditState
from gateway.domain.delivery import DeliveryState
from gateway.domain.dispatches import Channel
from gateway.domain.liquidity import Liquidity, LiquidityState
from gateway.domain.payment.data import PaymentState
from gateway.domain.recipient import CLOSED, Breaker
from gateway.engine.room import Level, Room
from gateway.engine.stamping import StampStanding
from gateway.engine.watchdog import Census
from gateway.store.interface import Lane
from gateway.store.rows import OutboxCount

COUNTS_MISSED_MAX = 3  # so many intervals without a count are a fault of the watchdog
STAMPS_MISSED_MAX = 3  # so many intervals without a stamp are an outage of the authority of time
_UNRESOLVED = (  # nobody knows where the money is, and nobody asks any more
    ("payment", PaymentState.UNRESOLVED),
    ("credit", CreditState.UNRESOLVED),
    ("credit", CreditState.RETURN_UNRESOLVED),
)
_SEEN_AT_THE_BROKER = frozenset({"topics", "grants"})  # while nothing is read there, their verdicts are old or none
_OVER_KAFKA = (Channel.MINISTRIES, Channel.REFUSALS)
_LOUD_RUNG_DAYS, _QUIET_RUNG_DAYS = 7, 30


class Severity(IntEnum):
    """How loudly it is told; greater is worse."""

    PERSON = 1  # nothing is broken: somebody's decision is wanted
    WARNING = 2  # it works, and will not for ever
    ALARM = 3  # something does not work

    @property
    def word(self) -> str:
        return self.name.lower()


class Kind(StrEnum):
    """What can be wrong, the worst first; its texts stand in the catalogue under `trouble.KIND`."""

    STORE_TAMPERED = "store_tampered"
    STORE_AWAY = "store_away"
    STORE_FULL = "store_full"
    PAYMENT_UNRESOLVED = "payment_unresolved"
    RAIL_SILENT = "rail_silent"
    ISSUER_CLOSED = "issuer_closed"
    CERTIFICATE_REVOKED = "certificate_revoked"
    CERTIFICATE_ENDED = "certificate_ended"
    NOT_SCHEDULED = "not_scheduled"
    DELIVERY_LATE = "delivery_late"
    NOT_COUNTED = "not_counted"
    INTAKE_CLOSED = "intake_closed"
    CERTIFICATE_ENDS = "certificate_ends"
    STAMPS_CLOSED = "stamps_closed"
    BROKER_AWAY = "broker_away"
    TOPICS_WRONG = "topics_wrong"
    GRANT_MISSING = "grant_missing"
    GRANT_EXCESSIVE = "grant_excessive"
    PAYMENT_UNKNOWN = "payment_unknown"
    LIQUIDITY_SHORT = "liquidity_short"
    STORE_FILLING = "store_filling"
    ISSUER_STALE = "issuer_stale"
    RECIPIENT_SILENT = "recipient_silent"
    TOPIC_SILENT = "topic_silent"
    STAMPS_WAITING = "stamps_waiting"
    GRANTS_NOT_ENFORCED = "grants_not_enforced"
    PERSON_WANTED = "person_wanted"
    DELIVERY_PARKED = "delivery_parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that is wrong. `since` is None where nobody knows; `facts` fill the texts."""

    kind: Kind
    severity: Severity
    subject: str = ""
    since: datetime | None = None
    grace_left_s: float | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneView:
    """What goes to one recipient over one channel."""

    channel: str
    recipient: str
    waiting: int
    parked: int
    oldest_at: datetime | None
    breaker: Breaker
    silent_since: datetime | None
    next_at: datetime | None  # of the next attempt; None where all that is left waits for a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that is known at one moment. None: not watched, or nothing is known."""

    at: datetime
    census: Census
    count_every_s: float
    backlog_max: int
    checks: Mapping[str, bool]
    standings: Sequence[IssuerStanding]
    stamping: StampStanding | None
    stamp_every_s: float
    expiries: Sequence[Expiry]
    breakers: Mapping[Lane, Breaker]
    silent_since: Mapping[Lane, datetime]
    liquidity: Sequence[tuple[str, Liquidity, datetime]]  # account, standing, when told last
    person_since: datetime | None  # since when the first noun waits for a person
    grace: timedelta  # of revocation data
    watched_since: datetime | None = None  # by this process
    grants: Sequence[tuple[str, Mapping[str, str]]] = ()  # alarms about the brokers' ACLs, and their facts


def troubles(found: Findings) -> list[Trouble]:
    """What is wrong, the loudest first: of alarms the worst, of what still works what runs out soonest."""
    told = [*_checks(found), *_watchdog(found), *_issuers(found), *_stamps(found), *_lanes(found)]
    told += [*_certificates(found), *_liquidity(found), *_persons(found)]
    worst, endless = list(Kind), float("inf")

    def place(trouble: Trouble) -> tuple[float, ...]:
        kind, left = worst.index(trouble.kind), endless if trouble.grace_left_s is None else trouble.grace_left_s
        return (-trouble.severity, *((kind, left) if trouble.severity is Severity.ALARM else (left, kind)))

    return sorted(told, key=place)


def lanes(found: Findings) -> list[LaneView]:
    """Every lane that has something waiting, or that does not answer."""
    rows: dict[Lane, list[OutboxCount]] = {}
    for row in found.census.outbox:
        if row.channel != Channel.TIMER:
            rows.setdefault((row.channel, row.recipient), []).append(row)
    known = sorted({*rows, *found.breakers, *found.silent_since})
    return [_lane(lane, rows.get(lane, []), found) for lane in known]


def _lane(lane: Lane, rows: Sequence[OutboxCount], found: Findings) -> LaneView:
    breaker = found.breakers.get(lane, CLOSED)
    due = [at for row in rows if row.state == DeliveryState.DUE and (at := row.oldest_due_at) is not None]
    return LaneView(
        channel=lane[0],
        recipient=lane[1],
        waiting=sum(row.count for row in rows if row.state == DeliveryState.DUE),
        parked=sum(row.count for row in rows if row.state == DeliveryState.PARKED),
        oldest_at=min((row.oldest_created_at for row in rows), default=None),
        breaker=breaker,
        silent_since=found.silent_since.get(lane),
        next_at=max(min(due), breaker.probe_at or found.at) if due else None,  # what stands behind a parked one waits
    )


def _checks(found: Findings) -> Iterator[Trouble]:
    named = {
        "store": Kind.STORE_AWAY,
        "broker": Kind.BROKER_AWAY,
        "topics": Kind.TOPICS_WRONG,
        "grants": Kind.GRANT_MISSING,
    }
    failed = [name for name in named if not found.checks.get(name, True)]
    for name in failed:
        if "broker" not in failed or name not in _SEEN_AT_THE_BROKER:
            yield Trouble(kind=named[name], severity=Severity.ALARM)
    for alarm, facts in found.grants:
        if alarm == "GRANT_EXCESSIVE":
            subject = f"{facts['principal']} {facts['operation']} {facts['topic']}"
            yield Trouble(kind=Kind.GRANT_EXCESSIVE, severity=Severity.ALARM, subject=subject)
        elif alarm == "GRANTS_NOT_ENFORCED":
            yield Trouble(kind=Kind.GRANTS_NOT_ENFORCED, severity=Severity.WARNING, subject=facts["brokers"])


def _watchdog(found: Findings) -> Iterator[Trouble]:
    counted_at = found.census.at
    late = timedelta(seconds=COUNTS_MISSED_MAX * found.count_every_s)
    begun_at = counted_at or found.watched_since  # right after the start there is no count yet
    if begun_at is None or found.at - begun_at > late:
        yield Trouble(kind=Kind.NOT_COUNTED, severity=Severity.ALARM, since=counted_at)
    if found.census.backlog > found.backlog_max:
        facts = {"backlog": str(found.census.backlog), "most": str(found.backlog_max)}
        yield Trouble(kind=Kind.INTAKE_CLOSED, severity=Severity.ALARM, facts=facts)
    yield from _room(found.census.room)
    lost = [alarm.facts for alarm in found.census.alarms if alarm.code == "NOT_SCHEDULED"]
    if lost:
        facts = {"count": str(len(lost)), "first": f"{lost[0]['noun']} {lost[0]['id']}"}
        yield Trouble(kind=Kind.NOT_SCHEDULED, severity=Severity.ALARM, facts=facts)
    changed = [alarm.facts for alarm in found.census.alarms if alarm.code == "STORE_TAMPERED"]
    if changed:
        facts = {"count": str(len(changed)), "first": f"{changed[0]['noun']} {changed[0]['id']}"}
        yield Trouble(kind=Kind.STORE_TAMPERED, severity=Severity.ALARM, facts=facts)
    for alarm in found.census.alarms:
        lane = (alarm.facts.get("channel", ""), alarm.facts.get("recipient", ""))
        explained = lane in found.silent_since or (lane[0] in _OVER_KAFKA and _kafka_fails(found))
        if alarm.code == "DELIVERY_LATE" and not explained:
            yield Trouble(
                kind=Kind.DELIVERY_LATE, severity=Severity.ALARM, subject=lane[1] or lane[0], facts=alarm.facts
            )


def _room(room: Room) -> Iterator[Trouble]:
    if room.level is Level.FULL:
        yield Trouble(kind=Kind.STORE_FULL, severity=Severity.ALARM, facts=room.facts)
    elif room.level is Level.FILLING:
        yield Trouble(kind=Kind.STORE_FILLING, severity=Severity.WARNING, facts=room.facts)


def _issuers(found: Findings) -> Iterator[Trouble]:
    for standing in found.standings:
        facts = {"source": standing.source.value if standing.source else "none"}
        ended = standing.fresh_until
        if standing.state is RevocationState.CLOSED:
            since = None if ended is None else ended + found.grace
            yield Trouble(
                kind=Kind.ISSUER_CLOSED, severity=Severity.ALARM, subject=standing.issuer, since=since, facts=facts
            )
        elif standing.state is RevocationState.STALE:
            yield Trouble(
                kind=Kind.ISSUER_STALE,
                severity=Severity.WARNING,
                subject=standing.issuer,
                since=ended,
                grace_left_s=standing.grace_left_s,
                facts=facts,
            )


def _stamps(found: Findings) -> Iterator[Trouble]:
    standing = found.stamping
    if standing is None or standing.waiting_since is None:
        return
    if standing.grace_left_s <= 0:
        yield Trouble(kind=Kind.STAMPS_CLOSED, severity=Severity.ALARM, since=standing.waiting_since)
    elif found.at - standing.waiting_since > timedelta(seconds=STAMPS_MISSED_MAX * found.stamp_every_s):
        yield Trouble(
            kind=Kind.STAMPS_WAITING,
            severity=Severity.WARNING,
            since=standing.waiting_since,
            grace_left_s=standing.grace_left_s,
        )


def _lanes(found: Findings) -> Iterator[Trouble]:
    for lane in lanes(found):
        kind = _SILENT.get(lane.channel, Kind.RECIPIENT_SILENT)
        if lane.silent_since is not None and not (kind is Kind.TOPIC_SILENT and _kafka_fails(found)):
            facts = {"channel": lane.channel, "waiting": str(lane.waiting), "parked": str(lane.parked)}
            yield Trouble(
                kind=kind,
                severity=Severity.ALARM if kind is Kind.RAIL_SILENT else Severity.WARNING,
                subject=lane.recipient,
                since=lane.silent_since,
                facts=facts,
            )


_SILENT: Mapping[
    str, Kind
] = {  # at Kafka it is the broker that is silent, never the ministry; without a rail no payment moves
    Channel.MINISTRIES: Kind.TOPIC_SILENT,
    Channel.REFUSALS: Kind.TOPIC_SILENT,
    Channel.AOS: Kind.RAIL_SILENT,
    Channel.AZIPS: Kind.RAIL_SILENT,
}


def _kafka_fails(found: Findings) -> bool:
    """It is told as such, and explains what waits for the ministries."""
    return not all(found.checks.get(name, True) for name in ("broker", *_SEEN_AT_THE_BROKER))


def _certificates(found: Findings) -> Iterator[Trouble]:
    for expiry in found.expiries:
        rung = expiry.rung(found.at)
        if rung is None or rung > _QUIET_RUNG_DAYS:
            continue
        yield Trouble(
            kind=_end(expiry, found.at),
            severity=Severity.ALARM if rung <= _LOUD_RUNG_DAYS else Severity.WARNING,
            subject=expiry.name,
            since=expiry.ends_at if rung == 0 else None,
            grace_left_s=None if rung == 0 else (expiry.ends_at - found.at).total_seconds(),
            facts={"holder": expiry.holder.value, "serial": expiry.serial},
        )


def _end(expiry: Expiry, at: datetime) -> Kind:
    if expiry.rung(at) != 0:
        return Kind.CERTIFICATE_ENDS
    return Kind.CERTIFICATE_ENDED if expiry.ends_at == expiry.not_after else Kind.CERTIFICATE_REVOKED


def _liquidity(found: Findings) -> Iterator[Trouble]:
    for account, standing, at in found.liquidity:
        if standing.state is LiquidityState.SHORT:
            yield Trouble(kind=Kind.LIQUIDITY_SHORT, severity=Severity.WARNING, subject=account, since=at)


def _persons(found: Findings) -> Iterator[Trouble]:
    parked = [row for row in found.census.outbox if row.state == DeliveryState.PARKED]
    count = sum(row.count for row in parked)
    if count:
        since = min((row.oldest_parked_at for row in parked if row.oldest_parked_at is not None), default=None)
        yield Trouble(
            kind=Kind.DELIVERY_PARKED,
            severity=Severity.PERSON,
            since=since,
            facts={"count": str(count)},
            link="/waiting#parked",
        )
    in_vain = sum(found.census.nouns.get(key, 0) for key in _UNRESOLVED)
    if in_vain:
        yield Trouble(
            kind=Kind.PAYMENT_UNRESOLVED, severity=Severity.ALARM, facts={"count": str(in_vain)}, link="/waiting#nouns"
        )
    nouns = found.census.waiting - count - in_vain
    if nouns:
        yield Trouble(
            kind=Kind.PERSON_WANTED,
            severity=Severity.PERSON,
            since=found.person_since,
            facts={"count": str(nouns)},
            link="/waiting#nouns",
        )
    unknown = found.census.nouns.get(("payment", PaymentState.UNKNOWN), 0)
    if unknown:
        yield Trouble(
            kind=Kind.PAYMENT_UNKNOWN, severity=Severity.WARNING, facts={"count": str(unknown)}, link="/waiting#unknown"
        )
