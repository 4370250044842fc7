"""Which rail carries a payment, decided before anything is sent and journalled with the version of the rule.

AÖS up to its maximum, payments to the budget excepted from it (AOS-C9); AZIPS above, in its operating window, queued to
the next one otherwise. AZIPS carries transfers only: what we would have asked a bank for by pain.001 it then pays by
itself, and the credit is matched when it comes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from gateway.domain.clock import BAKU, IsBusinessDay, at_local_time, local_date
from gateway.domain.dispatches import PaymentKind
from gateway.domain.events.payment import Rail, RouteChosen, RouteMissing, RouteQueued, TransferAwaited
from gateway.domain.money import Money
from gateway.domain.rulebook import AzipsRule, Rulebook
from gateway.domain.values import Account

Route = RouteChosen | RouteQueued | RouteMissing | TransferAwaited


class Routable(Protocol):
    """What a route depends on: a payment, or one that is only foreseen."""

    @property
    def kind(self) -> PaymentKind: ...
    @property
    def amount(self) -> Money: ...
    @property
    def creditor(self) -> Account: ...


def choose(payment: Routable, rules: Rulebook, now: datetime) -> Route:
    """The route of a payment at this moment."""
    rail, azips = rules.rail, rules.azips
    if payment.creditor.bic in rail.budget_bics:
        return RouteChosen(rail=Rail.AOS, rule=f"aos.budget={payment.creditor.bic} ({rail.version})")
    rule = f"aos.max_amount={rail.max_amount} ({rail.version})"
    if payment.amount <= rail.max_amount:
        return RouteChosen(rail=Rail.AOS, rule=rule)
    if azips is None:
        return RouteMissing(reason=rule)
    if payment.kind is PaymentKind.REQUEST:
        return TransferAwaited(rule=rule)
    rule = f"{rule}; azips={azips.opens:%H:%M}-{azips.closes:%H:%M} ({azips.version})"
    opens = opens_at(azips, now, rules.is_business_day)
    if opens > now:
        return RouteQueued(rail=Rail.AZIPS, rule=rule, until=opens)
    return RouteChosen(rail=Rail.AZIPS, rule=rule)


def opens_at(azips: AzipsRule, now: datetime, is_business_day: IsBusinessDay) -> datetime:
    """Now, where the window is open; otherwise when it opens next. Days and times are Baku's."""
    day = local_date(now)
    if is_business_day(day) and now.astimezone(BAKU).time() < azips.closes:
        return max(now, at_local_time(day, azips.opens))
    day += timedelta(days=1)
    while not is_business_day(day):
        day += timedelta(days=1)
    return at_local_time(day, azips.opens)


def closes_at(azips: AzipsRule, now: datetime, is_business_day: IsBusinessDay) -> datetime:
    """When the window that is open, or opens next, closes."""
    return at_local_time(local_date(opens_at(azips, now, is_business_day)), azips.closes)
