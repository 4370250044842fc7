"""Scenarios: read strictly, dated at the moment of publishing; the demonstration's four lots keep the rules."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.platform.scenario import (
    LotScript,
    Pause,
    Publish,
    Scenario,
    WaitFor,
    demo_scenario,
    event_of,
    parse_scenario,
)
from contracts.events import platform
from contracts.events.notices import KINDS
from gateway.domain.collection import collection_id
from gateway.domain.guarantee import guarantee_id
from gateway.domain.money import Money
from gateway.domain.offer import offer_id
from gateway.domain.protocol import protocol_id
from gateway.domain.values import Purpose

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
AOS_MAX = Money(4_000_000)  # AOS-C9


@pytest.fixture(scope="module")
def demo() -> Scenario:
    return demo_scenario()


def events(script: LotScript) -> list[platform.PlatformEvent]:
    return [
        event_of(script, index, source="EHERRAC", now=NOW)
        for index, step in enumerate(script.steps)
        if isinstance(step, Publish)
    ]


def test_a_scenario_is_read_step_by_step() -> None:
    text = """
    name = "small"
    [[lot]]
    id = "L"
    [[lot.step]]
    pause_s = 1
    [[lot.step]]
    wait = { kind = "payment.state", subject = "L.payment", state = "settled" }
    [[lot.step]]
    publish = "az.eherrac.auction.cancelled.v1"
    data = { reason = "nümunə" }
    """
    steps = (
        Pause(seconds=1),
        WaitFor(kind="payment.state", subject="L.payment", state="settled"),
        Publish(type="az.eherrac.auction.cancelled.v1", data={"reason": "nümunə"}),
    )
    assert parse_scenario(text) == Scenario(name="small", lots=(LotScript(lot_id="L", steps=steps),))


def test_a_step_that_is_none_of_the_three_is_refused() -> None:
    with pytest.raises(ValueError, match="not a step"):
        parse_scenario('name = "x"\n[[lot]]\nid = "L"\n[[lot.step]]\ndance = true\n')


def test_an_event_is_dated_when_published_and_named_by_lot_and_position() -> None:
    data = {
        "title": "t",
        "address": "a",
        "regime": "tax",
        "claimant": "999101",
        "startingPrice": "1.00",
        "auctionAt": "@now+90s",
    }
    script = LotScript(lot_id="L", steps=(Pause(seconds=0), Publish(type="az.eherrac.lot.announced.v1", data=data)))
    event = event_of(script, 1, source="EHERRAC", now=NOW)
    assert isinstance(event, platform.LotAnnounced)
    assert (event.id, event.source, event.subject) == ("L-01", "EHERRAC", "L")
    assert event.data.auction_at == datetime(2026, 11, 22, 9, 31, 30, tzinfo=UTC)
    with pytest.raises(TypeError):
        event_of(script, 0, source="EHERRAC", now=NOW)


def test_the_demonstration_plays_four_lots_by_the_contract(demo: Scenario) -> None:
    assert [script.lot_id for script in demo.lots] == ["LOT-A", "LOT-B", "LOT-C", "LOT-D"]
    results = {
        script.lot_id: [event.data.result for event in events(script) if isinstance(event, platform.AuctionClosed)]
        for script in demo.lots
    }
    assert results == {"LOT-A": ["sold"], "LOT-B": ["unsold"], "LOT-C": ["unsold"], "LOT-D": ["unsold"]}


def test_every_enforcement_lot_of_the_demonstration_has_its_case_number(demo: Scenario) -> None:
    """EHR-12."""
    for script in demo.lots:
        announced = events(script)[0]
        assert isinstance(announced, platform.LotAnnounced)
        assert (announced.data.regime == "enforcement") == (announced.data.case_number is not None)


def test_what_a_claimant_pays_in_the_demonstration_fits_the_instant_rail(demo: Scenario) -> None:
    """AOS-C9."""
    for script in demo.lots:
        announced = events(script)[0]
        assert isinstance(announced, platform.LotAnnounced)
        assert Money.parse(announced.data.starting_price) <= AOS_MAX


def test_the_sold_lot_has_two_deposits_in_money_and_one_guarantee(demo: Scenario) -> None:
    """EHR-11."""
    bidders = [event.data for event in events(demo.lots[0]) if isinstance(event, platform.BidderRegistered)]
    assert [bidder.deposit_form for bidder in bidders] == ["money", "money", "guarantee"]
    assert bidders[2].guarantor == "999202"
    assert all("nümunə" in bidder.name for bidder in bidders)


def test_every_subject_waited_for_is_one_the_domain_names(demo: Scenario) -> None:
    for script in demo.lots:
        lot = script.lot_id
        bidders = [event.data.bidder_id for event in events(script) if isinstance(event, platform.BidderRegistered)]
        named = {lot, offer_id(lot), protocol_id(lot)}
        named |= {guarantee_id(lot, bidder) for bidder in bidders}
        named |= {collection_id(lot, purpose, bidder) for purpose in Purpose for bidder in bidders}
        waits = [step for step in script.steps if isinstance(step, WaitFor)]
        assert {wait.subject for wait in waits} <= named
        assert {wait.kind for wait in waits} <= set(KINDS)
