"""The way out to AZIPS, before anything has left."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.azips.adapter import AzipsAdapter, AzipsSettings, Format
from gateway.domain.dispatches import LimitIncrease, PaymentKind, PaymentOrder
from gateway.domain.events.order import OutcomeUnknown
from gateway.domain.money import Money
from gateway.domain.values import Account
from gateway.errors import NotSentError
from gateway.ports import Dispatch, NotSent, Unknown

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
ORDER = PaymentOrder(
    payment_id="L1.refund.B2",
    lot_id="L1",
    kind=PaymentKind.TRANSFER,
    message_id="EHRNAZ22XXXX261123000000000000001",
    transaction_id="T1",
    end_to_end_id="L1.refund.B2",
    amount=Money(6_000_000),
    debtor=Account(holder="Depozit hesabı", iban="AZ73EHRN01010000000000000001", bic="EHRNAZ22"),
    creditor=Account(holder="Alıcı", iban="AZ08XZRN38010000000000010101", bic="XZRNAZ22"),
    purpose="Qaytarma",
    case_number="5-1/2026",
    created_at=NOW,
)
INCREASE = LimitIncrease(reference="LIM1", created_at=NOW, amount=Money(100), account="AZ73EHRN01010000000000000001")


class Wire:
    """Counts what would leave."""

    asked = 0

    async def request(self, *_: Any, **__: Any) -> Any:
        self.asked += 1
        raise NotSentError("nobody there")


def dispatch(body: PaymentOrder | LimitIncrease, *, may_have_left: bool) -> Dispatch:
    return Dispatch(
        id="d1", channel="azips", recipient="AZIPS", body=body, attempt=2, may_have_left=may_have_left, created_at=NOW
    )


@pytest.mark.parametrize("format", list(Format), ids=str)
async def test_a_payment_that_may_have_left_is_never_sent_again(format: Format) -> None:
    """Nobody says that AZIPS refuses a second copy: the payment becomes unknown, and a person asks."""
    wire = Wire()
    adapter = AzipsAdapter(wire, AzipsSettings(url="http://azips", own_bic="EHRNAZ22", format=format), None)  # type: ignore[arg-type]
    outcome = await adapter.send(dispatch(ORDER, may_have_left=True))
    assert isinstance(outcome, Unknown)
    assert isinstance(outcome.event, OutcomeUnknown)
    assert wire.asked == 0


@pytest.mark.parametrize(
    ("body", "may_have_left"),
    [(ORDER, False), (INCREASE, True)],
    ids=["that has not left", "that is an order of limits"],
)
async def test_all_else_is(body: PaymentOrder | LimitIncrease, may_have_left: bool) -> None:
    wire = Wire()
    adapter = AzipsAdapter(wire, AzipsSettings(url="http://azips", own_bic="EHRNAZ22"), None)  # type: ignore[arg-type]
    assert isinstance(await adapter.send(dispatch(body, may_have_left=may_have_left)), NotSent)
    assert wire.asked == 1
