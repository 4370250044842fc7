"""What the SOAP door refuses, each with a signed fault, and with nothing kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lxml import etree
from soap_world import (  # noqa: F401 - fixtures
    BANK,
    DECIDE,
    IBAN,
    NOW,
    OFFER,
    PLATFORM,
    Books,
    World,
    everybodys_keys,
    running_door,
)

from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError
from contracts.soap import model
from contracts.soap.codec import write
from contracts.soap.envelope import to_bytes, wrap
from contracts.soap.faults import read_problem
from contracts.soap.names import SoapVersion
from contracts.xml import parse_xml
from gateway.doors.queries import OfferView


def _event(**changes: str) -> model.PublishEvent:
    given = {
        "message_id": "e-1", "type": "az.eherrac.lot.announced.v1", "source": PLATFORM, "subject": "L-1",
        "data": '{"title":"M","address":"B","regime":"voluntary","claimant":"999101","startingPrice":"PRICE",'
        '"auctionAt":"2026-12-01T10:00:00+04:00"}',
    } | changes  # fmt: skip
    return model.PublishEvent(time=NOW, **given)


def _at(moment: bytes) -> Callable[[World], bytes]:
    """An event of a time that the schema allows, and no calendar of ours has."""

    def make(world: World) -> bytes:
        element = write(_event(data='{"reason": "x"}', type="az.eherrac.auction.cancelled.v1"))
        old = element.findtext("{*}Time").encode()
        return world.signed(parse_xml(etree.tostring(element).replace(old, moment)), PLATFORM)

    return make


EVENT_FAULTS = [
    (_event(data=_event().data.replace("PRICE", "1.005")), ErrorCode.AMOUNT_INVALID, "/data/startingPrice"),
    (_event(data=_event().data.replace("PRICE", "-1.00")), ErrorCode.AMOUNT_INVALID, "/data/startingPrice"),
    (_event(data='{"title": NaN}'), ErrorCode.JSON_MALFORMED, None),
    (_event(type="az.eherrac.lot.unheard-of"), ErrorCode.OPERATION_UNKNOWN, None),
    (_event(source="999101"), ErrorCode.PARTICIPANT_MISMATCH, None),
]


@pytest.mark.parametrize(("event", "code", "path"), EVENT_FAULTS)
async def test_a_faulty_event_is_refused_as_over_rest(
    world: World, event: model.PublishEvent, code: ErrorCode, path: str | None
) -> None:
    _, problem = await world.problem(world.signed(event, PLATFORM))
    facts = {fact.name: fact.value for fact in problem.fact}
    assert (problem.code, facts.get("path")) == (code, path)
    assert world.books.received == []


def _changed(world: World) -> bytes:
    return world.signed(DECIDE).replace(b">accept<", b">refuse<")


def _unsigned(_: World) -> bytes:
    return to_bytes(wrap(SoapVersion.V11, write(DECIDE)))


def _faulty(old: bytes, new: bytes) -> Callable[[World], bytes]:
    return lambda world: world.signed(parse_xml(etree.tostring(write(DECIDE)).replace(old, new)))


_INCLUDED = b'<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:a"/>'
BAD = [
    ("unsigned", _unsigned, ErrorCode.SIGNATURE_MISSING, None),
    ("tampered", _changed, ErrorCode.DIGEST_MISMATCH, None),
    ("foreign authority", lambda w: w.signed(DECIDE, key=w.stranger), ErrorCode.CERTIFICATE_UNTRUSTED, None),
    ("too old", lambda w: w.signed(DECIDE, now=datetime.now(UTC) - timedelta(hours=1)), ErrorCode.SIGNATURE_AGE, None),
    ("not registered", lambda w: w.signed(DECIDE, "ECONOMY"), ErrorCode.PARTICIPANT_UNKNOWN, None),
    ("platform decides", lambda w: w.signed(DECIDE, PLATFORM), ErrorCode.NOT_PERMITTED, None),
    ("bank publishes", lambda w: w.signed(_event(), BANK), ErrorCode.NOT_PERMITTED, None),
    ("doctype", lambda w: b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + w.signed(DECIDE), ErrorCode.XML_FORBIDDEN, None),
    ("not well-formed", lambda w: w.signed(DECIDE)[:-3], ErrorCode.XML_MALFORMED, None),
    ("empty", lambda _: b"", ErrorCode.XML_MALFORMED, None),
    ("over the limit", lambda w: w.signed(DECIDE) + b" " * 60_000, ErrorCode.BODY_TOO_LARGE, None),
    ("no such operation", lambda w: w.signed(write(DECIDE, "DropTables")), ErrorCode.OPERATION_UNKNOWN, None),
    (
        "an answer as a request",
        lambda w: w.signed(write(DECIDE, "GetPaymentResponse")),
        ErrorCode.OPERATION_UNKNOWN,
        None,
    ),
    ("an hour 24", _at(b"2026-11-22T24:00:00Z"), ErrorCode.TIME_INVALID, "/PublishEvent/Time"),
    ("before the first day", _at(b"0001-01-01T00:00:00+14:00"), ErrorCode.TIME_INVALID, "/PublishEvent/Time"),
    ("content elsewhere (XOP)", _faulty(b"L-1.offer", _INCLUDED), ErrorCode.SCHEMA_INVALID, "/DecideOffer/OfferId"),
    ("an offset of 60 minutes", _at(b"2026-11-22T10:00:00+04:60"), ErrorCode.SCHEMA_INVALID, "/PublishEvent/Time"),
    ("id of spaces", _faulty(b"L-1.offer", b"L 1"), ErrorCode.SCHEMA_INVALID, "/DecideOffer/OfferId"),
    ("no payer", _faulty(b"<Bic>XZRNAZ22</Bic>", b""), ErrorCode.SCHEMA_INVALID, "/DecideOffer/Payer"),
    (
        "check digits",
        _faulty(IBAN.encode(), b"AZ00" + IBAN[4:].encode()),
        ErrorCode.IBAN_INVALID,
        "/DecideOffer/Payer/Iban",
    ),
    (
        "acceptance without account",
        lambda w: w.signed(
            model.DecideOffer(message_id="d", offer_id="o", decision=model.Decision.ACCEPT, decided_by="A")
        ),
        ErrorCode.SCHEMA_INVALID,
        "/DecideOffer",
    ),
]


@pytest.mark.parametrize(("make", "code", "path"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_bad_input_gets_a_signed_fault_and_is_not_stored(
    world: World, make: Callable[[World], bytes], code: ErrorCode, path: str | None
) -> None:
    status, problem = await world.problem(make(world))
    facts = {fact.name: fact.value for fact in problem.fact}
    assert (status, problem.code) == (500, code)
    assert path is None or facts["path"] == path
    assert all(said.title and said.detail for said in problem.said)
    assert world.books.received == []
    assert [noted[1] for noted in world.books.refused] == [code]


async def test_soap_12_refusals_come_with_400_as_its_binding_says(world: World) -> None:
    status, problem = await world.problem(to_bytes(wrap(SoapVersion.V12, write(DECIDE))), version=SoapVersion.V12)
    assert (status, problem.code) == (400, ErrorCode.SIGNATURE_MISSING)


@pytest.mark.parametrize(
    "media",
    [
        "application/json",
        "text/xml; charset=utf-16",
        SoapVersion.V12.content_type,
        'multipart/related; type="application/xop+xml"; start-info="text/xml"; boundary=b',  # MTOM
        'multipart/related; type="text/xml"; boundary=b',  # SOAP with attachments
    ],
)
async def test_a_wrong_content_type_is_refused(world: World, media: str) -> None:
    _, problem = await world.problem(world.signed(DECIDE), media=media)
    assert problem.code == ErrorCode.CONTENT_TYPE


async def test_a_failure_inside_leaves_as_a_signed_fault_without_a_trace(world: World) -> None:
    world.books.fails = True
    status, answer = await world.post(world.signed(DECIDE))
    problem = read_problem(world.content(answer))
    assert problem is not None
    assert (status, problem.code) == (500, ErrorCode.INTERNAL)
    assert b"secret" not in answer
    assert b"Traceback" not in answer


async def test_an_answer_our_schema_does_not_allow_is_our_failure_not_the_callers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def offers(*_: Any, **__: Any) -> tuple[OfferView, ...]:
        return (replace(OFFER, title=" "),)

    monkeypatch.setattr(Books, "offers", offers)
    _, problem = await world.problem(world.signed(model.ListOffers(message_id="q-1")))
    assert problem.code == ErrorCode.INTERNAL


async def test_a_refusal_that_cannot_be_noted_is_still_answered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise RefusedError(Refusal(code=ErrorCode.STORE_UNAVAILABLE))

    monkeypatch.setattr(Books, "note", broken)
    _, problem = await world.problem(_unsigned(world))
    assert problem.code == ErrorCode.SIGNATURE_MISSING
