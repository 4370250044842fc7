"""AÖS, a bank and the gateway's AÖS side over real sockets with real signatures: flows, silence, faults, bad input."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp import web
from aos_rail import (
    BANK_BIC,
    CLAIMANT,
    CLOSED,
    DESIGNATED,
    GATEWAY_BIC,
    MUTE,
    POOR,
    Books,
    Gateway,
    World,
    now,
)
from lxml import etree
from waiting import PATIENCE_S, until

from adapters.aos.adapter import AosAdapter, AosSettings
from adapters.aos.faults import Fault, FaultKind
from adapters.aos.mapping import RailProfile, message_for
from adapters.aos.sandbox import AosSandbox, AosSandboxSettings, OperatingRules, Participant
from certs.authority import Authority
from certs.trust import TrustStore
from certs.xmldsig import sign_enveloped
from contracts.iso20022 import Envelope, StatusKind, envelope
from contracts.iso20022.samples import STATUS, SYSTEM_BIC
from gateway.domain.clock import local_date
from gateway.domain.dispatches import PaymentEnquiry, PaymentKind
from gateway.domain.events.credit import Offered
from gateway.domain.events.credit import Settled as CreditSettled
from gateway.domain.events.order import EnquirySent, OutcomeUnknown, Sent
from gateway.domain.events.payment import Consented, Rejected, Settled
from gateway.domain.money import Money
from gateway.domain.table import ByAlias
from gateway.ports import Acknowledged, Dispatch, NotSent, Refused, Unknown
from gateway.wire.client import SignedClient
from gateway.wire.identity import Identity
from gateway.wire.iso_envelope import CONTENT_TYPE, MESSAGES_PATH, seal
from gateway.wire.iso_participant import IsoParticipant, IsoParticipantSettings
from gateway.wire.server import serve_app

BOTH_WRAPPERS = pytest.mark.parametrize("world", list(Envelope), indirect=True)
SHORT = pytest.mark.parametrize("patience_s", [0.6], ids=[""])


@pytest.fixture(scope="module")
def identities() -> dict[str, Identity]:
    authority = Authority.create(now())
    credentials = {
        name: authority.issue(name, f"{name} (nümunə)", key="p256", now=now()) for name in ("GATEWAY", "999101", "AOS")
    }
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(now())]
    )
    return {name: Identity(credential, trust) for name, credential in credentials.items()}


@pytest.fixture
def patience_s() -> float:
    """AÖS's, with a bank that has not answered yet; short where a test waits for its end."""
    return PATIENCE_S


@pytest.fixture
async def world(identities, request, patience_s):
    wrapper = getattr(request, "param", Envelope.DATA_PDU)
    rows = (
        Participant(bic=GATEWAY_BIC, code="GATEWAY", name="g", clearing_account="C-EHR", opening_balance=5_000_000),
        Participant(bic=BANK_BIC, code="999101", name="b", clearing_account="C-XZR", opening_balance=9_000_000),
    )
    rules = OperatingRules(confirmation_interval_s=patience_s, request_interval_s=patience_s)
    settings = AosSandboxSettings(identity=lambda: identities["AOS"], participants=rows, rules=rules, envelope=wrapper)
    aos = AosSandbox(settings)
    await aos.start()
    books = Books()
    settings = IsoParticipantSettings(
        bic=BANK_BIC,
        address="XZRNAZ22A001",
        system_url=aos.address,
        silent_for=frozenset({MUTE.iban}),
        envelope=wrapper,
    )
    bank = IsoParticipant(settings, lambda: identities["999101"], books)
    gateway = Gateway(identities["GATEWAY"], aos.address, wrapper)
    await bank.start()
    await gateway.start()
    aos.connect(BANK_BIC, bank.address)
    aos.connect(GATEWAY_BIC, gateway.running.address)
    yield World(aos, bank, books, gateway)
    await gateway.close()
    await bank.close()
    await aos.close()


@BOTH_WRAPPERS
async def test_a_transfer_runs_to_stat_and_the_money_arrives(world):
    """AOS-P1 to AOS-P4, AOS-M1: the gateway is debtor agent, a deposit goes back."""
    order = world.gateway.order(PaymentKind.TRANSFER, DESIGNATED, CLAIMANT, 50_000, "refund-1")
    outcome = await world.gateway.send(order)
    assert isinstance(outcome, Acknowledged)
    assert outcome.event == Sent()
    await until(lambda: world.gateway.events(Settled) != [])
    await until(lambda: world.books.balances[CLAIMANT.iban] == 10_050_000)
    message = world.gateway.heard[0]
    assert message.target.id == ByAlias("aos.msg", order.message_id)
    assert message.source == "AOS"
    assert message.exhibits[0].signer == "AOS"
    assert b"<TxSts>ACSC</TxSts>" in message.exhibits[0].content
    assert world.clearing() == {"gateway": 4_950_000, "bank": 9_050_000}


async def test_what_was_sent_and_answered_is_kept_to_the_byte(world):
    order = world.gateway.order(PaymentKind.TRANSFER, DESIGNATED, CLAIMANT, 50_000, "refund-2")
    outcome = await world.gateway.send(order)
    sent, answered = outcome.exhibits
    assert (sent.direction, answered.direction) == ("out", "in")
    assert order.message_id.encode() in sent.content
    assert b"SignatureValue" in sent.content
    assert answered.signer == "AOS"
    await until(lambda: world.gateway.events(Settled) != [])


async def test_a_credit_the_bank_declines_comes_back_as_its_reason(world):
    """AOS-P5: NAUT, block released, RJCT."""
    await world.gateway.send(world.gateway.order(PaymentKind.TRANSFER, DESIGNATED, CLOSED, 50_000, "refund-3"))
    await until(lambda: world.gateway.events(Rejected) != [])
    assert world.gateway.events(Rejected)[0].code == "AC04"
    assert world.clearing()["gateway"] == 5_000_000
    assert world.aos.system.ledger.blocked("C-EHR") == 0


@SHORT
async def test_a_creditor_bank_that_is_silent_ends_in_el202(world):
    """AOS-P5."""
    await world.gateway.send(world.gateway.order(PaymentKind.TRANSFER, DESIGNATED, MUTE, 50_000, "refund-4"))
    await until(lambda: world.gateway.events(Rejected) != [])
    assert world.gateway.events(Rejected)[0].code == "EL202"
    assert world.aos.system.ledger.available("C-EHR") == 5_000_000


@BOTH_WRAPPERS
async def test_a_request_runs_over_consent_and_confirmation_to_stat(world):
    """AOS-P7, AOS-M2, EHR-12: pain.001, ACSP with MSID, the credit offered to us, AUTH, STAT as agent and initiator."""
    order = world.gateway.order(PaymentKind.REQUEST, CLAIMANT, DESIGNATED, 1_875_000, "purchase-1")
    await world.gateway.send(order)
    await until(lambda: world.gateway.events(Settled) != [] and world.gateway.events(CreditSettled) != [])
    (consented,), (offered,) = world.gateway.events(Consented), world.gateway.events(Offered)
    assert consented.msid == offered.message_id
    assert (offered.amount, offered.case_number) == (Money(1_875_000), "2026/114-7")
    assert (offered.debtor_iban, offered.creditor_iban) == (CLAIMANT.iban, DESIGNATED.iban)
    assert world.gateway.events(Settled)[0].reference == consented.msid
    assert world.clearing() == {"gateway": 6_875_000, "bank": 7_125_000}
    await until(lambda: world.books.reserved == {})
    assert world.books.balances[CLAIMANT.iban] == 8_125_000


async def test_a_request_beyond_the_customers_funds_is_refused_with_both_codes(world):
    """AOS-P7: the bank's NAUT becomes RJCT with EA178 and AM04."""
    await world.gateway.send(world.gateway.order(PaymentKind.REQUEST, POOR, DESIGNATED, 5_000, "purchase-2"))
    await until(lambda: world.gateway.events(Rejected) != [])
    rejected = world.gateway.events(Rejected)[0]
    assert rejected.code == "EA178"
    assert "AM04" in rejected.reason
    assert world.clearing() == {"gateway": 5_000_000, "bank": 9_000_000}


@SHORT
async def test_a_debtor_bank_that_is_silent_ends_in_ep252(world):
    """AOS-P7."""
    await world.gateway.send(world.gateway.order(PaymentKind.REQUEST, MUTE, DESIGNATED, 5_000, "purchase-3"))
    await until(lambda: world.gateway.events(Rejected) != [])
    assert world.gateway.events(Rejected)[0].code == "EP252"


async def test_a_request_above_the_maximum_is_refused_by_receipt(world):
    """AOS-C9, AOS-R2."""
    await world.gateway.send(world.gateway.order(PaymentKind.REQUEST, CLAIMANT, DESIGNATED, 4_000_001, "purchase-4"))
    await until(lambda: world.gateway.events(Rejected) != [])
    assert world.gateway.events(Rejected)[0].code == "AM02"


async def test_a_message_of_yesterday_is_refused_by_its_value_date(world):
    """AOS-C2, AOS-R1."""
    order = world.gateway.order(PaymentKind.TRANSFER, DESIGNATED, CLAIMANT, 50_000, "refund-5")
    yesterday = order.created_at - timedelta(days=1)
    assert local_date(yesterday) != local_date(order.created_at)
    await world.gateway.send(replace(order, created_at=yesterday))
    await until(lambda: world.gateway.events(Rejected) != [])
    assert world.gateway.events(Rejected)[0].code == "DT01"


@pytest.mark.parametrize("kind", list(PaymentKind))
async def test_when_statuses_stay_away_an_enquiry_finds_the_outcome(world, kind):
    """AOS-I1, AOS-I2: silence of AÖS itself, then pacs.028 or pain.998."""
    e2e = f"lost-{kind}"
    world.aos.plan.faults.append(Fault(kind=FaultKind.SILENCE, end_to_end_ids=frozenset({e2e})))
    parties = (DESIGNATED, CLAIMANT) if kind is PaymentKind.TRANSFER else (CLAIMANT, DESIGNATED)
    order = world.gateway.order(kind, *parties, 50_000, e2e)
    await world.gateway.send(order)
    await until(lambda: len(world.aos.system.ledger.postings) == 3)
    assert world.gateway.events(Settled) == []
    enquiry = PaymentEnquiry(
        kind=kind,
        payment_id=e2e,
        message_id=world.gateway.ids.next(now()),
        original_message_id=order.message_id,
        original_end_to_end_id=e2e,
        original_transaction_id=e2e,
        created_at=now(),
    )
    outcome = await world.gateway.send(enquiry)
    assert isinstance(outcome, Acknowledged)
    assert outcome.event == EnquirySent(enquiry_id=enquiry.message_id, number=1)
    await until(lambda: world.gateway.events(Settled) != [])


async def test_a_status_sent_twice_is_the_same_message_again(world):
    world.aos.plan.faults.append(Fault(kind=FaultKind.TWICE, amounts=frozenset({70_000})))
    await world.gateway.send(world.gateway.order(PaymentKind.TRANSFER, DESIGNATED, CLAIMANT, 70_000, "refund-6"))
    await until(lambda: len(world.aos.deliveries.done) == 6)
    assert len(world.gateway.events(Settled)) == 1
    assert world.books.balances[CLAIMANT.iban] == 10_070_000


async def test_a_late_status_still_arrives(world):
    fault = Fault(kind=FaultKind.LATE, ibans=frozenset({CLAIMANT.iban}), delay_s=0.3)
    world.aos.plan.faults.append(fault)
    await world.gateway.send(world.gateway.order(PaymentKind.TRANSFER, DESIGNATED, CLAIMANT, 50_000, "refund-7"))
    await until(lambda: len(world.aos.system.ledger.postings) == 3)
    assert world.gateway.events(Settled) == []
    await until(lambda: world.gateway.events(Settled) != [])


async def test_a_badly_signed_status_changes_nothing_and_is_told(world):
    """AOS-S2: refused, nothing received; the well signed copy is believed."""
    world.aos.plan.faults.append(Fault(kind=FaultKind.BADLY_SIGNED, end_to_end_ids=frozenset({"refund-8"})))
    await world.gateway.send(world.gateway.order(PaymentKind.TRANSFER, DESIGNATED, CLAIMANT, 50_000, "refund-8"))
    await until(lambda: world.gateway.refused != [])
    assert world.gateway.refused == ["SIGNATURE_INVALID"]
    await until(lambda: world.gateway.events(Settled) != [])
    assert len(world.gateway.heard) == 1


async def test_messages_wait_in_order_for_a_participant_that_is_away(world):
    """202 of AÖS is not delivery; what waits arrives when the door opens."""
    world.aos.deliveries.connect(GATEWAY_BIC, "http://127.0.0.1:1")
    await world.gateway.send(world.gateway.order(PaymentKind.TRANSFER, DESIGNATED, CLAIMANT, 50_000, "refund-9"))
    await until(lambda: len(world.aos.system.ledger.postings) == 3)
    world.aos.connect(GATEWAY_BIC, world.gateway.running.address)
    await until(lambda: world.gateway.events(Settled) != [])


@pytest.mark.parametrize("iban", ["AZ99XZRN00000000000000000001", "DE89370400440532013000"])
async def test_an_order_not_by_the_profile_never_leaves(world, iban):
    """EHR-12 and AOS-C4 begin at home: check digits too."""
    bad = replace(CLAIMANT, iban=iban)
    outcome = await world.gateway.send(world.gateway.order(PaymentKind.TRANSFER, DESIGNATED, bad, 50_000, "refund-10"))
    assert isinstance(outcome, Refused)
    assert outcome.code == "IBAN_INVALID"
    assert "CdtrAcct" in outcome.reason
    assert world.aos.system.orders == {}


async def test_what_another_program_writes_wrongly_is_refused_by_aos_with_its_path(world, identities):
    """AOS-C4, AOS-R1: signed as it should be, but not by the profile."""
    order = world.gateway.order(PaymentKind.TRANSFER, DESIGNATED, CLAIMANT, 50_000, "refund-11")
    message = message_for(order, RailProfile(own_bic=GATEWAY_BIC))
    root = envelope.wrap(message, from_bic=GATEWAY_BIC, to_bic=SYSTEM_BIC)
    root.find(".//{*}CdtrAcct/{*}Id/{*}IBAN").text = "AZ99XZRN00000000000000000001"
    credential = identities["GATEWAY"].credential
    sign_enveloped(root, credential, into=envelope.signature_parent(root))
    assert await _post(world.aos.address, identities["GATEWAY"], etree.tostring(root)) == 202
    await until(lambda: world.gateway.events(Rejected) != [])
    rejected = world.gateway.events(Rejected)[0]
    assert world.gateway.heard[0].target.id == ByAlias("aos.msg", order.message_id)
    assert rejected.code == "FF01"
    assert "CdtrAcct/Id/IBAN" in rejected.reason


async def test_no_connection_is_not_sent_and_a_time_out_is_unknown(world, identities):
    """A payment whose transport was silent asks; one that never left is tried again."""
    held = asyncio.Event()

    async def silent(request: web.Request) -> web.Response:
        await held.wait()
        return web.Response()

    app = web.Application()
    app.router.add_post(MESSAGES_PATH, silent)
    running = await serve_app(app, "127.0.0.1", 0)
    order = world.gateway.order(PaymentKind.TRANSFER, DESIGNATED, CLAIMANT, 50_000, "refund-12")
    dispatch = Dispatch(id="d", channel="aos", recipient="AOS", body=order, attempt=1, created_at=now())
    outcomes = []
    for url in ("http://127.0.0.1:1", running.address):
        client = SignedClient(lambda: identities["GATEWAY"], timeout_s=1.0, clock=now)
        adapter = AosAdapter(client, AosSettings(url=url, own_bic=GATEWAY_BIC), lambda: identities["GATEWAY"])
        outcomes.append(await adapter.send(dispatch))
        await adapter.close()
    held.set()
    await running.close()
    assert isinstance(outcomes[0], NotSent)
    assert isinstance(outcomes[1], Unknown)
    assert isinstance(outcomes[1].event, OutcomeUnknown)


async def _post(url: str, signer: Identity, content: bytes, content_type: str = CONTENT_TYPE) -> int:
    client = SignedClient(lambda: signer, timeout_s=PATIENCE_S, clock=now)
    try:
        answer = await client.request(
            "POST", url + MESSAGES_PATH, body=content, content_type=content_type, expected_participant=None
        )
    finally:
        await client.close()
    return answer.status


async def _status_from(
    identity: Identity, *, from_bic: str = SYSTEM_BIC, wrapper: Envelope = Envelope.DATA_PDU
) -> bytes:
    status = replace(STATUS, created_at=now(), kind=StatusKind.STAT)
    return await seal(status, from_bic=from_bic, to_bic=GATEWAY_BIC, credential=identity.credential, wrapper=wrapper)


BAD_INPUT = [
    ("a bank speaks in AÖS's name", "999101", "999101", CONTENT_TYPE, "NOT_PERMITTED"),
    ("AÖS carries what a bank signed", "AOS", "999101", CONTENT_TYPE, "PARTICIPANT_MISMATCH"),
    ("another content type", "AOS", "AOS", "text/plain", "CONTENT_TYPE"),
]


@pytest.mark.parametrize(
    ("why", "sender", "signer", "content_type", "code"), BAD_INPUT, ids=[row[0] for row in BAD_INPUT]
)
async def test_the_door_believes_only_aos(world, identities, why, sender, signer, content_type, code):
    """AOS-S1, AOS-S2: nothing is stored, and it is told."""
    content = await _status_from(identities[signer])
    status = await _post(world.gateway.running.address, identities[sender], content, content_type)
    assert status >= 400
    assert world.gateway.refused == [code]
    assert world.gateway.heard == []


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"not xml", "XML_MALFORMED"),
        (b'<!DOCTYPE x [<!ENTITY e "x">]><x>&e;</x>', "XML_FORBIDDEN"),
        (b"<x>" + b"a" * 300_000 + b"</x>", "BODY_TOO_LARGE"),
        (b"<Document/>", "SCHEMA_INVALID"),
    ],
    ids=["malformed", "DTD", "too large", "no wrapper"],
)
async def test_the_door_refuses_bad_input_by_code(world, identities, content, code):
    assert await _post(world.gateway.running.address, identities["AOS"], content) >= 400
    assert world.gateway.refused == [code]
    assert world.gateway.heard == []


@BOTH_WRAPPERS
async def test_a_message_in_the_other_wrapper_is_refused_with_its_path_by_everybody(world, identities):
    """The gateway's door, the bank's and AÖS's: each takes the wrapper of its rail alone."""
    (other,) = set(Envelope) - {world.gateway.envelope}
    root = {Envelope.DATA_PDU: "/DataPDU", Envelope.BUSINESS_MESSAGE: "/BizMsg"}[other]
    signer = identities["AOS"]
    status = await _status_from(signer, wrapper=other)
    assert await _post(world.gateway.running.address, signer, status) == 422
    assert world.gateway.refused == ["SCHEMA_INVALID"]
    assert world.gateway.fault_paths == [root]
    assert await _post(world.bank.address, signer, status) == 422
    assert await _post(world.aos.address, signer, status) == 422
    assert world.gateway.heard == []
    assert world.aos.system.orders == {}


async def test_a_header_from_another_than_aos_is_refused(world, identities):
    """AOS-S1."""
    content = await _status_from(identities["AOS"], from_bic=BANK_BIC)
    assert await _post(world.gateway.running.address, identities["AOS"], content) >= 400
    assert world.gateway.refused == ["PARTICIPANT_MISMATCH"]


async def test_aos_takes_no_message_whose_signer_is_not_the_participant_it_names(world, identities):
    """AOS-S1: a bank may not send in the gateway's name."""
    order = world.gateway.order(PaymentKind.TRANSFER, DESIGNATED, CLAIMANT, 50_000, "refund-13")
    content = await world.gateway.adapter._sealed(order)
    assert await _post(world.aos.address, identities["999101"], content) >= 400
    assert world.aos.system.orders == {}
