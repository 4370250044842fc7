"""Our account in AÖS: asked on a schedule, judged by what is about to be paid, raised by policy or by a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest
from tests_house import House

from adapters.aos.central.checks import OperatingRules
from adapters.aos.central.participants import Participant
from adapters.aos.central.system import InstantPaymentSystem
from adapters.aos.mapping import RailProfile, message_for
from adapters.azips.mapping import limit_order
from contracts import mt
from contracts.iso20022 import registry
from gateway.domain import liquidity
from gateway.domain.dispatches import LimitIncrease, LimitSetting, StandingQuery
from gateway.domain.money import ZERO, Money
from gateway.domain.rulebook import LimitPolicy, LiquidityRule
from gateway.domain.table import ByAlias
from gateway.doors import azips_mapping
from gateway.doors.aos_mapping import hear

NOON = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
ACCOUNT, SETTLEMENT, OURS = "AZCLEARING1", "AZSETTLEMENT1", "EHRNAZ22"


def watched(policy: LimitPolicy) -> House:
    house = House(now=NOON)
    rule = LiquidityRule(
        account=ACCOUNT, settlement_account=SETTLEMENT, reserve=Money(1_000), step=Money(5_000), policy=policy
    )
    house.rules = replace(house.rules, liquidity=rule)
    house.tell("liquidity", ACCOUNT, liquidity.LookDue(expected=Money(2_000)))
    return house


def stood(house: House, available: int, limit: int = 0) -> None:
    house.tell("liquidity", ACCOUNT, liquidity.Stood(limit=Money(limit), available=Money(available)))


def test_the_balance_is_asked_when_it_is_time(build) -> None:
    """AOS-L6, AOS-I5: camt.009 by the profile."""
    (query,) = watched(LimitPolicy.PERSON).bodies(StandingQuery)
    message = message_for(query, RailProfile(own_bic=OURS))
    registry.check(registry.build(message), registry.type_of(message))
    assert message.account == ACCOUNT


@pytest.mark.parametrize(("available", "state"), [(3_000, "enough"), (2_999, "short")])
def test_what_is_expected_and_the_reserve_must_be_there(available, state) -> None:
    """A limit that will not carry the coming payments is a person's where policy says so."""
    house = watched(LimitPolicy.PERSON)
    stood(house, available)
    assert house.state("liquidity", ACCOUNT) == state
    assert [alarm.code for alarm in house.alarms] == (["LIQUIDITY_SHORT"] if state == "short" else [])


def test_a_warning_that_nobody_asked_for_is_judged_like_an_answer() -> None:
    """AOS-L5: camt.010 below the threshold."""
    house = House(now=NOON)
    house.rules = watched(LimitPolicy.PERSON).rules
    stood(house, 999)
    assert house.state("liquidity", ACCOUNT) == "short"


def test_policy_sets_a_higher_limit_in_whole_steps() -> None:
    """AOS-L2, AOS-L3: camt.011 names the limit that is to be."""
    house = watched(LimitPolicy.CAMT_011)
    stood(house, 500, limit=10_000)
    (setting,) = house.bodies(LimitSetting)
    assert setting.limit == Money(15_000)
    assert house.state("liquidity", ACCOUNT) == "raising"
    stood(house, 5_500, limit=15_000)
    assert house.state("liquidity", ACCOUNT) == "enough"


@pytest.mark.parametrize(
    ("available", "steps"), [(5_001, 1), (5_000, 1), (4_999, 2)], ids=["below a step", "a step", "a qəpik above it"]
)
def test_what_is_missing_is_rounded_up_to_whole_steps_and_no_further(available: int, steps: int) -> None:
    """AOS-L2, AOS-L3: of 10 000, foreseen or kept in reserve."""
    house = watched(LimitPolicy.CAMT_011)
    house.tell("liquidity", ACCOUNT, liquidity.LookDue(expected=Money(9_000)))
    stood(house, available, limit=10_000)
    (setting,) = house.bodies(LimitSetting)
    assert setting.limit == Money(10_000 + steps * 5_000)


def test_policy_adds_to_the_limit_through_azips() -> None:
    """AOS-L1: MT205; accepted, the account is asked about again."""
    house = watched(LimitPolicy.MT205)
    stood(house, 0)
    (increase,) = house.bodies(LimitIncrease)
    order = limit_order(increase, own_bic=OURS, azips_bic="NABZAZ2CRTS", aos_bic="NABZAZ2CIPS")
    assert mt.read(mt.write(order)) == order
    assert (order.amount_minor, order.account) == (5_000, SETTLEMENT)
    answer = mt.Accepted(from_bic="NABZAZ2CRTS", to_bic=OURS, reference="R1", related_reference=increase.reference)
    heard = azips_mapping.hear(answer, NOON)
    assert heard is not None
    assert heard.target.id == ByAlias("azips.limit", increase.reference)
    house.tell("liquidity", ACCOUNT, heard.event)
    assert len(house.bodies(StandingQuery)) == 2


@pytest.mark.parametrize("policy", [LimitPolicy.CAMT_011, LimitPolicy.MT205])
def test_a_raise_that_is_refused_is_a_persons(policy) -> None:
    house = watched(policy)
    stood(house, 0)
    house.tell("liquidity", ACCOUNT, liquidity.RaiseRefused(code="AM04", reason="vəsait yoxdur"))
    assert house.state("liquidity", ACCOUNT) == "short"
    assert house.alarms[-1].code == "LIQUIDITY_SHORT"


def test_as_long_as_it_is_short_a_person_is_told_once() -> None:
    house = watched(LimitPolicy.PERSON)
    for _ in range(3):
        stood(house, 0)
        house.tell("liquidity", ACCOUNT, liquidity.LookDue(expected=ZERO))
    assert len(house.alarms) == 1
    stood(house, 1_000)
    assert house.state("liquidity", ACCOUNT) == "enough"


def test_the_central_system_answers_what_we_ask_and_set() -> None:
    """AOS-L3, AOS-L6: question, too little, a higher limit, and enough, by its own messages."""
    house, numbers, said = watched(LimitPolicy.CAMT_011), count(1), 0
    rows = [Participant(bic=OURS, code="GATEWAY", name="biz", clearing_account=ACCOUNT, opening_balance=100)]
    system = InstantPaymentSystem(
        "NABZAZ2CIPS", rows, OperatingRules(), lambda now: f"NABZAZ2CAIPS{next(numbers):021d}"
    )
    while said < len(house.sent):
        message = message_for(house.sent[said].body, RailProfile(own_bic=OURS))
        said += 1
        for outgoing in system.handle(message, OURS, NOON):
            heard = hear(outgoing.message, "EHRNAZ22XXXX")
            assert heard is not None
            id = heard.target.id
            house.tell(
                "liquidity",
                house.aliases[id.scheme, id.value, "liquidity"] if isinstance(id, ByAlias) else id,
                heard.event,
            )
    assert house.state("liquidity", ACCOUNT) == "enough"
    assert house.nouns["liquidity", ACCOUNT].available == Money(5_100)
