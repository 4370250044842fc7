"""The notary seals what the domain states, and `verify` says it back: what was signed, by whom, when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import pytest

from adapters.notary.adapter import NotaryAdapter, office
from certs import asice, timestamp
from certs.authority import Authority
from certs.trust import TrustStore
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from gateway.domain.dispatches import AuctionResult, Channel, ProtocolContent, SealOrder
from gateway.domain.events.protocol import Sealed
from gateway.domain.money import Money
from gateway.domain.values import BankCode, Bidder, DepositForm, ParticipantId, Regime
from gateway.errors import NotSentError
from gateway.ports import Acknowledged, Dispatch, Document, NotSent, Refused
from gateway.verify import verify_file
from gateway.wire.identity import Identity

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
CONTENT = ProtocolContent(
    protocol_id="L-1.protocol",
    number="2026/L-1",
    result=AuctionResult.SOLD,
    drawn_up_at=NOW,
    lot_id="L-1",
    lot_title="Üç otaqlı mənzil",
    lot_address="Bakı şəhəri",
    regime=Regime.ENFORCEMENT,
    rule_version="2026-01",
    case_number="İC-1",
    auction_at=NOW - timedelta(days=1),
    starting_price=Money(10_000_000),
    claimant_code="999101",
    bidders=(
        Bidder(
            id=ParticipantId("P-1"),
            name="Əliyev Rəşad",
            tax_id="5ABC123",
            deposit_form=DepositForm.GUARANTEE,
            guarantee_reference="BQ-1",
            guarantor=BankCode("999202"),
        ),
    ),
    buyer_name="Əliyev Rəşad",
    buyer_tax_id="5ABC123",
    price=Money(12_000_050),
    deposit_form=DepositForm.GUARANTEE,
    payment_references=("AP-1",),
    paid_on=date(2026, 11, 20),
    reason=None,
    recipients=("ECONOMY", "JUSTICE"),
)


class Office(NamedTuple):
    adapter: NotaryAdapter
    identity: Identity


@pytest.fixture(scope="module")
def notary() -> Office:
    authority = Authority.create(NOW)
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )
    identity = Identity(authority.issue("GATEWAY", "Hərrac Əməliyyat Mərkəzi", key="p256", now=NOW), trust)
    names = {"999101": "Xəzər Nümunə Bankı", "999202": "Günəş Nümunə Bankı"}
    return Office(NotaryAdapter(lambda: identity, clock=lambda: NOW, names=names), identity)


def order(content: ProtocolContent = CONTENT) -> Dispatch:
    body = SealOrder(content=content)
    return Dispatch(id="d-1", channel=Channel.NOTARY, recipient="NOTARY", body=body, attempt=1, created_at=NOW)


async def sealed(notary: Office, content: ProtocolContent = CONTENT) -> Document:
    outcome = await notary.adapter.send(order(content))
    assert isinstance(outcome, Acknowledged)
    assert outcome.document is not None
    return outcome.document


def code_of(call: Callable[[], object]) -> ErrorCode:
    with pytest.raises(RefusedError) as caught:
        call()
    return caught.value.refusal.code


async def test_the_noun_is_told_the_digest_of_the_very_document_that_is_kept(notary: Office) -> None:
    outcome = await notary.adapter.send(order())
    assert isinstance(outcome, Acknowledged)
    assert outcome.document is not None
    assert isinstance(outcome.event, Sealed)
    report = verify_file(outcome.document.content, notary.identity.trust, now=NOW)
    assert outcome.event.sha256 == report.sha256
    assert outcome.event.document_id == outcome.document.id
    assert outcome.event.sealed_at == NOW
    assert outcome.document.media_type == asice.MEDIA_TYPE


async def test_verify_says_what_was_signed_by_whom_and_when(notary: Office) -> None:
    report = verify_file((await sealed(notary)).content, notary.identity.trust, now=NOW)
    assert [file.name for file in report.files] == ["protokol.xml", "protokol.pdf"]
    assert (report.verified.signer.participant, report.verified.signed_at) == ("GATEWAY", NOW)
    assert report.print_matches is True
    assert report.protocol is not None
    assert report.protocol.claimant_name == "Xəzər Nümunə Bankı"
    assert report.protocol.bidders[0].guarantor == "Günəş Nümunə Bankı"
    assert report.protocol.issuer == "Hərrac Əməliyyat Mərkəzi"
    assert (report.protocol.price_minor, report.protocol.case_number) == (12_000_050, "İC-1")


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("az", ["İmzalayan iştirakçı: GATEWAY", "Protokolun nömrəsi: 2026/L-1", "PDF nüsxə XML ilə eynidir: bəli"]),
        ("en", ["Signed by participant: GATEWAY", "Result: the auction took place", "Enforcement case: İC-1"]),
    ],
)
async def test_the_report_reads_in_both_languages(notary: Office, language: str, expected: list[str]) -> None:
    report = verify_file((await sealed(notary)).content, notary.identity.trust, now=NOW)
    lines = report.lines(language)
    assert set(expected) <= set(lines)
    assert any(report.verified.signer.serial in line for line in lines)


async def test_a_protocol_of_an_auction_not_held_is_sealed_without_a_buyer(notary: Office) -> None:
    content = replace(
        CONTENT,
        result=AuctionResult.NOT_HELD,
        buyer_name=None,
        buyer_tax_id=None,
        price=None,
        deposit_form=None,
        payment_references=(),
        paid_on=None,
        reason="claimant_lapsed",
    )
    report = verify_file((await sealed(notary, content)).content, notary.identity.trust, now=NOW)
    assert report.protocol is not None
    assert (report.protocol.buyer, report.protocol.price_minor) == (None, None)
    assert "Yekun məbləğ: -" in report.lines()


async def test_what_cannot_be_written_waits_for_a_person_and_stops_nothing(notary: Office) -> None:
    outcome = await notary.adapter.send(order(replace(CONTENT, lot_title="")))
    assert isinstance(outcome, Refused)
    assert outcome.code == ErrorCode.SCHEMA_INVALID
    assert "Title" in outcome.reason


async def test_a_seal_from_the_future_is_refused(notary: Office) -> None:
    content = (await sealed(notary)).content
    early = NOW - timedelta(minutes=6)
    assert code_of(lambda: verify_file(content, notary.identity.trust, now=early)) is ErrorCode.SIGNATURE_AGE


async def test_a_print_that_is_not_of_its_xml_is_told(notary: Office) -> None:
    files = {
        "protokol.xml": ("application/xml", asice.extract((await sealed(notary)).content, "protokol.xml")),
        "protokol.pdf": ("application/pdf", b"%PDF-1.7 other"),
    }
    container = asice.seal(files, notary.identity.credential, now=NOW)
    assert verify_file(container, notary.identity.trust, now=NOW).print_matches is False


def test_a_container_without_a_protocol_is_reported_for_what_it_is(notary: Office) -> None:
    container = asice.seal({"akt.txt": ("text/plain", b"x")}, notary.identity.credential, now=NOW)
    report = verify_file(container, notary.identity.trust, now=NOW)
    assert (report.protocol, report.print_matches) == (None, None)
    assert any("akt.txt" in line for line in report.lines())


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", b"<xml/>"])
def test_other_files_are_not_taken_for_containers(notary: Office, content: bytes) -> None:
    assert code_of(lambda: verify_file(content, notary.identity.trust, now=NOW)) is ErrorCode.CONTENT_TYPE


def test_the_office_is_named_as_its_certificate_names_it(notary: Office) -> None:
    assert office(notary.identity.credential.certificate) == "Hərrac Əməliyyat Mərkəzi"


async def test_nothing_is_sealed_by_our_ended_certificate(notary: Office) -> None:
    """Its lot would be concluded by a protocol that nobody believes; unsealed, it waits for the next key."""
    ended = notary.identity.credential.certificate.not_valid_after_utc
    late = NotaryAdapter(lambda: notary.identity, clock=lambda: ended + timedelta(seconds=1))
    outcome = await late.send(order())
    assert isinstance(outcome, NotSent)
    assert outcome.reason == f"our own certificate ended at {ended.isoformat()}"
    at_its_end = NotaryAdapter(lambda: notary.identity, clock=lambda: ended)
    assert isinstance(await at_its_end.send(order()), Acknowledged)


class Clock:
    """An authority of time that may be away, and the office that asks it."""

    def __init__(self, office: Office, authority: Authority) -> None:
        self.credential = authority.issue_time_stamper("Vaxt (nümunə)", key="p256", now=NOW)
        self.away, self.now = False, NOW
        self.adapter = NotaryAdapter(
            lambda: office.identity, clock=lambda: self.now, stamp=self.stamp, stamp_wait_s=600.0
        )

    async def stamp(self, digest: bytes) -> tuple[bytes, datetime]:
        if self.away:
            raise NotSentError("authority of time: away")
        reply = timestamp.answer(timestamp.request(digest, 7), self.credential, now=self.now, serial=1)
        return timestamp.token_of(reply, 7), self.now


@pytest.fixture
def clock() -> tuple[Clock, TrustStore]:
    authority = Authority.create(NOW)
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )
    identity = Identity(authority.issue("GATEWAY", "Hərrac Əməliyyat Mərkəzi", key="p256", now=NOW), trust)
    return Clock(Office(NotaryAdapter(lambda: identity, clock=lambda: NOW), identity), authority), trust


async def test_with_an_authority_of_time_the_seal_proves_its_moment(clock: tuple[Clock, TrustStore]) -> None:
    tsa, trust = clock
    outcome = await tsa.adapter.send(order())
    assert isinstance(outcome, Acknowledged)
    assert isinstance(outcome.event, Sealed)
    assert outcome.document is not None
    assert (outcome.event.level, outcome.event.proven_at, outcome.event.unstamped) == ("B-T", NOW, None)
    report = verify_file(outcome.document.content, trust, now=NOW)
    assert outcome.event.sha256 == report.sha256
    assert report.print_matches is True
    lines = report.lines("en")
    assert "Level of the signature: XAdES B-T" in lines
    assert any(line.startswith(f"Time proven by a time-stamp: {NOW.isoformat()} (") for line in lines)


async def test_without_one_the_report_says_that_the_time_is_claimed(notary: Office) -> None:
    lines = verify_file((await sealed(notary)).content, notary.identity.trust, now=NOW).lines("en")
    assert "Level of the signature: XAdES B-B" in lines
    assert "Time proven by a time-stamp: none, the time of signing is the signer's own word" in lines


async def test_a_protocol_waits_for_its_stamp_so_long_and_no_longer(clock: tuple[Clock, TrustStore]) -> None:
    tsa, trust = clock
    tsa.away, tsa.now = True, NOW + timedelta(seconds=599)
    assert await tsa.adapter.send(order()) == NotSent(reason="no time-stamp: authority of time: away")
    tsa.now = NOW + timedelta(seconds=600)
    outcome = await tsa.adapter.send(order())
    assert isinstance(outcome, Acknowledged)
    assert isinstance(outcome.event, Sealed)
    assert outcome.document is not None
    assert (outcome.event.level, outcome.event.proven_at) == ("B-B", None)
    assert outcome.event.unstamped == "no time-stamp: authority of time: away"
    assert verify_file(outcome.document.content, trust, now=tsa.now).level == "B-B"


async def test_an_authority_that_comes_back_in_time_stamps_after_all(clock: tuple[Clock, TrustStore]) -> None:
    tsa, _ = clock
    tsa.away = True
    assert isinstance(await tsa.adapter.send(order()), NotSent)
    tsa.away = False
    outcome = await tsa.adapter.send(order())
    assert isinstance(outcome, Acknowledged)
    assert isinstance(outcome.event, Sealed)
    assert outcome.event.level == "B-T"
