"""A ministry is told of a refused receipt: to whom, how often, and what the document says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.publisher import PublisherSettings
from adapters.ministries.reader import ReadRecord
from adapters.ministries.receipts import RefusedRecord
from adapters.ministries.refusals import CLAIMED, SIGNED, Answers, RefusalsAdapter
from certs.authority import Authority
from certs.trust import TrustStore
from certs.xmldsig import sign_enveloped, verify_enveloped
from contracts.errors import ErrorCode, Refusal
from contracts.errors.catalogue import LANGUAGES, describe
from contracts.receipt.refusal import NAMESPACE, ReceiptRefused, build_refusal
from contracts.xml import CompiledSchema
from gateway.domain.dispatches import Channel
from gateway.ports import Dispatch, NotSent
from gateway.wire.identity import Identity

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
REFUSAL = Refusal(code=ErrorCode.DIGEST_MISMATCH, facts={"reference": "container", "expected": "\x00\ud800\U0001f600"})
RECORD = ReadRecord(
    topic="eherrac.receipts",
    partition=2,
    offset=17,
    key=b"LOT-A",
    value=b"<r:Receipt><r:Authority>ECONOMY</r:Authority></r:Receipt>",
    headers=(("ce_source", b"ECONOMY"),),
)
REFUSED = RefusedRecord(refusal=REFUSAL, record=RECORD)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def answers(clock: Clock) -> Answers:
    return Answers(frozenset({"ECONOMY", "JUSTICE"}), clock=clock)


def at(offset: int, refused: RefusedRecord = REFUSED) -> RefusedRecord:
    return replace(refused, record=replace(refused.record, offset=offset))


def test_what_was_refused_is_told_to_whoever_signed_it(answers: Answers) -> None:
    answer = answers.answer(replace(REFUSED, signer="JUSTICE"))
    assert answer is not None
    assert (answer.authority, answer.is_verified, answer.lot_id) == ("JUSTICE", True, "LOT-A")
    assert (answer.record, answer.code) == ("eherrac.receipts/2/17", "DIGEST_MISMATCH")


@pytest.mark.parametrize(
    ("headers", "value", "told"),
    [
        (RECORD.headers, b"", "ECONOMY"),
        ((), RECORD.value, "ECONOMY"),
        ((), b"<Authority> JUSTICE </Authority>", "JUSTICE"),
        ((("ce_source", b"BANK"),), RECORD.value, None),
        ((("ce_source", b"\xff\xfe"),), b"", None),
        ((), b"\x00 rubbish", None),
        ((), b"", None),
    ],
)
def test_of_what_is_not_believed_the_ministry_that_it_names_is_told(
    answers: Answers, headers: tuple[tuple[str, bytes], ...], value: bytes, told: str | None
) -> None:
    refused = replace(REFUSED, record=replace(RECORD, headers=headers, value=value))
    answer = answers.answer(refused)
    assert (None if answer is None else (answer.authority, answer.is_verified)) == (told and (told, False))


@pytest.mark.parametrize("key", [b"", b"\xff", b"a b", b"\n", b"x" * 121])
def test_a_key_that_is_no_lots_id_is_not_repeated(answers: Answers, key: bytes) -> None:
    answer = answers.answer(replace(REFUSED, record=replace(RECORD, key=key)))
    assert answer is not None
    assert answer.lot_id == ""


def test_nobody_has_us_write_without_end_and_a_ministry_that_signs_is_not_silenced_by_it(
    answers: Answers, clock: Clock
) -> None:
    told = [answers.answer(at(offset)) for offset in range(1000)]
    assert sum(answer is not None for answer in told) == CLAIMED.burst
    assert answers.answer(at(2000, replace(REFUSED, signer="ECONOMY"))) is not None
    clock.now += timedelta(seconds=1 / CLAIMED.rate_per_s)
    assert [answers.answer(at(offset)) is not None for offset in (3000, 3001)] == [True, False]
    signed = [answers.answer(at(offset, replace(REFUSED, signer="JUSTICE"))) for offset in range(1000)]
    assert sum(answer is not None for answer in signed) == SIGNED.burst


def test_a_record_that_is_dealt_with_again_takes_nothing_more_of_the_quota(answers: Answers) -> None:
    assert all(answers.answer(at(1)) is not None for _ in range(2 * CLAIMED.burst))
    assert sum(answers.answer(at(2 + offset)) is not None for offset in range(100)) == CLAIMED.burst - 1


def test_the_document_keeps_its_schema_and_says_what_callers_over_http_are_told() -> None:
    authority = Authority.create(NOW)
    credential = authority.issue("GATEWAY", "Nümunə", key="p256", now=NOW)
    root = build_refusal(
        ReceiptRefused(
            refusal_id="eherrac.receipts/2/17/ab",
            authority="ECONOMY",
            record="eherrac.receipts/2/17",
            record_sha256="ab" * 32,
            signature_held=True,
            refused_at=NOW,
            refusal=REFUSAL,
        )
    )
    sign_enveloped(root, credential, into=root)
    root = etree.fromstring(etree.tostring(root))
    CompiledSchema("contracts.receipt", "refusal-1.xsd").validate(root)
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )
    assert verify_enveloped(root, trust, at=NOW, signature_parent=".").signer.participant == "GATEWAY"
    explanations = root.iter(f"{{{NAMESPACE}}}Explanation")
    told = {one.get("Language"): one.findtext(f"{{{NAMESPACE}}}Remedy") for one in explanations}
    assert told == {language: describe(REFUSAL, language).remedy for language in LANGUAGES}
    facts = {one.get("Name"): one.text for one in root.iter(f"{{{NAMESPACE}}}Fact")}
    assert facts == {"reference": "container", "expected": "\ufffd\ufffd\U0001f600"}


async def test_nothing_is_told_under_our_ended_certificate(answers: Answers) -> None:
    """A ministry would refuse it, and Kafka would have taken it; untold, it waits for the next key."""
    authority = Authority.create(NOW)
    trust = TrustStore.from_pem(anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[])
    identity = Identity(authority.issue("GATEWAY", "Nümunə", key="p256", now=NOW), trust)
    ended = identity.credential.certificate.not_valid_after_utc
    settings = PublisherSettings(kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"))
    adapter = RefusalsAdapter(
        settings, {"ECONOMY": "refusals"}, lambda: identity, clock=lambda: ended + timedelta(seconds=1)
    )
    told = answers.answer(REFUSED)
    assert told is not None
    dispatch = Dispatch(
        id="d-1", channel=Channel.REFUSALS, recipient=told.authority, body=told, attempt=1, created_at=NOW
    )
    assert await adapter.send(dispatch) == NotSent(reason=f"our own certificate ended at {ended.isoformat()}")
    await adapter.close()
