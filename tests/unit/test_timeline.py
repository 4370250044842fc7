"""The journal as people read it: every event there is has its sentence in every language, with its facts in it."""

from __future__ import annotations

import string
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.domain import delivery
from gateway.domain.dispatches import PaymentKind
from gateway.domain.events import lot as lots
from gateway.domain.events import order as orders
from gateway.domain.events import payment as payments
from gateway.domain.money import Money
from gateway.domain.nouns import TABLES
from gateway.domain.table import Alarm
from gateway.domain.values import Account
from gateway.engine import codec
from gateway.store.rows import JournalRow
from gateway.timeline import LANGUAGES, catalogue, line, sentence

EVENTS = {f"{name}.{event}": cls for name, table in TABLES.items() for event, cls in table.events.items()}
ROWS = {f"{name}.{row.event.__name__}.{row.target}" for name, table in TABLES.items() for row in table.rows()}
OF_ANY_NOUN: dict[str, type[Any]] = {
    f"*.{cls.__name__}": cls
    for cls in (
        delivery.DeliveryAcknowledged,
        delivery.DeliveryTakenOver,
        delivery.DeliveryDeferred,
        delivery.DeliveryParked,
        delivery.Requeued,
        delivery.Discarded,
        delivery.TimerPassed,
        Alarm,
    )
}
ACCOUNT = Account(holder="İcra depoziti", iban="AZ73EHRN01010000000000000001", bic="EHRNAZ22")


def row(
    noun: str, event: Any, *, name: str | None = None, before: str | None = "sent", after: str = "sent"
) -> JournalRow:
    return JournalRow(
        seq=1,
        noun=noun,
        noun_id="L1.purchase",
        version=3,
        lot_id="L1",
        owner="999101",
        at=datetime(2026, 11, 23, 22, 30, 5, 7_900, tzinfo=UTC),
        event=name or type(event).__name__,
        before=before,
        after=after,
        cause_source="AOS",
        cause_id="m1",
        data=codec.encode(event),
        prev_hash=b"",
        hash=b"",
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_event_has_its_sentence_and_every_sentence_its_event(language: str) -> None:
    """And where a state has one of its own, the event leads there."""
    keys = set(catalogue(language))
    special = {key for key in keys if key.count(".") > 1}
    assert keys - special == EVENTS.keys() | OF_ANY_NOUN.keys()
    assert special <= ROWS
    assert special == {key for key in catalogue("az") if key.count(".") > 1}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", sorted(catalogue("az")))
def test_a_sentence_speaks_only_of_its_events_facts(key: str, language: str) -> None:
    named = {field for _, field, _, _ in string.Formatter().parse(catalogue(language).get(key, "")) if field}
    event = (EVENTS | OF_ANY_NOUN)[".".join(key.split(".")[:2])]
    assert named <= set(event.__dataclass_fields__)


def test_a_sentence_may_depend_on_where_the_event_led() -> None:
    refused = payments.Rejected(code="DT01", reason="")
    told = {after: sentence(row("payment", refused, after=after), "en") for after in ("refused", "unknown", "ordered")}
    assert len(set(told.values())) == 3
    assert "refused: DT01" in told["refused"]


def test_a_line_has_baku_time_noun_states_and_words() -> None:
    settled = payments.Settled(reference="REF1", settled_at=datetime(2026, 11, 23, tzinfo=UTC))
    shown = line(row("payment", settled, before="unknown", after="settled"), "en")
    assert shown.split(maxsplit=5) == [
        "02:30:05.007", "L1.purchase", "unknown", "→", "settled", "settled (STAT), reference REF1",
    ]  # fmt: skip


def test_a_state_that_stays_is_shown_once() -> None:
    assert "→" not in line(row("payment", orders.Sent(), before="sent", after="sent"), "en")
    assert "→" not in line(row("payment", orders.Sent(), before=None, after="sent"), "en")


@pytest.mark.parametrize(
    ("case_number", "words"),
    [("5-1/2026", "payment ordered: 10000.00 AZN, case 5-1/2026"), (None, "payment ordered: 10000.00 AZN, case -")],
)
def test_money_is_written_with_its_currency_and_a_missing_fact_as_a_dash(case_number: str | None, words: str) -> None:
    ordered = payments.Ordered(
        kind=PaymentKind.REQUEST,
        reason=payments.Reason.PURCHASE,
        origin="L1",
        lot_id="L1",
        owner="999101",
        amount=Money(1_000_000),
        debtor=ACCOUNT,
        creditor=ACCOUNT,
        case_number=case_number,
        case_number_required=False,
        purpose="Lot L1",
    )
    assert sentence(row("payment", ordered), "en") == words


def test_an_alarm_is_named_by_its_title_and_code() -> None:
    alarm = Alarm("RECEIPT_MISSING", {"protocol": "L1.protocol"})
    assert sentence(row("protocol", alarm, name="Alarm:RECEIPT_MISSING"), "en") == (
        "alarm: An authority's receipt is missing (RECEIPT_MISSING)"
    )


def test_an_event_without_a_sentence_is_shown_by_its_name() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Invented:
        pass

    assert sentence(row("lot", Invented())) == "Invented"


def test_braces_in_a_fact_are_only_text() -> None:
    declined = lots.AuctionCancelled(reason="{holder} {0}")
    assert sentence(row("lot", declined), "en") == "auction cancelled ({holder} {0})"
