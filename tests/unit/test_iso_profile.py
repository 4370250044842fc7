"""Every fault of a message at once, with its path and the rule it breaks (AOS-C1, AOS-C4, AOS-C5)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from contracts.errors import ErrorCode
from contracts.iso20022 import envelope, profile, registry, samples


def _bytes(message, *removed: str, **texts: str) -> bytes:
    document = registry.build(message)
    for leaf, text in texts.items():
        next(document.iter(f"{{*}}{leaf}")).text = text
    for leaf in removed:
        element = next(document.iter(f"{{*}}{leaf}"))
        element.getparent().remove(element)
    return etree.tostring(document)


def _found(data: bytes) -> list[tuple[str, str, str]]:
    return [
        (fault.refusal.facts.get("path", "").rsplit("/", 1)[-1], fault.rule, str(fault.refusal.code))
        for fault in profile.faults(data)
    ]


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_every_sample_is_without_fault_bare_and_wrapped(name):
    message = samples.SAMPLES[name]
    assert profile.faults(_bytes(message)) == ()
    wrapped = envelope.wrap(message, from_bic=samples.OPERATOR_BIC, to_bic=samples.SYSTEM_BIC)
    assert profile.faults(etree.tostring(wrapped)) == ()


def test_all_faults_are_told_at_once_each_with_its_rule():
    """AOS-C1, AOS-C4, AOS-C5."""
    data = _bytes(samples.RETURN, "InstdAgt", RtrdIntrBkSttlmAmt="-5", BICFI="DEUTDEFF")
    assert _found(data) == [
        ("BICFI", "AOS-C5", "SCHEMA_INVALID"),
        ("GrpHdr", "AOS-C1, AOS-C4", "SCHEMA_INVALID"),
        ("RtrdIntrBkSttlmAmt", "AOS-C4", "AMOUNT_INVALID"),
    ]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (_bytes(samples.TRANSFER, IBAN="AZ99EHRN00000000000000002001"), ErrorCode.IBAN_INVALID),
        (_bytes(samples.TRANSFER).replace(b"pacs.008.001.08", b"pacs.008.001.99"), ErrorCode.OPERATION_UNKNOWN),
        (b"<Document/>", ErrorCode.OPERATION_UNKNOWN),
        (b"<Document", ErrorCode.XML_MALFORMED),
    ],
    ids=["check digits", "version", "no namespace", "not XML"],
)
def test_what_no_schema_sees_is_told_too(data, code):
    """AOS-C4."""
    assert [fault.refusal.code for fault in profile.faults(data)] == [code]


def test_a_fault_of_the_header_is_told_but_not_that_it_is_unsigned():
    wrapped = envelope.wrap(samples.TRANSFER, from_bic=samples.OPERATOR_BIC, to_bic=samples.SYSTEM_BIC)
    next(wrapped.iter("{*}BizMsgIdr")).text = "ə"
    assert _found(etree.tostring(wrapped)) == [("BizMsgIdr", "AOS-C4", "SCHEMA_INVALID")]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(samples.SAMPLES)), st.data())
def test_whatever_is_checked_is_judged(name, data):
    """A few bytes changed anywhere: faults or none, never a failure."""
    sound = _bytes(samples.SAMPLES[name])
    start = data.draw(st.integers(0, len(sound)))
    changed = sound[:start] + data.draw(st.binary(max_size=3)) + sound[start + data.draw(st.integers(0, 3)) :]
    for fault in profile.faults(changed):
        assert fault.rule.startswith("AOS-C")
