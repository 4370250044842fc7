"""MT205 and the answers of AZIPS: what is written, what is read back, what is refused and at which field (AOS-L1)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.mt import read, write
from contracts.mt.registry import MESSAGES
from contracts.mt.samples import LIMIT_ORDER, SAMPLES

WRITTEN = (
    b"{1:F01EHRNAZ22AXXX0000000000}{2:I205NABZAZ2CARTSN}{4:\r\n"
    b":20:LIM261122000001\r\n:21:NONREF\r\n:32A:261122AZN250000,50\r\n:52A:EHRNAZ22\r\n"
    b":58A:/AZ50NABZ00000000000000006001\r\nNABZAZ2CIPS\r\n:72:/AOSLIMIT/\r\n-}"
)


def test_a_limit_order_is_an_mt205_with_the_settlement_account():
    """AOS-L1."""
    iban = LIMIT_ORDER.account.encode()
    assert write(LIMIT_ORDER) == WRITTEN.replace(b"AZ50NABZ00000000000000006001", iban)


@pytest.mark.parametrize("number", SAMPLES)
def test_every_message_is_read_back_as_it_was_written(number):
    assert read(write(SAMPLES[number])) == SAMPLES[number]


def test_there_is_a_sample_of_every_message():
    assert set(SAMPLES) == set(MESSAGES)


FAULTS = [
    (b":32A:261122AZN250000,50", b":32A:261122USD250000,50", ErrorCode.AMOUNT_INVALID, ":32A:"),
    (b":32A:261122AZN250000,50", b":32A:261122AZN250000.50", ErrorCode.AMOUNT_INVALID, ":32A:"),
    (b":32A:261122AZN250000,50", b":32A:261122AZN0,00", ErrorCode.AMOUNT_INVALID, ":32A:"),
    (b":32A:261122AZN250000,50", b":32A:260231AZN250000,50", ErrorCode.TIME_INVALID, ":32A:"),
    (b":20:LIM261122000001", b":20:LIM26112200000100", ErrorCode.SCHEMA_INVALID, ":20:"),
    (b":20:LIM261122000001", b":20:/LIM", ErrorCode.SCHEMA_INVALID, ":20:"),
    (b":20:LIM261122000001\r\n", b"", ErrorCode.SCHEMA_INVALID, ":20:"),
    (b":21:NONREF", b":21:NONREF\r\n:21:NONREF", ErrorCode.SCHEMA_INVALID, ":21:"),
    (b":52A:EHRNAZ22", b":52A:DEUTDEFF", ErrorCode.SCHEMA_INVALID, ":52A:"),
    (b":72:/AOSLIMIT/", b":72:/OTHER/", ErrorCode.SCHEMA_INVALID, ":72:"),
    (b":72:/AOSLIMIT/", b":72:{5:}", ErrorCode.SCHEMA_INVALID, ":72:"),
    (b":72:/AOSLIMIT/", "ə".encode(), ErrorCode.SCHEMA_INVALID, "{4:"),
    (b"{2:I205", b"{2:O205", ErrorCode.SCHEMA_INVALID, "{1:"),
    (b"\r\n-}", b"\r\n", ErrorCode.SCHEMA_INVALID, "{1:"),
]


@pytest.mark.parametrize(("old", "new", "code", "path"), FAULTS)
def test_a_fault_is_refused_with_its_field(old, new, code, path):
    data = write(LIMIT_ORDER)
    assert data.count(old) == 1
    with pytest.raises(RefusedError) as caught:
        read(data.replace(old, new))
    assert (caught.value.refusal.code, caught.value.refusal.facts["path"]) == (code, path)


def test_a_message_we_do_not_speak_is_refused_by_number():
    with pytest.raises(RefusedError) as caught:
        read(write(LIMIT_ORDER).replace(b"{2:I205", b"{2:I202"))
    assert caught.value.refusal.facts["operation"] == "MT202"


def test_a_message_beyond_the_limit_of_fin_is_not_read():
    with pytest.raises(RefusedError) as caught:
        read(write(LIMIT_ORDER) + b" " * 10_000)
    assert caught.value.refusal.code is ErrorCode.BODY_TOO_LARGE


@pytest.mark.parametrize(
    "change", [{"amount_minor": 0}, {"reference": "x" * 17}, {"account": "a b"}, {"account": "A\r\n-}"}]
)
def test_what_we_may_not_say_is_never_written(change):
    with pytest.raises(RefusedError):
        write(replace(LIMIT_ORDER, **change))


@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_whatever_comes_in_is_read_or_refused(number, data):
    """A byte changed, left out or put in anywhere: never another failure than a refusal."""
    sound = write(SAMPLES[number])
    start = data.draw(st.integers(0, len(sound)))
    end = data.draw(st.integers(start, min(len(sound), start + 3)))
    try:
        message = read(sound[:start] + data.draw(st.binary(max_size=4)) + sound[end:])
    except RefusedError:
        return
    assert read(write(message)) == message
