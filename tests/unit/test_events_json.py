"""JSON from outside is read once, strictly, and each fault is named."""

from __future__ import annotations

import pytest

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.fields import validated
from contracts.json import JsonLimits, parse_json
from contracts.rest.models import Decision

MALFORMED = {
    "cut_short": b'{"a": ',
    "two_values": b"{} {}",
    "nothing": b"",
    "repeated_key": b'{"amount": "1.00", "amount": "9.00"}',
    "repeated_key_inside": b'{"data": {"a": 1, "a": 2}}',
    "nan": b'{"amount": NaN}',
    "infinity": b'{"amount": -Infinity}',
    "not_utf8": b'{"a": "\xff"}',
    "utf16": '{"a": 1}'.encode("utf-16"),
    "byte_order_mark": b'\xef\xbb\xbf{"a": 1}',
    "single_quotes": b"{'a': 1}",
    "trailing_comma": b'{"a": 1,}',
    "seventeen_deep": b"[" * 17 + b"]" * 17,
    "a_million_deep": b"[" * 500_000,
    "lone_surrogate": rb'{"a": "\ud800"}',
    "not_a_character": rb'{"a": "\uffff"}',
    "not_a_character_as_it_stands": '{"a": "\ufffe"}'.encode(),
    "nul": rb'{"a": "\u0000"}',
    "nul_in_key": rb'{"\u0000": 1}',
    "endless_number": b"1" * 5_000,
    "endless_fraction": b"0." + b"1" * 5_000,
    "endless_exponent": b"1e9999999999999999999",
    "endless_negative_exponent": b"-1.5e-9999999999999999999",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_json_is_refused_with_its_fault(body: bytes) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_json(body)
    assert caught.value.refusal.code is ErrorCode.JSON_MALFORMED
    assert caught.value.refusal.facts["fault"]
    assert "sys." not in caught.value.refusal.facts["fault"]


def test_a_body_over_the_limit_is_not_read() -> None:
    with pytest.raises(RefusedError) as caught:
        parse_json(b'{"a": 1}', JsonLimits(body_max_bytes=7))
    assert caught.value.refusal.code is ErrorCode.BODY_TOO_LARGE
    assert caught.value.refusal.facts == {"limit_bytes": "7"}


def test_sixteen_levels_and_all_letters_of_azerbaijani_are_read() -> None:
    assert parse_json(b"[" * 16 + b"]" * 16) is not None
    assert parse_json('{"ad": "Əşrəf Çıraqlı ₼"}'.encode()) == {"ad": "Əşrəf Çıraqlı ₼"}


def test_a_fraction_is_never_a_float() -> None:
    assert str(parse_json(b"[0.1]")[0]) == "0.1"
    assert not isinstance(parse_json(b"[0.1]")[0], float)


@pytest.mark.parametrize(
    ("value", "path", "fault"),
    [
        ([], "/", "an object is wanted"),
        ({}, "/decision", "it is missing"),
        ({"decision": "maybe"}, "/decision", "wanted is 'accept' or 'refuse'"),
        ({"decision": "refuse", "reason": 1}, "/reason", "a string is wanted"),
        ({"decision": "refuse", "reason": "x", "colour": 1}, "/colour", "there is no such member"),
        ({"decision": "accept"}, "/", "an acceptance names the account that pays, in payer"),
    ],
)
def test_what_a_model_does_not_take_is_told_in_our_words(value: object, path: str, fault: str) -> None:
    with pytest.raises(RefusedError) as caught:
        validated(Decision, value)
    assert caught.value.refusal.facts == {"path": path, "fault": fault}
