"""Seventeen thousand attacks on our own signed messages at the doors: nothing is processed that was not signed so.

Each door is the real one, without its socket: what it hands to the engine is compared with what honest participants
said. The attacker holds no key; for AÖS he is given the channel's, so that only the message's own signature is left.
Whatever stands in `taken` must be one of the honest statements, word for word; what is answered with 2xx must have one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import http_changes
import orjson
import pytest
import xml_changes
import zip_changes
from attack_world import (
    NOW,
    OFFER,
    World,
    decide,
    iso,
    iso_request,
    notify,
    publish,
    request,
    soap,
    soap_decide,
    soap_request,
    stated,
)
from lxml import etree
from rest_world import BANK, OTHER_BANK, STRANGER

from adapters.ministries.reader import ReadRecord
from adapters.ministries.receipts import judge_receipt
from certs.asice import open_sealed, seal
from certs.http_signature import (
    HttpRequestParts,
    HttpResponseParts,
    sign_request,
    sign_response,
    verify_response,
)
from certs.xmldsig import sign_enveloped
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.events.protocols import ProtocolReceipted, write_receipt
from contracts.iso20022.samples import STATUS, TRANSFER
from contracts.receipt.codec import Receipt, build_receipt
from contracts.soap import model
from contracts.soap.model import Notice as SoapNotice
from contracts.soap.model import Notify, NotifyResponse
from contracts.soap.names import SoapVersion
from gateway.ports import Message
from gateway.wire.client import SignedAnswer
from gateway.wire.soap_client import SoapClient, _reply

SEED = 20261122
SOAP_MUTANTS, ISO_MUTANTS, RECEIPT_MUTANTS = 4_000, 3_000, 2_000
REST_MUTANTS, ANSWER_MUTANTS, CONTAINER_MUTANTS = 4_500, 1_000, 1_500  # 17 500 with those above
NOTICE = SoapNotice(
    id="w-1",
    sequence=1,
    version=1,
    kind="offer_opened",
    lot_id="LOT-B",
    subject_id="LOT-B.offer",
    state="open",
    occurred_at=NOW,
)


async def attack(world: World, honest: list[HttpRequestParts], mutants: Iterable[HttpRequestParts]) -> Counter[str]:
    """Knock with every mutant; the verdicts by status. Raises at the first that was processed and not signed so."""
    said = []
    for parts in honest:
        status, _ = await world.knock(parts)
        assert status < 300
        said.append(stated(world.taken[-1]))
    verdicts: Counter[str] = Counter()
    for mutant in mutants:
        world.taken.clear()
        status, body = await world.knock(mutant)
        assert all(stated(message) in said for message in world.taken), mutant
        assert (status < 300) is bool(world.taken), (status, mutant)
        assert status < 500 or b"INTERNAL" not in body, mutant
        verdicts["accepted" if status < 300 else _code(body)] += 1
    return verdicts


def _code(body: bytes) -> str:
    if body.startswith(b"<"):
        return etree.fromstring(body).findtext(".//{*}Code") or "fault"
    return str(orjson.loads(body)["code"]) if body else "-"


def deep(verdicts: Counter[str], kinds: int, accepted_max: float) -> None:
    """The mutants reach far, and few of them change nothing that is signed."""
    assert len(verdicts) >= kinds, verdicts
    assert verdicts["accepted"] <= accepted_max * verdicts.total(), verdicts


async def test_no_attack_on_a_soap_envelope_is_processed() -> None:
    """AOS-S2."""
    world = await World.open()
    honest = [
        soap_decide(world),
        soap_decide(world, OTHER_BANK, message_id="d-2", offer_id="LOT-X.offer"),
        soap_decide(world, message_id="d-3", decision=model.Decision.REFUSE, payer=None, reason="yox"),
        soap(world, OTHER_BANK, model.ListOffers(message_id="q-1"), SoapVersion.V12),
    ]
    mutants = xml_changes.deep_mutants(SEED, SOAP_MUTANTS, honest[0], honest[1:])
    verdicts = await attack(world, [soap_request(data) for data in honest[:3]], map(soap_request, mutants))
    deep(verdicts, 12, 0.1)


async def test_no_attack_on_an_iso_message_is_processed() -> None:
    """AOS-S2; the channel around it is the attacker's own."""
    world = await World.open()
    rejected = iso(world, replace(TRANSFER, message_id=f"GNSNAZ22A001{TRANSFER.message_id[12:]}"))  # another bank's
    honest = [iso(world), rejected, iso(world, STATUS, "EHERRAC")]
    mutants = xml_changes.deep_mutants(SEED, ISO_MUTANTS, honest[0], honest[1:])
    verdicts = await attack(
        world,
        [iso_request(world, data) for data in honest[:2]],
        (iso_request(world, mutant) for mutant in mutants),
    )
    deep(verdicts, 10, 0.1)


@pytest.mark.parametrize("victim", ["a bank's decision", "the platform's event", "a payment notification"])
async def test_no_attack_on_a_signed_request_is_processed(victim: str) -> None:
    world = await World.open()
    honest = {
        "a bank's decision": decide(world),
        "the platform's event": publish(world),
        "a payment notification": notify(world),
        "another decision": decide(world, key="k-2", decision="refuse", payer=None, reason="yox"),
    }
    strange = [decide(world, STRANGER), notify(world, BANK), request(world, BANK, "GET", "/v1/offers", query="limit=3")]
    others = [parts for name, parts in honest.items() if name != victim] + strange
    mutants = http_changes.mutants(SEED + len(victim), REST_MUTANTS // 3, honest[victim], others)
    deep(await attack(world, list(honest.values()), mutants), 10, 0.15)


async def test_no_attack_on_a_signed_query_is_answered_with_anothers_view() -> None:
    """EHR-4: an answer to a changed query is the honest answer to the honest one, or a refusal."""
    world = await World.open()
    honest = request(world, BANK, "GET", "/v1/offers", query="limit=3&after=LOT-A")
    others = [request(world, OTHER_BANK, "GET", "/v1/offers"), request(world, BANK, "GET", f"/v1/offers/{OFFER.id}")]
    answers = {(await world.knock(parts))[1] for parts in (honest, *others)}
    mine = (await world.knock(honest))[1]
    for mutant in http_changes.mutants(SEED, 500, honest, others):
        status, body = await world.knock(mutant)
        if status == 200 and not mutant.path.endswith("openapi.yaml"):
            assert body in answers, mutant
            assert body == mine or (mutant.path, mutant.query) != (honest.path, honest.query), mutant


async def test_no_attack_on_an_answer_is_believed() -> None:
    """What our client makes of a counterparty's answer: only this one, to this request."""
    world = await World.open()
    asked, other = decide(world), decide(world, key="k-2")
    plain = HttpResponseParts(status=202, headers=(("Content-Type", "application/json"),), body=b'{"state":"accepted"}')
    answer = plain.with_headers(sign_response(plain, asked, world.key("GATEWAY"), now=NOW))
    to_other = plain.with_headers(sign_response(plain, other, world.key("GATEWAY"), now=NOW))
    by_bank = plain.with_headers(sign_response(plain, asked, world.key(OTHER_BANK), now=NOW))
    donors = [HttpRequestParts(method="x", authority="", path="/", headers=r.headers) for r in (to_other, by_bank)]
    victim = HttpRequestParts(method="x", authority="", path="/", headers=answer.headers, body=answer.body)
    accepted = 0
    for number, mutant in enumerate(http_changes.mutants(SEED, ANSWER_MUTANTS, victim, donors)):
        status = 202 if number % 4 else 200
        parts = HttpResponseParts(status=status, headers=mutant.headers, body=mutant.body)
        try:
            verify_response(parts, asked, world.trust, at=NOW, expected_participant="GATEWAY")
        except RefusedError:
            continue
        accepted += 1
        assert (status, parts.body, http_changes.field(mutant, "content-type")) == (202, plain.body, "application/json")
    assert accepted < ANSWER_MUTANTS * 0.25
    for wrong in (to_other, by_bank):
        with pytest.raises(RefusedError):
            verify_response(wrong, asked, world.trust, at=NOW, expected_participant="GATEWAY")


async def test_no_attack_on_a_receipt_is_processed() -> None:
    world = await World.open()

    def receipt(code: str, protocol: str) -> bytes:
        root = build_receipt(
            Receipt(
                receipt_id=f"{code}-1",
                protocol_number="2026/1",
                protocol_id=protocol,
                container_sha256="ab" * 32,
                authority=code,
                received_at=NOW,
            )
        )
        sign_enveloped(root, world.key(code), into=root)
        return bytes(etree.tostring(root))

    def judge(document: bytes) -> Message:
        event = ProtocolReceipted(id="e-1", source="ECONOMY", lot_id="LOT-B", time=NOW, document=document)
        record = ReadRecord(topic="t", partition=0, offset=1, value=document, headers=tuple(write_receipt(event)))
        return judge_receipt(record, world.trust, frozenset({"ECONOMY", "JUSTICE"}), at=NOW)

    honest = [
        receipt("ECONOMY", "LOT-B.protocol"),
        receipt("JUSTICE", "LOT-B.protocol"),
        receipt("ECONOMY", "LOT-C.protocol"),
    ]
    said = [stated(judge(document)) for document in honest]
    verdicts: Counter[str] = Counter()
    for mutant in xml_changes.deep_mutants(SEED, RECEIPT_MUTANTS, honest[0], honest[1:]):
        try:
            assert stated(judge(mutant)) in said, mutant
            verdicts["accepted"] += 1
        except RefusedError as refused:
            verdicts[refused.refusal.code] += 1
    deep(verdicts, 8, 0.1)


async def test_no_attack_on_a_sealed_container_is_opened_as_anything_else() -> None:
    """EHR-16."""
    world = await World.open()
    files = {"protokol.xml": ("application/xml", b"<a>1500.00</a>"), "protokol.pdf": ("application/pdf", b"%PDF-1.7")}
    container = seal(files, world.key("GATEWAY"), now=NOW)
    other = seal({"protokol.xml": ("application/xml", b"<a>7.00</a>")}, world.key(BANK), now=NOW - timedelta(hours=1))
    verdicts: Counter[str] = Counter()
    for mutant in zip_changes.mutants(SEED, CONTAINER_MUTANTS, container, other):
        try:
            sealed = open_sealed(mutant, world.trust)
        except RefusedError as refused:
            verdicts[refused.refusal.code] += 1
            continue
        verdicts["accepted"] += 1
        opened = {name: (file.media_type, file.content) for name, file in sealed.files.items()}
        assert (sealed.verified.signer.participant, opened) == ("GATEWAY", files), mutant
    deep(verdicts, 6, 0.15)


async def test_a_replay_at_another_door_under_another_name_or_later_is_refused() -> None:
    """The signature holds everywhere but means only one place: path, host, method and time are in it."""
    world = await World.open()
    victim = decide(world)
    elsewhere = [
        replace(victim, path="/v1/offers/LOT-E.offer/decision"),
        replace(victim, path="/v1/events"),
        replace(victim, path="/asan-pay/v1/notifications"),
        replace(victim, authority="bank.example"),
        replace(victim, method="PUT"),
    ]
    for parts in elsewhere:
        status, body = await world.knock(parts)
        assert (status, _code(body)) in {(401, ErrorCode.SIGNATURE_INVALID), (405, ErrorCode.METHOD_NOT_ALLOWED)}, body
    old = replace(victim, headers=tuple(item for item in victim.headers if item[0] not in http_changes.SIGNING))
    old = old.with_headers(sign_request(old, world.key(BANK), now=NOW - timedelta(minutes=6), nonce="n"))
    assert _code((await world.knock(old))[1]) == ErrorCode.SIGNATURE_AGE
    assert world.taken == []


async def test_no_attack_on_a_soap_answer_is_believed() -> None:
    """Our SOAP client takes only this participant's answer to this request; a mutant of it, or another's, never."""
    world = await World.open()
    client = SoapClient(lambda: world.identities["GATEWAY"], timeout_s=1, clock=lambda: NOW)
    asked = Notify(message_id="w-1", notice=NOTICE)
    honest = [
        soap(world, BANK, NotifyResponse(in_reply_to="w-1", received_at=NOW)),
        soap(world, BANK, NotifyResponse(in_reply_to="w-2", received_at=NOW)),
        soap(world, OTHER_BANK, NotifyResponse(in_reply_to="w-1", received_at=NOW - timedelta(days=1))),
    ]

    def believed(body: bytes) -> Any:
        answer = SignedAnswer(status=200, headers={}, body=body, signer=None, exhibits=())
        return _reply(client._verified(answer, BANK)[1], asked)

    said = believed(honest[0])
    for wrong in honest[1:]:
        with pytest.raises(RefusedError):
            believed(wrong)
    verdicts: Counter[str] = Counter()
    for mutant in xml_changes.deep_mutants(SEED, ANSWER_MUTANTS, honest[0], honest[1:]):
        try:
            assert believed(mutant) == said, mutant
            verdicts["accepted"] += 1
        except RefusedError as refused:
            verdicts[refused.refusal.code] += 1
    deep(verdicts, 8, 0.1)
