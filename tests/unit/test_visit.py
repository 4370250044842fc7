"""A visit to the console: one link, one session, and an end by itself whatever happens."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests_house import START, House

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from gateway.domain.visit import Acted, Ended, Invited, Role, Seen, SignedIn, SignedOut, Visit

MINUTE = timedelta(minutes=1)


@pytest.fixture
def invited(house: House) -> House:
    event = Invited(person="Leyla", role=Role.VIEWER, link_sha256="aa", until=START + 10 * MINUTE)
    house.tell("visit", "v", event)
    return house


def sign_in(house: House, *, session: str = "bb") -> None:
    until, idle_until = house.now + 60 * MINUTE, house.now + 30 * MINUTE
    house.tell("visit", "v", SignedIn(session_sha256=session, until=until, idle_until=idle_until))


def visit(house: House) -> Visit:
    found: Visit = house.nouns["visit", "v"]
    return found


def test_a_link_signs_in_once(invited: House) -> None:
    sign_in(invited)
    assert visit(invited).is_present(invited.now)
    with pytest.raises(RefusedError) as refused:
        sign_in(invited, session="cc")
    assert refused.value.refusal.code is ErrorCode.STATE_CONFLICT
    assert invited.aliases == {("console.link", "aa", "visit"): "v", ("console.session", "bb", "visit"): "v"}


def test_a_link_that_is_too_old_signs_nobody_in_though_no_timer_has_fired(invited: House) -> None:
    invited.now += 10 * MINUTE
    with pytest.raises(RefusedError) as refused:
        sign_in(invited)
    assert refused.value.refusal.code is ErrorCode.DEADLINE_PASSED


def test_a_link_nobody_uses_lapses(invited: House) -> None:
    invited.fire("visit", "v", "end")
    assert invited.state("visit", "v") == "lapsed"


def test_who_does_nothing_is_gone_and_who_does_something_stays(invited: House) -> None:
    sign_in(invited)
    assert not visit(invited).is_present(START + 30 * MINUTE)
    invited.now += 20 * MINUTE
    invited.tell("visit", "v", Seen(idle_until=invited.now + 30 * MINUTE))
    assert visit(invited).is_present(START + 45 * MINUTE)
    assert invited.timers["visit", "v", "end"].due == START + 50 * MINUTE


def test_nobody_stays_beyond_the_end_of_the_session(invited: House) -> None:
    sign_in(invited)
    invited.now += 50 * MINUTE
    invited.tell("visit", "v", Seen(idle_until=invited.now + 30 * MINUTE))
    assert not visit(invited).is_present(START + 60 * MINUTE)
    assert invited.timers["visit", "v", "end"].due == START + 60 * MINUTE
    invited.fire("visit", "v", "end")
    assert invited.state("visit", "v") == "lapsed"


@pytest.mark.parametrize("end", [SignedOut(), Ended(by="Rauf")])
def test_an_ended_visit_goes_on_no_more(invited: House, end: SignedOut | Ended) -> None:
    sign_in(invited)
    invited.tell("visit", "v", end)
    assert not visit(invited).is_present(invited.now)
    assert invited.timers == {}
    with pytest.raises(RefusedError):
        invited.tell("visit", "v", Acted(action="retry", subject="d1"))
