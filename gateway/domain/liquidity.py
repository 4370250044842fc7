"""Liquidity: whether our account in AÖS carries what is about to be paid, and what is done where not (AOS-L1…L6).

The balance is asked on a schedule (camt.009), told back or by a warning (camt.010). A limit that will not carry what is
foreseen (`gateway.domain.forecast`) and the reserve is raised by policy (camt.011, or MT205 through AZIPS), or is a
person's. Asking changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain import ids
from gateway.domain.clock import local_date
from gateway.domain.dispatches import Channel, LimitIncrease, LimitSetting, StandingQuery
from gateway.domain.forecast import ForecastLine
from gateway.domain.frozen import replace
from gateway.domain.money import ZERO, Money
from gateway.domain.rulebook import LimitPolicy, LiquidityRule
from gateway.domain.table import Alarm, Alias, Change, Context, Effect, Send, StateTable, Tell

QUESTION_ALIAS = "aos.limit"  # our camt.009 and camt.011
INCREASE_ALIAS = "azips.limit"  # our MT205


class LiquidityState(StrEnum):
    """How our account stands."""

    ENOUGH = "enough"
    RAISING = "raising"  # too little, a higher limit is asked for
    SHORT = "short"  # too little: a person decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidity:
    """One account. Amounts as told last; `expected`, `until` and `lines` are the forecast when we asked last."""

    state: LiquidityState
    lot_id: str = ""
    owner: str = ""
    expected: Money = ZERO
    limit: Money = ZERO
    available: Money = ZERO
    until: datetime | None = None
    lines: tuple[ForecastLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LookDue:
    """Time to ask. `expected`: what payments take `until` then; `lines` say why."""

    expected: Money
    until: datetime | None = None
    lines: tuple[ForecastLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """camt.010: an answer, a change of the limit, or a warning (AOS-L5)."""

    limit: Money
    available: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Sufficed:
    """It carries what is expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FellShort:
    """It does not, and nobody but a person may raise it."""

    missing: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseWanted:
    """It does not, and policy says how it is raised."""

    missing: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseAccepted:
    """MT196: AZIPS has told AÖS; the new limit is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseRefused:
    """camt.025/ERRC or MT158."""

    code: str
    reason: str


_S = LiquidityState
TABLE = StateTable("liquidity", Liquidity, LiquidityState, final=(), waiting_for_person=(_S.SHORT,))


def _question(context: Context) -> tuple[Effect, ...]:
    query = StandingQuery(account=context.id, message_id=_id(context, "question"), created_at=context.now)
    return Alias(QUESTION_ALIAS, query.message_id), Send(Channel.AOS, "AOS", query)


def _id(context: Context, what: str) -> str:
    seed = f"{context.id}/{what}/{context.now.isoformat()}"
    return ids.message_id(context.rules.rail.own_address, local_date(context.now), seed)


@TABLE.on(None, event=LookDue, to=_S.ENOUGH)
def _first_look(_: None, event: LookDue, context: Context) -> Change[Liquidity]:
    return _look(Liquidity(state=_S.ENOUGH), event, context)


@TABLE.on(_S.ENOUGH, _S.RAISING, _S.SHORT, event=LookDue)
def _look(liquidity: Liquidity, event: LookDue, context: Context) -> Change[Liquidity]:
    """AOS-L6, AOS-I5."""
    liquidity = replace(liquidity, expected=event.expected, until=event.until, lines=event.lines)
    return Change(liquidity, _question(context))


@TABLE.on(None, event=Stood, to=_S.ENOUGH)
def _told_first(_: None, event: Stood, context: Context) -> Change[Liquidity]:
    return _told(Liquidity(state=_S.ENOUGH), event, context)


@TABLE.on(_S.ENOUGH, _S.RAISING, _S.SHORT, event=Stood)
def _told(liquidity: Liquidity, event: Stood, context: Context) -> Change[Liquidity]:
    """AOS-L5: a warning is judged like an answer."""
    liquidity = replace(liquidity, limit=event.limit, available=event.available)
    rule = context.rules.liquidity
    wanted = liquidity.expected + rule.reserve if rule is not None else liquidity.expected
    if event.available >= wanted:
        return Change(liquidity, (Tell("liquidity", context.id, Sufficed()),))
    missing = wanted - event.available
    by_person = rule is None or rule.policy is LimitPolicy.PERSON or liquidity.state is not _S.ENOUGH
    short = FellShort(missing=missing) if by_person else RaiseWanted(missing=missing)
    return Change(liquidity, (Tell("liquidity", context.id, short),))


@TABLE.on(_S.ENOUGH, _S.RAISING, _S.SHORT, event=Sufficed, to=_S.ENOUGH)
def _sufficed(liquidity: Liquidity, _: Sufficed, __: Context) -> Change[Liquidity]:
    return Change(liquidity)


@TABLE.on(_S.ENOUGH, _S.RAISING, event=FellShort, to=_S.SHORT)
@TABLE.on(_S.SHORT, event=FellShort)
def _fell_short(liquidity: Liquidity, event: FellShort, context: Context) -> Change[Liquidity]:
    """Told once; as long as it stays short the state says so."""
    if liquidity.state is _S.SHORT:
        return Change(liquidity)
    facts = {"account": context.id, "missing": str(event.missing), "available": str(liquidity.available)}
    return Change(liquidity, (Alarm("LIQUIDITY_SHORT", facts),))


@TABLE.on(_S.ENOUGH, event=RaiseWanted, to=_S.RAISING)
def _raise(liquidity: Liquidity, event: RaiseWanted, context: Context) -> Change[Liquidity]:
    """AOS-L1 by MT205: the amount is added. AOS-L2, AOS-L3 by camt.011: the limit is set."""
    rule = context.rules.liquidity
    assert rule is not None  # without a rule it is a person's
    facts = {"account": context.id, "missing": str(event.missing), "by": rule.policy.value}
    return Change(liquidity, (Alarm("LIQUIDITY_RAISED", facts), *_raising(liquidity, event.missing, rule, context)))


def _raising(liquidity: Liquidity, missing: Money, rule: LiquidityRule, context: Context) -> tuple[Effect, ...]:
    amount = Money(-(-missing.minor // rule.step.minor) * rule.step.minor)
    message_id = _id(context, "raise")
    if rule.policy is LimitPolicy.MT205:
        reference = f"L{message_id[-15:]}"
        increase = LimitIncrease(
            account=rule.settlement_account or context.id,
            reference=reference,
            amount=amount,
            created_at=context.now,
        )
        return Alias(INCREASE_ALIAS, reference), Send(Channel.AZIPS, "AZIPS", increase)
    setting = LimitSetting(
        account=context.id, message_id=message_id, limit=liquidity.limit + amount, created_at=context.now
    )
    return Alias(QUESTION_ALIAS, message_id), Send(Channel.AOS, "AOS", setting)


@TABLE.on(_S.RAISING, event=RaiseAccepted)
def _accepted(liquidity: Liquidity, _: RaiseAccepted, context: Context) -> Change[Liquidity]:
    return Change(liquidity, _question(context))


@TABLE.on(_S.RAISING, event=RaiseRefused, to=_S.SHORT)
def _refused(liquidity: Liquidity, event: RaiseRefused, context: Context) -> Change[Liquidity]:
    facts = {"account": context.id, "code": event.code, "reason": event.reason}
    return Change(liquidity, (Alarm("LIQUIDITY_SHORT", facts),))


@TABLE.on(_S.ENOUGH, _S.SHORT, event=RaiseAccepted)
@TABLE.on(_S.ENOUGH, _S.SHORT, event=RaiseRefused)
def _overtaken(liquidity: Liquidity, _: RaiseAccepted | RaiseRefused, __: Context) -> Change[Liquidity]:
    """A camt.010 was faster, or the question itself was refused (AOS-R5): the next look shows how it stands."""
    return Change(liquidity)
