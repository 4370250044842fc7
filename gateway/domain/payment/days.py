"""The day of an order: AÖS takes it only on the operating day it names (AOS-C2), and days end while it is on its way.

A copy refused for its day says nothing of an earlier one, which may have been executed before the day ended. So AÖS is
asked; only when it has nothing of the order, or says that the order itself was refused for its day, does the payment
become a new order: of the present day, under an id of its own, since the old one is used up (AOS-C3). The end-to-end id
stays. By then no copy of the old order can be executed any more, and a word that one was is a regression.
"""

from __future__ import annotations

from datetime import datetime

from gateway.domain import asking, ids
from gateway.domain.clock import local_date
from gateway.domain.events.order import NotKnownToRail
from gateway.domain.events.payment import Consented, Rejected, Settled
from gateway.domain.frozen import replace
from gateway.domain.payment.data import Payment
from gateway.domain.table import Context


def of_an_earlier_order(payment: Payment, event: Settled | Rejected | Consented, _: Context) -> bool:
    """It speaks of an order that this payment has since replaced."""
    return payment.renewals > 0 and event.order_id not in (None, payment.message_id)


def a_copy_came_on_another_day(payment: Payment, event: Rejected, context: Context) -> bool:
    """By AÖS's own clock; not where it answers a question, which speaks of the order and not of a copy."""
    return not event.asked and _of_another_day(payment, event, context)


def ended_for_its_day(payment: Payment, event: Rejected, context: Context) -> bool:
    """Asked, AÖS says that the order was refused for its day."""
    return event.asked and _of_another_day(payment, event, context)


def a_copy_was_refused_for_its_day(payment: Payment, _: NotKnownToRail, __: Context) -> bool:
    """Going again as the same message, it would be refused again."""
    return payment.day_refused_at is not None


def _of_another_day(payment: Payment, event: Rejected, context: Context) -> bool:
    rail = context.rules.rail
    wrong = asking.is_of_another_day(event.code, event.told_at, payment.created_at, rail)
    return wrong and payment.renewals < rail.renewals_max


def renewed(payment: Payment, context: Context, told_at: datetime | None) -> Payment:
    """As an order of the present day; AÖS's clock may be a little ahead of ours."""
    created_at = max(context.now, told_at or payment.day_refused_at or context.now)
    seed = f"{context.id}/{payment.renewals + 1}"
    return replace(
        payment,
        message_id=ids.message_id(context.rules.rail.own_address, local_date(created_at), seed),
        created_at=created_at,
        renewals=payment.renewals + 1,
        day_refused_at=None,
        enquiry_id=None,
        resends=0,
    )
