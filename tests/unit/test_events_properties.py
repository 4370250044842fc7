"""Whatever comes in, a reader of JSON either understands it or refuses it; amounts and IBANs survive the way round."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from rest_world import decision, event

from contracts.errors.refusal import RefusedError
from contracts.events.notices import parse_notice
from contracts.events.platform import PLATFORM_EVENTS, parse_event
from contracts.fields import AccountModel, iban_is_valid, make_iban, validated
from contracts.json import parse_json
from contracts.rest.models import Decision
from gateway.domain.money import Money

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)

LETTERS, DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
_ANOTHER = dict(zip(LETTERS + DIGITS, LETTERS[1:] + "A" + DIGITS[1:] + "0", strict=True))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for reader in (parse_json, parse_event, parse_notice):
        with contextlib.suppress(RefusedError):
            reader(data)


@given(st.sampled_from(sorted(event())), ANYTHING)
def test_an_event_with_any_value_anywhere_is_read_or_refused(name: str, value: Any) -> None:
    with contextlib.suppress(RefusedError):
        parse_event(orjson.dumps(event(**{name: value})))


@given(st.sampled_from(sorted(PLATFORM_EVENTS)), st.dictionaries(st.sampled_from(sorted(event()["data"])), ANYTHING))
def test_data_of_any_shape_is_read_or_refused(kind: str, changes: dict[str, Any]) -> None:
    with contextlib.suppress(RefusedError):
        parse_event(orjson.dumps(event(type=kind, data=event()["data"] | changes)))


@given(st.dictionaries(st.sampled_from(["decision", "payer", "reason", "decidedBy"]), ANYTHING))
def test_a_decision_of_any_shape_is_read_or_refused(changes: dict[str, Any]) -> None:
    with contextlib.suppress(RefusedError):
        validated(Decision, decision(**changes))


@given(st.integers(1, 10**17 - 1))
def test_an_amount_of_ours_is_read_as_the_same_money(minor: int) -> None:
    text = str(Money(minor))
    read = parse_event(orjson.dumps(event(data=event()["data"] | {"startingPrice": text})))
    assert Money.parse(read.data.starting_price) == Money(minor)  # type: ignore[union-attr]


@given(st.text(LETTERS, min_size=4, max_size=4), st.integers(0, 10**20 - 1), st.integers(4, 27))
def test_an_iban_holds_and_with_one_character_miswritten_does_not(letters: str, number: int, place: int) -> None:
    iban = make_iban(letters, str(number))
    assert iban_is_valid(iban)
    other = _ANOTHER[iban[place]]
    assert not iban_is_valid(iban[:place] + other + iban[place + 1 :])
    assert validated(AccountModel, {"holder": "x", "iban": iban, "bic": "XZRNAZ22"}).iban == iban
