"""The REST door on a real socket with real signatures: who may do what, replays, documents, and every bad input."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession
from rest_world import (
    BANK,
    BODY_MAX_BYTES,
    DOCUMENTS,
    OFFER,
    OTHER_BANK,
    PAYMENT,
    PROTOCOL,
    STRANGER,
    FakeQueries,
    Parties,
    World,
    body,
    clock,
    decision,
    event,
)

from certs.http_signature import HttpRequestParts, sign_request
from contracts.errors import ErrorCode
from contracts.events.cloudevents import MEDIA_TYPE as CLOUDEVENT
from contracts.fields import make_iban
from gateway.domain.events import offer as offers
from gateway.doors.queries import DocumentForm
from gateway.wire.identity import Identity

JSON = "application/json"
DECISION = f"/v1/offers/{OFFER.id}/decision"


@pytest.fixture(scope="module")
def parties() -> Parties:
    return Parties.create("GATEWAY", "EHERRAC", BANK, OTHER_BANK, STRANGER, "AOS")


@pytest.fixture
async def world(parties: Parties) -> AsyncIterator[World]:
    world = await World.start(parties)
    yield world
    await world.close()


async def publish(world: World, content: bytes, *, code: str = "EHERRAC", content_type: str = CLOUDEVENT) -> Any:
    return await world.ask(code, "POST", "/v1/events", body=content, content_type=content_type)


async def decide(world: World, content: bytes, *, code: str = BANK, path: str = DECISION, key: str = "k-1") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return await world.ask(code, "POST", path, body=content, content_type=JSON, headers=headers)


def code_of(answer: Any) -> str:
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = orjson.loads(answer.body)
    assert problem["title"]
    assert problem["detail"]
    assert problem["az"]["detail"]
    assert problem["en"]["detail"]
    assert "Traceback" not in answer.body.decode()
    return str(problem["code"])


async def test_an_event_is_accepted_once_and_its_repetition_gets_the_first_answer(world: World) -> None:
    first = await publish(world, body(event()))
    again = await publish(world, body(event()))
    assert (first.status, again.status) == (202, 202)
    assert first.signer.participant == "GATEWAY"
    assert first.body == again.body
    assert orjson.loads(first.body) == {
        "noun": "lot",
        "id": "LOT-A",
        "state": "ok",
        "version": 1,
        "acceptedAt": "2026-11-22T09:30:00.000Z",
    }
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert len(world.receiver.accepted) == 1


async def test_an_accepted_event_carries_the_signed_octets_as_evidence(world: World) -> None:
    await publish(world, body(event()))
    message = world.receiver.accepted[0]
    assert (message.source, message.id, message.actor) == ("EHERRAC", "evt-1", None)
    assert message.exhibits[0].signer == "EHERRAC"
    assert body(event()) in message.exhibits[0].content


async def test_the_same_id_with_other_content_is_a_conflict(world: World) -> None:
    await publish(world, body(event()))
    answer = await publish(world, body(event(subject="LOT-Z")))
    assert (answer.status, code_of(answer)) == (409, "ID_CONFLICT")
    assert len(world.receiver.accepted) == 1


async def test_a_bank_accepts_its_offer(world: World) -> None:
    """EHR-5: razılıq."""
    answer = await decide(world, body(decision()))
    assert answer.status == 202
    message = world.receiver.accepted[0]
    assert (message.source, message.actor, message.target.id) == (BANK, BANK, OFFER.id)
    assert isinstance(message.event, offers.Accepted)
    assert message.event.payer.bic == "XZRNAZ22"


async def test_a_bank_refuses_its_offer_and_says_why(world: World) -> None:
    """EHR-5: imtina."""
    assert (await decide(world, body({"decision": "refuse", "reason": "Maraqlı deyil"}))).status == 202
    assert world.receiver.accepted[0].event == offers.Declined(reason="Maraqlı deyil")


async def test_one_key_for_two_offers_is_a_conflict(world: World) -> None:
    await decide(world, body(decision()))
    answer = await decide(world, body(decision()), path="/v1/offers/LOT-X.offer/decision")
    assert code_of(answer) == "ID_CONFLICT"


async def test_another_banks_offer_answers_exactly_like_one_that_never_was(world: World) -> None:
    """EHR-4: only the bank concerned sees it."""
    foreign = await world.ask(OTHER_BANK, "GET", f"/v1/offers/{OFFER.id}")
    unknown = await world.ask(OTHER_BANK, "GET", "/v1/offers/LOT-9.offer")
    assert foreign.status == unknown.status == 404
    assert foreign.body.replace(OFFER.id.encode(), b"?") == unknown.body.replace(b"LOT-9.offer", b"?")
    refused = await decide(world, body(decision()), code=OTHER_BANK)
    assert code_of(refused) == "OFFER_UNKNOWN"
    assert world.receiver.accepted == []


async def test_a_bank_lists_its_own_offers_only(world: World) -> None:
    """EHR-4, EHR-5."""
    own = orjson.loads((await world.ask(BANK, "GET", "/v1/offers")).body)
    other = orjson.loads((await world.ask(OTHER_BANK, "GET", "/v1/offers?limit=5")).body)
    assert [item["id"] for item in own["items"]] == [OFFER.id, "LOT-E.offer", "LOT-F.offer"]
    assert own["items"][0]["amount"] == {"value": "27300.00", "currency": "AZN"}
    assert other == {"items": [], "next": "", "more": False}


async def test_every_offer_is_reached_page_by_page(world: World) -> None:
    """EHR-5: every property whose auction has ended."""
    first = orjson.loads((await world.ask(BANK, "GET", "/v1/offers?limit=2")).body)
    rest = orjson.loads((await world.ask(BANK, "GET", f"/v1/offers?limit=2&after={first['next']}")).body)
    assert (first["more"], rest["more"]) == (True, False)
    assert [item["id"] for item in first["items"] + rest["items"]] == [OFFER.id, "LOT-E.offer", "LOT-F.offer"]


@pytest.mark.parametrize("path", [f"/v1/payments/{PAYMENT.id}", "/v1/lots/LOT-B", f"/v1/protocols/{PROTOCOL.id}"])
async def test_what_concerns_a_bank_is_seen_by_it_and_the_platform_alone(world: World, path: str) -> None:
    """EHR-4."""
    statuses = [(await world.ask(code, "GET", path)).status for code in (BANK, "EHERRAC", OTHER_BANK)]
    assert statuses == [200, 200, 404]


@pytest.mark.parametrize(
    ("suffix", "accept", "form"),
    [
        (".xml", "*/*", DocumentForm.XML),
        (".pdf", "application/xml", DocumentForm.PDF),
        (".asice", "*/*", DocumentForm.ASICE),
        ("", "application/xml", DocumentForm.XML),
        ("", "text/html, application/pdf;q=0.9", DocumentForm.PDF),
        ("", "application/vnd.etsi.asic-e+zip", DocumentForm.ASICE),
    ],
)
async def test_a_protocol_is_fetched_byte_for_byte_in_each_form(
    world: World, suffix: str, accept: str, form: DocumentForm
) -> None:
    """EHR-16."""
    answer = await world.ask(BANK, "GET", f"/v1/protocols/{PROTOCOL.id}{suffix}", headers={"Accept": accept})
    assert (answer.status, answer.headers["content-type"]) == (200, form.value)
    assert answer.body == DOCUMENTS[form]


async def test_a_form_that_no_protocol_has_is_refused(world: World) -> None:
    answer = await world.ask(BANK, "GET", f"/v1/protocols/{PROTOCOL.id}", headers={"Accept": "text/html"})
    assert code_of(answer) == "CONTENT_TYPE"


async def test_the_feed_is_read_page_by_page_without_a_gap(world: World) -> None:
    seen, after, more = [], 0, True
    while more:
        page = orjson.loads((await world.ask(BANK, "GET", f"/v1/feed?after={after}&limit=2")).body)
        seen += [item["data"]["sequence"] for item in page["items"]]
        after, more = page["next"], page["more"]
    assert seen == [1, 2, 3, 4, 5]
    empty = orjson.loads((await world.ask(BANK, "GET", "/v1/feed?after=5")).body)
    assert empty == {"items": [], "next": 5, "more": False}


async def test_what_the_caller_has_not_acknowledged_is_read_page_by_page(world: World) -> None:
    pages = [
        orjson.loads((await world.ask(BANK, "GET", f"/v1/unacknowledged?{q}")).body) for q in ("limit=1", "after=2")
    ]
    assert [[item["data"]["sequence"] for item in page["items"]] for page in pages] == [[2], [5]]
    assert [(page["next"], page["more"]) for page in pages] == [(2, True), (5, False)]


async def test_the_contract_is_served_to_anyone(world: World) -> None:
    async with ClientSession() as session, session.get(world.server.address + "/v1/openapi.yaml") as response:
        assert response.status == 200
        assert (await response.text()).startswith("openapi: 3.1")


E = ErrorCode
ACCOUNT = decision()["payer"]
AMOUNT_AS_NUMBER = event()["data"] | {"startingPrice": 28000.005}
THREE_DECIMALS = event()["data"] | {"startingPrice": "28000.005"}
BAD_EVENTS: dict[str, tuple[bytes, int, ErrorCode, str]] = {
    "not_well_formed": (b'{"id": "evt-1"', 400, E.JSON_MALFORMED, ""),
    "key_twice": (body(event())[:-1] + b',"id":"evt-2"}', 400, E.JSON_MALFORMED, ""),
    "nan": (body(event()).replace(b'"28000.00"', b"NaN"), 400, E.JSON_MALFORMED, ""),
    "not_utf8": (body(event()).replace("ə".encode(), b"\xff"), 400, E.JSON_MALFORMED, ""),
    "over_the_limit": (b" " * (BODY_MAX_BYTES + 1), 413, E.BODY_TOO_LARGE, ""),
    "not_by_the_schema": (body(event(data={})), 422, E.SCHEMA_INVALID, "/data/title"),
    "unknown_type": (body(event(type="az.eherrac.weather.v1")), 400, E.OPERATION_UNKNOWN, ""),
    "amount_as_number": (body(event(data=AMOUNT_AS_NUMBER)), 422, E.AMOUNT_INVALID, "/data/startingPrice"),
    "three_decimals": (body(event(data=THREE_DECIMALS)), 422, E.AMOUNT_INVALID, "/data/startingPrice"),
    "negative": (body(event()).replace(b'"28000.00"', b'"-1.00"'), 422, E.AMOUNT_INVALID, "/data/startingPrice"),
    "nan_as_text": (body(event()).replace(b'"28000.00"', b'"NaN"'), 422, E.AMOUNT_INVALID, "/data/startingPrice"),
    "no_offset": (body(event(time="2026-11-22T10:00:00")), 422, E.TIME_INVALID, "/time"),
    "regime": (body(event()).replace(b"enforcement", b"barter"), 422, E.REGIME_UNKNOWN, "/data/regime"),
    "somebody_elses_source": (body(event(source=BANK)), 403, E.PARTICIPANT_MISMATCH, ""),
}


@pytest.mark.parametrize("case", BAD_EVENTS)
async def test_a_bad_event_is_refused_told_why_noted_and_not_stored(world: World, case: str) -> None:
    content, status, code, path = BAD_EVENTS[case]
    answer = await publish(world, content)
    assert (answer.status, code_of(answer)) == (status, code)
    assert orjson.loads(answer.body)["facts"].get("path", "") == path
    assert world.receiver.accepted == []
    assert [(source_path, refusal.code) for _, source_path, refusal, _ in world.refusals] == [("/v1/events", code)]


BAD_DECISIONS: dict[str, tuple[dict[str, Any], ErrorCode, str]] = {
    "iban_check_digits": (
        decision(payer=ACCOUNT | {"iban": "AZ00" + make_iban("XZRN", "7")[4:]}),
        E.IBAN_INVALID,
        "/payer/iban",
    ),
    "neither_yes_nor_no": (decision(decision="maybe"), E.SCHEMA_INVALID, "/decision"),
    "no_payer": ({"decision": "accept"}, E.SCHEMA_INVALID, "/"),
    "no_reason": ({"decision": "refuse"}, E.SCHEMA_INVALID, "/"),
    "extra_member": (decision(amount="1.00"), E.SCHEMA_INVALID, "/amount"),
}


@pytest.mark.parametrize("case", BAD_DECISIONS)
async def test_a_bad_decision_is_refused_with_the_path(world: World, case: str) -> None:
    document, code, path = BAD_DECISIONS[case]
    answer = await decide(world, body(document))
    assert (answer.status, code_of(answer)) == (422, code)
    assert orjson.loads(answer.body)["facts"]["path"] == path
    assert world.receiver.accepted == []


@pytest.mark.parametrize("key", ["", "two words", "x" * 65])
async def test_a_decision_without_a_fit_key_is_refused(world: World, key: str) -> None:
    answer = await decide(world, body(decision()), key=key)
    assert code_of(answer) == "SCHEMA_INVALID"
    assert orjson.loads(answer.body)["facts"]["path"] == "header Idempotency-Key"


@pytest.mark.parametrize(
    "code",
    [E.DEADLINE_PASSED, E.ALREADY_DECIDED, E.CASE_NUMBER_MISSING, E.LOT_UNKNOWN, E.STORE_UNAVAILABLE, E.STATE_CONFLICT],
)
async def test_what_the_engine_refuses_is_told_with_its_code(world: World, code: ErrorCode) -> None:
    """EHR-6, EHR-12: decision late or twice, money of a case without its number."""
    world.receiver.refuse_with = code
    assert code_of(await decide(world, body(decision()))) == code


FORBIDDEN = [
    (BANK, "POST", "/v1/events", E.NOT_PERMITTED, 403),
    ("EHERRAC", "POST", DECISION, E.NOT_PERMITTED, 403),
    ("EHERRAC", "GET", "/v1/offers", E.NOT_PERMITTED, 403),
    (STRANGER, "GET", "/v1/offers", E.PARTICIPANT_UNKNOWN, 403),
    ("AOS", "GET", "/v1/feed", E.PARTICIPANT_UNKNOWN, 403),
    ("AOS", "GET", "/v1/unacknowledged", E.PARTICIPANT_UNKNOWN, 403),
    (BANK, "GET", "/v1/nowhere", E.NOT_FOUND, 404),
    (BANK, "PUT", "/v1/offers", E.METHOD_NOT_ALLOWED, 405),
    (BANK, "GET", "/v1/offers/..%2Fetc", E.OFFER_UNKNOWN, 404),
    (BANK, "GET", "/v1/offers?limit=0", E.SCHEMA_INVALID, 422),
    (BANK, "GET", "/v1/offers?after=%2Fetc", E.SCHEMA_INVALID, 422),
    (BANK, "GET", "/v1/feed?after=-1", E.SCHEMA_INVALID, 422),
    (BANK, "GET", "/v1/feed?after=1&after=2", E.SCHEMA_INVALID, 422),
    (BANK, "GET", "/v1/feed?sort=up", E.SCHEMA_INVALID, 422),
]


@pytest.mark.parametrize(("party", "method", "path", "code", "status"), FORBIDDEN)
async def test_what_is_not_allowed_is_refused_with_a_signed_answer(
    world: World, party: str, method: str, path: str, code: ErrorCode, status: int
) -> None:
    content = {"body": body(event()), "content_type": CLOUDEVENT} if method == "POST" else {}
    answer = await world.ask(party, method, path, **content)
    assert (answer.status, code_of(answer)) == (status, code)
    assert answer.signer.participant == "GATEWAY"
    assert world.receiver.accepted == []
    assert world.refusals[0][0] == party


@pytest.mark.parametrize("content_type", [JSON, "text/plain", f"{CLOUDEVENT}; charset=latin-1"])
async def test_an_event_of_another_content_type_is_refused(world: World, content_type: str) -> None:
    answer = await publish(world, body(event()), content_type=content_type)
    assert (answer.status, code_of(answer)) == (415, "CONTENT_TYPE")


async def test_an_unsigned_request_is_refused_and_noted_without_a_source(world: World) -> None:
    answer = await world.ask(BANK, "GET", "/v1/offers", sign=False)
    assert (answer.status, code_of(answer)) == (401, "SIGNATURE_MISSING")
    assert [(source, refusal.code) for source, _, refusal, _ in world.refusals] == [(None, E.SIGNATURE_MISSING)]


async def post_signed(world: World, identity: Identity, sent: bytes, signed: bytes | None = None) -> tuple[int, bytes]:
    """A POST whose signature was made over `signed` while `sent` is what travels."""
    url = world.server.address + "/v1/events"
    parts = HttpRequestParts.of("POST", url, {"Content-Type": CLOUDEVENT}, sent if signed is None else signed)
    headers = sign_request(parts, identity.credential, now=clock(), nonce="nonce-for-this-test")
    async with ClientSession() as session:
        answer = await session.post(url, data=sent, headers={"Content-Type": CLOUDEVENT} | headers)
        return answer.status, await answer.read()


async def test_content_changed_after_signing_is_refused(world: World, parties: Parties) -> None:
    signed = body(event())
    status, content = await post_signed(
        world, parties.identities["EHERRAC"], signed.replace(b"28000.00", b"18000.00"), signed
    )
    assert (status, orjson.loads(content)["code"]) == (401, "DIGEST_MISMATCH")
    assert world.receiver.accepted == []


async def test_a_signature_under_a_foreign_root_is_refused(world: World) -> None:
    impostor = Parties.create("EHERRAC").identities["EHERRAC"]
    status, content = await post_signed(world, impostor, body(event()))
    assert (status, orjson.loads(content)["code"]) == (401, "CERTIFICATE_UNTRUSTED")
    assert world.receiver.accepted == []


async def test_a_failure_of_ours_leaves_no_trace_in_the_answer(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fall(*_: object, **__: object) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr(FakeQueries, "offer", fall)
    answer = await world.ask(BANK, "GET", f"/v1/offers/{OFFER.id}")
    assert (answer.status, code_of(answer)) == (500, "INTERNAL")
    assert b"secret" not in answer.body
    assert "a secret of the house" in caplog.text


async def test_requests_are_counted_by_code(world: World) -> None:
    await publish(world, body(event()))
    await publish(world, b"{")
    text = world.metrics.text().decode()
    assert 'eherrac_requests_total{code="OK",door="rest"} 1.0' in text
    assert 'eherrac_requests_total{code="JSON_MALFORMED",door="rest"} 1.0' in text
