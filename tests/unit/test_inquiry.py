"""What AÖS tells, asked or unasked: kept, and moving nothing (AOS-I3, AOS-I4, AOS-I6 to AOS-I8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import count

import pytest
from tests_house import House

from adapters.aos.central.checks import OperatingRules
from adapters.aos.central.participants import Participant
from adapters.aos.central.system import InstantPaymentSystem
from adapters.aos.mapping import RailProfile, message_for
from contracts.iso20022 import registry
from contracts.iso20022.samples import ORDER_COPY, STATEMENT, TEXT
from gateway.domain.dispatches import InformationKind, InformationQuery
from gateway.domain.inquiry import Asked
from gateway.domain.table import ByAlias
from gateway.doors.aos_mapping import hear

OURS, ACCOUNT = "EHRNAZ22", "AZCLEARING1"
NOON = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def told(house: House, message) -> None:
    heard = hear(message, "EHRNAZ22XXXX")
    assert heard is not None
    id = heard.target.id
    house.tell("inquiry", house.aliases[id.scheme, id.value, "inquiry"] if isinstance(id, ByAlias) else id, heard.event)


def ask(event: Asked) -> House:
    """Our question, and all that the central system says to it."""
    house, numbers = House(now=NOON), count(1)
    house.tell("inquiry", "Q1", event)
    rows = [Participant(bic=OURS, code="GATEWAY", name="biz", clearing_account=ACCOUNT, opening_balance=100)]
    system = InstantPaymentSystem(
        "NABZAZ2CIPS", rows, OperatingRules(), lambda now: f"NABZAZ2CAIPS{next(numbers):021d}"
    )
    (query,) = house.bodies(InformationQuery)
    message = message_for(query, RailProfile(own_bic=OURS))
    registry.check(registry.build(message), registry.type_of(message))
    for outgoing in system.handle(message, OURS, NOON):
        told(house, outgoing.message)
    return house


@pytest.mark.parametrize(
    ("event", "state", "summary"),
    [
        (Asked(kind=InformationKind.DAY), "answered", "2026-11-23"),
        (
            Asked(kind=InformationKind.STATEMENT, account=ACCOUNT, day=date(2026, 11, 23)),
            "answered",
            "2026-11-23 p1: 1.00 → 1.00, 0",
        ),
        (Asked(kind=InformationKind.STATEMENT, account="AZSOMEBODYELSE", day=date(2026, 11, 23)), "refused", None),
        (Asked(kind=InformationKind.COPY, order_id="EHRNAZ22XXXX261123000000000000404"), "refused", None),
    ],
)
def test_the_central_system_answers_our_questions(event, state, summary) -> None:
    """AOS-I3, AOS-I4, AOS-I6, AOS-R5."""
    house = ask(event)
    assert house.state("inquiry", "Q1") == state
    if summary is not None:
        assert house.nouns["inquiry", "Q1"].summary == summary


def test_a_copy_finds_the_question_by_the_order_it_is_of() -> None:
    """AOS-I3."""
    house = House(now=NOON)
    house.tell("inquiry", "Q1", Asked(kind=InformationKind.COPY, order_id=ORDER_COPY.original_message_id))
    told(house, ORDER_COPY)
    assert house.state("inquiry", "Q1") == "answered"


def test_a_statement_at_the_end_of_the_day_is_kept_page_by_page() -> None:
    """AOS-I8: nobody asked; told again it is one."""
    house = House(now=NOON)
    for page in (1, 2, 2):
        told(house, replace(STATEMENT, original_message_id=None, page=page))
    assert {state for (noun, id) in house.nouns for state in [house.state(noun, id)]} == {"told"}
    assert len(house.nouns) == 2
    assert house.alarms == []


def test_a_text_is_for_a_person_to_read() -> None:
    """AOS-I7."""
    house = House(now=NOON)
    told(house, TEXT)
    assert [alarm.code for alarm in house.alarms] == ["TEXT_RECEIVED"]
    (inquiry,) = house.nouns.values()
    assert TEXT.text in inquiry.summary
