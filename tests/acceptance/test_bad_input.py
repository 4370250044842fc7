"""Bad input at the doors of the whole gateway: a status, a code, a sentence, one journal line, nothing accepted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from town import BODY_MAX_BYTES, PAYER, STRANGER, Town

from contracts.errors import ErrorCode
from contracts.soap import model
from contracts.soap.faults import read_problem


def problem(answer: Any) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(answer.body)
    assert document["type"] == f"urn:eherrac:error:{document['code']}"
    assert document["title"]
    assert document["detail"]
    assert document["status"] == answer.status
    assert "Traceback" not in answer.body.decode()
    return document


async def expect(town: Town, answer: Any, code: ErrorCode, status: int, *, by: str | None) -> dict[str, Any]:
    """The answer is this refusal, signed by us, and exactly one journal line of the sender says so."""
    document = problem(answer)
    assert (document["code"], answer.status) == (code, status)
    assert answer.signer.participant == "GATEWAY"
    lines = await town.refusals(by or "anonymous")
    assert [orjson.loads(line.data)["code"] for line in lines] == [code]
    return document


async def test_an_unsigned_request_is_refused(town: Town) -> None:
    answer = await town.rest("EHERRAC", "POST", "/v1/events", b"{}", sign=False)
    await expect(town, answer, ErrorCode.SIGNATURE_MISSING, 401, by=None)


async def test_a_certified_stranger_is_refused(town: Town) -> None:
    answer = await town.rest(STRANGER, "GET", "/v1/offers")
    await expect(town, answer, ErrorCode.PARTICIPANT_UNKNOWN, 403, by=STRANGER)


async def test_a_bank_may_not_publish_events(town: Town) -> None:
    answer = await town.publish("lot.announced", "L1", {}, by="999101")
    await expect(town, answer, ErrorCode.NOT_PERMITTED, 403, by="999101")


async def test_an_event_in_anothers_name_is_refused(town: Town) -> None:
    answer = await town.publish("auction.cancelled", "L1", {"reason": "x"}, source="999101")
    await expect(town, answer, ErrorCode.PARTICIPANT_MISMATCH, 403, by="EHERRAC")


async def test_an_unknown_lot_is_refused(town: Town) -> None:
    answer = await town.unsold("L404")
    await expect(town, answer, ErrorCode.LOT_UNKNOWN, 404, by="EHERRAC")
    assert await town.counts() == {}


async def test_another_banks_offer_is_answered_exactly_like_an_unknown_one(town: Town) -> None:
    """EHR-4."""
    await town.announce()
    await town.unsold()
    theirs, unknown = await town.decide("999202", "L1.offer"), await town.decide("999202", "L9.offer")
    assert problem(theirs)["code"] == ErrorCode.OFFER_UNKNOWN
    assert (theirs.status, theirs.body) == (unknown.status, unknown.body.replace(b"L9", b"L1"))
    for path in ("/v1/offers/L1.offer", "/v1/lots/L1", "/v1/payments/L1.purchase", "/v1/protocols/L1.protocol"):
        there = await town.rest("999202", "GET", path)
        nowhere = await town.rest("999202", "GET", path.replace("L1", "L9"))
        assert (there.status, there.body) == (404, nowhere.body.replace(b"L9", b"L1"))
    assert orjson.loads((await town.rest("999202", "GET", "/v1/offers")).body)["items"] == []
    assert (await town.noun("offer", "L1.offer")).state == "open"


async def test_the_same_message_again_gets_the_first_answer_and_another_under_its_id_a_conflict(town: Town) -> None:
    await town.announce()
    await town.unsold()
    first = await town.decide("999101", key="k1")
    again = await town.decide("999101", key="k1")
    other = await town.decide("999101", key="k1", decision={"decision": "refuse", "reason": "yox"})
    assert (first.status, again.status, again.body) == (202, 202, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    await expect(town, other, ErrorCode.ID_CONFLICT, 409, by="999101")
    assert (await town.counts())["offer", "accepted"] == 1


async def test_a_decision_twice_is_refused(town: Town) -> None:
    await town.announce()
    await town.unsold()
    await town.decide("999101")
    await expect(town, await town.decide("999101"), ErrorCode.ALREADY_DECIDED, 409, by="999101")


async def test_a_decision_after_the_deadline_is_refused(town: Town) -> None:
    """EHR-6."""
    await town.announce()
    await town.unsold()
    await town.travel(timedelta(days=30))  # five working days, whatever holidays lie among them
    await expect(town, await town.decide("999101"), ErrorCode.DEADLINE_PASSED, 409, by="999101")
    assert (await town.noun("offer", "L1.offer")).state in ("open", "lapsed")


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"startingPrice": "20000.005"}, ErrorCode.AMOUNT_INVALID, "/data/startingPrice"),
        ({"startingPrice": "-1.00"}, ErrorCode.AMOUNT_INVALID, "/data/startingPrice"),
        ({"startingPrice": "NaN"}, ErrorCode.AMOUNT_INVALID, "/data/startingPrice"),
        ({"startingPrice": 20000.00}, ErrorCode.AMOUNT_INVALID, "/data/startingPrice"),
        ({"auctionAt": "2026-12-01T10:00:00"}, ErrorCode.TIME_INVALID, "/data/auctionAt"),
        ({"regime": "lottery"}, ErrorCode.REGIME_UNKNOWN, "/data/regime"),
        ({"title": None}, ErrorCode.SCHEMA_INVALID, "/data/title"),
        ({"surprise": "x"}, ErrorCode.SCHEMA_INVALID, "/data/surprise"),
        ({"caseNumber": None}, ErrorCode.CASE_NUMBER_MISSING, None),
    ],
)
async def test_a_bad_announcement_is_refused_with_the_place_of_the_fault(town: Town, changes, code, path) -> None:
    """EHR-12 among them: an enforcement lot without its case number."""
    document = await expect(town, await town.announce(**changes), code, 422, by="EHERRAC")
    if path is not None:
        assert path in orjson.dumps(document).decode()
    assert await town.counts() == {}


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        (b"{", ErrorCode.JSON_MALFORMED, 400),
        (b'{"id": "1", "id": "2"}', ErrorCode.JSON_MALFORMED, 400),
        (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", ErrorCode.JSON_MALFORMED, 400),
        (b'{"x": "' + b"a" * BODY_MAX_BYTES + b'"}', ErrorCode.BODY_TOO_LARGE, 413),
    ],
)
async def test_a_malformed_body_is_refused(town: Town, body, code, status) -> None:
    answer = await town.rest("EHERRAC", "POST", "/v1/events", body, content_type="application/cloudevents+json")
    assert (problem(answer)["code"], answer.status) == (code, status)
    assert await town.counts() == {}


async def test_an_iban_with_wrong_check_digits_is_refused(town: Town) -> None:
    await town.announce()
    await town.unsold()
    wrong = {"decision": "accept", "payer": PAYER | {"iban": "AZ00XZRN38010000000000090001"}}
    document = await expect(town, await town.decide("999101", decision=wrong), ErrorCode.IBAN_INVALID, 422, by="999101")
    assert "/payer/iban" in orjson.dumps(document).decode()


DECIDE = model.DecideOffer(
    message_id="s-1",
    offer_id="L1.offer",
    decision=model.Decision.ACCEPT,
    decided_by="Ə. Ğ.",
    payer=model.Account(**PAYER),
)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"sign": False}, ErrorCode.SIGNATURE_MISSING),
        ({"tamper": lambda raw: raw.replace(b"accept<", b"refuse<")}, ErrorCode.DIGEST_MISMATCH),
        ({"tamper": lambda raw: b"<!DOCTYPE x>" + raw.partition(b"?>")[2]}, ErrorCode.XML_FORBIDDEN),
        ({"tamper": lambda raw: raw[:-10]}, ErrorCode.XML_MALFORMED),
        ({"tamper": lambda raw: raw + b" " * BODY_MAX_BYTES}, ErrorCode.BODY_TOO_LARGE),
    ],
)
async def test_a_bad_envelope_gets_a_signed_fault(town: Town, options, code) -> None:
    await town.announce()
    await town.unsold()
    status, fault = await town.soap("999101", DECIDE, **options)
    assert status >= 400
    assert read_problem(fault).code == code
    assert [orjson.loads(line.data)["code"] for line in await town.refusals()] == [code]
    assert (await town.noun("offer", "L1.offer")).state == "open"


async def test_the_same_decision_over_soap_and_its_replay(town: Town) -> None:
    await town.announce()
    await town.unsold()
    first, again = await town.soap("999101", DECIDE), await town.soap("999101", DECIDE)
    assert first[0] == again[0] == 200
    assert (await town.counts())["offer", "accepted"] == 1
    assert await town.refusals("999101") == []


async def test_the_very_same_envelope_takes_effect_once_also_after_a_restart(town: Town) -> None:
    """Whoever sends a captured envelope again gets the first answer, and nothing happens a second time."""
    await town.announce()
    await town.unsold()
    sent: list[bytes] = []

    def kept(raw: bytes) -> bytes:
        sent.append(raw)
        return raw

    first = await town.soap("999101", DECIDE, tamper=kept)
    again = await town.soap_bytes("999101", sent[0])
    await town.system.close()
    await town.open()
    later = await town.soap_bytes("999101", sent[0])
    repeated = [answer.findtext(".//{*}Repeated") for _, answer in (first, again, later)]
    assert [status for status, _ in (first, again, later)] == [200, 200, 200]
    assert repeated == ["false", "true", "true"]
    assert (await town.counts())["offer", "accepted"] == 1


async def test_a_payment_of_an_enforcement_lot_without_its_case_number_is_not_accepted(town: Town) -> None:
    """EHR-12: Asan Pay reports the money, and leaves out or changes the number the invoice carried."""
    await town.announce()
    bidder = {
        "bidderId": "B1",
        "name": "Alıcı (nümunə)",
        "taxId": "1NUMUN1",
        "depositForm": "money",
        "refundAccount": PAYER,
    }
    assert (await town.publish("bidder.registered", "L1", bidder)).status == 202
    notification = {
        "notificationId": "n-1",
        "invoiceId": "L1.deposit.B1",
        "invoiceNumber": "AP-1",
        "operationNumber": "OP-1",
        "amount": "1000.00",
        "currency": "AZN",
        "paidAt": town.now().isoformat(),
        "payer": {"name": "Alıcı (nümunə)", "taxId": "1NUMUN1"},
    }
    for case_number in (None, "5-2/2026"):
        body = notification | ({"caseNumber": case_number} if case_number else {})
        answer = await town.rest("ASANPAY", "POST", "/asan-pay/v1/notifications", body)
        assert (problem(answer)["code"], answer.status) == (ErrorCode.CASE_NUMBER_MISSING, 422)
    assert len(await town.refusals("ASANPAY")) == 2
    assert (await town.noun("collection", "L1.deposit.B1")).state == "ordered"
    right = await town.rest("ASANPAY", "POST", "/asan-pay/v1/notifications", notification | {"caseNumber": "5-1/2026"})
    assert right.status == 200
    assert (await town.noun("collection", "L1.deposit.B1")).state == "paid"
