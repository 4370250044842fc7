"""Anything at all at every door of the whole gateway, over sockets: no failure of ours, no silence, none of our words.

What is sent is signed as its door wants it, so that it reaches the readers and the engine behind the signature: honest
messages with one value replaced, documents of any shape, any text, any bytes. Every answer comes within two seconds,
is no 5xx (SOAP 1.1 wants 500 for the sender's own faults), says nothing of our inside, and over REST is what the
published contract promises: status, type and body.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from attack_world import NOTIFICATION
from contracted import check_answer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from raw_http import octets, send, statuses
from rest_world import decision, event
from test_attack_sockets import INSIDE, is_soap_fault
from town import PAYER, Town

from adapters.ministries.reader import ReadRecord
from adapters.ministries.receipts import judge_receipt
from certs.http_signature import HttpRequestParts, sign_request
from certs.wss import sign_envelope
from certs.xmldsig import sign_enveloped
from contracts.errors.refusal import RefusedError
from contracts.events.protocols import ProtocolReceipted, write_receipt
from contracts.iso20022 import envelope
from contracts.iso20022.samples import (
    BANK_BIC,
    BIDDER,
    DESIGNATED,
    OPERATOR_BIC,
    SAMPLES,
    STATUS,
    SYSTEM_BIC,
    TRANSFER,
)
from contracts.receipt.codec import Receipt, build_receipt
from contracts.soap import model
from contracts.soap.codec import write
from contracts.soap.envelope import to_bytes, wrap
from contracts.soap.names import SoapVersion

EXAMPLES = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["", " ", "0", "-1", "1e400", "9" * 400, "NaN", "0000-00-00T00:00:00Z", "2026-02-30T10:00:00+25:00"]
    ),
    st.sampled_from(
        ["../../etc/passwd", "' OR 1=1 --", "${jndi:x}", "<a>", "%00", "\u202e", "İI", "a" * 3_000, "AZ00"]
    ),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**40), 10**40), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
XML_TEXTS = TEXTS.map(lambda text: "".join(sign for sign in text if sign in "\t\n" or " " <= sign < "\ud800"))
CODES = st.sampled_from(["999101", "EHERRAC", "AOS", "ASANPAY", "999303"])


@dataclass
class Doors:
    """The town, its loop, and a way to knock."""

    town: Town
    runner: asyncio.Runner

    def knock(self, data: bytes) -> int:
        """Send octets; the first status. Raises for whatever no answer may be."""
        answer = self.runner.run(send(self.town.system.address, data))
        assert answer, data
        assert not any(word in answer for word in INSIDE), (data, answer)
        assert b'"INTERNAL"' not in answer
        assert b">INTERNAL<" not in answer
        for status in statuses(answer):
            assert status < 500 or is_soap_fault(answer), (data, answer)
        check_answer(data, answer)
        return statuses(answer)[0]

    def sign(self, code: str, method: str, target: str, body: bytes = b"", **headers: str) -> HttpRequestParts:
        """A request as this participant signs it, whatever it says."""
        path, _, query = target.partition("?")
        fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        host = self.town.system.address.partition("//")[2]
        parts = HttpRequestParts(method=method, authority=host, path=path, query=query, headers=fields, body=body)
        credential = self.town.identity(code).credential
        return parts.with_headers(sign_request(parts, credential, now=self.town.now(), nonce="n"))


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with asyncio.Runner() as runner:
        town = runner.run(Town(tmp_path_factory.mktemp("town")).open())
        for lot in ("L1", "LOT-B"):
            runner.run(town.announce(lot))
            runner.run(town.unsold(lot))
        yield Doors(town, runner)
        runner.run(town.close())


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON document, the whole among them."""
    yield path
    members = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, member in members:
        yield from places(member, (*path, key))


@st.composite
def changed(draw: st.DrawFn, honest: dict[str, Any]) -> bytes:
    """An honest document with one or two values replaced, added or gone; or anything at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.one_of(st.binary(max_size=300), st.builds(_dump, VALUES)))
    document = copy.deepcopy(honest)
    for _ in range(draw(st.integers(1, 2))):
        *way, key = draw(st.sampled_from([path for path in places(document) if path]))
        holder = document
        for step in way:
            holder = holder[step]
        if draw(st.booleans()) and isinstance(holder, dict):
            del holder[key]
            holder[draw(TEXTS)] = draw(VALUES)
        else:
            holder[key] = draw(VALUES)
    return _dump(document)


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


@EXAMPLES
@given(body=changed(event(source="EHERRAC")), type=st.sampled_from(["application/cloudevents+json", "text/xml", "x"]))
def test_events_of_anything(doors: Doors, body: bytes, type: str) -> None:
    doors.knock(octets(doors.sign("EHERRAC", "POST", "/v1/events", body, Content_Type=type)))


@EXAMPLES
@given(body=changed(decision(payer=PAYER)), key=st.text("abc-._: /\\%é", max_size=70))
def test_decisions_of_anything(doors: Doors, body: bytes, key: str) -> None:
    headers = {"Content_Type": "application/json", "Idempotency_Key": key.encode("ascii", "ignore").decode()}
    doors.knock(octets(doors.sign("999101", "POST", "/v1/offers/L1.offer/decision", body, **headers)))


@EXAMPLES
@given(
    code=CODES,
    method=st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS", "FOO"]),
    noun=st.sampled_from(["offers", "payments", "protocols", "lots", "feed", "events", "openapi.yaml", "", "x"]),
    id=st.text("aL1.%/?&=;~-_:é\x7f", max_size=40),
    accept=st.text("abc/*;,=0.5 -é", max_size=60),
)
def test_paths_and_queries_of_anything(doors: Doors, code: str, method: str, noun: str, id: str, accept: str) -> None:
    target = f"/v1/{noun}/{id}".encode("ascii", "ignore").decode()
    parts = doors.sign(code, method, target, Accept=accept, Accept_Language=accept)
    doors.knock(octets(parts))


@EXAMPLES
@given(body=changed(NOTIFICATION))
def test_payment_notifications_of_anything(doors: Doors, body: bytes) -> None:
    path = "/asan-pay/v1/notifications"
    doors.knock(octets(doors.sign("ASANPAY", "POST", path, body, Content_Type="application/json")))


def rewrite(draw: st.DrawFn, root: etree._Element) -> None:
    """One to three changes of values, names, attributes and order, all well-formed."""
    for _ in range(draw(st.integers(1, 3))):
        nodes = list(root.iter("*"))
        node = nodes[draw(st.integers(0, len(nodes) - 1))]
        match draw(st.integers(0, 5)):
            case 0 | 1 | 2:
                node.text = draw(XML_TEXTS)
            case 3:
                node.set(
                    draw(st.sampled_from(["a", "Ccy", "{http://www.w3.org/2001/XMLSchema-instance}nil"])),
                    draw(XML_TEXTS),
                )
            case 4:
                node.append(copy.deepcopy(nodes[draw(st.integers(0, len(nodes) - 1))]))
            case _ if node.getparent() is not None:
                node.getparent().remove(node)


SOAP_MESSAGES = (
    model.DecideOffer(
        message_id="f-1",
        offer_id="L1.offer",
        decision=model.Decision.ACCEPT,
        decided_by="Ə. Ğ.",
        payer=model.Account(**PAYER),
    ),
    model.ListOffers(message_id="f-2"),
    model.GetFeed(message_id="f-3", after=0, limit=10),
    model.GetProtocol(message_id="f-4", protocol_id="L1.protocol", format=model.Format.PDF),
)


@EXAMPLES
@given(data=st.data(), version=st.sampled_from(list(SoapVersion)), code=CODES, raw=st.integers(0, 9))
def test_envelopes_of_anything(doors: Doors, data: st.DataObject, version: SoapVersion, code: str, raw: int) -> None:
    content = write(data.draw(st.sampled_from(SOAP_MESSAGES)))
    rewrite(data.draw, content)
    root = wrap(version, content)
    sign_envelope(root, doors.town.identity(code).credential, now=doors.town.now())
    body = to_bytes(root) if raw else data.draw(st.binary(max_size=300))
    headers = (("Content-Type", version.content_type), ("SOAPAction", '"x"'))
    parts = HttpRequestParts(method="POST", authority="x", path="/soap/v1", headers=headers, body=body)
    doors.knock(octets(parts))


def test_a_number_that_no_store_keeps_is_refused_by_the_schema(doors: Doors) -> None:
    """Found here: it had passed the schema and fallen in the database."""
    content = write(model.GetFeed(message_id="f-5", after=10**15, limit=10))
    root = wrap(SoapVersion.V12, content)
    sign_envelope(root, doors.town.identity("999101").credential, now=doors.town.now())
    headers = (("Content-Type", SoapVersion.V12.content_type),)
    parts = HttpRequestParts(method="POST", authority="x", path="/soap/v1", headers=headers, body=to_bytes(root))
    assert doors.knock(octets(parts)) == 400


# One that AÖS may well send us, under its bank's own id: the credit of a buyer's deposit. Of the samples some are, too.
CREDIT = replace(
    TRANSFER,
    message_id="XZRNAZ22A001261122000000000000001",
    instructing_bic=BANK_BIC,
    instructed_bic=OPERATOR_BIC,
    debtor=BIDDER,
    creditor=replace(DESIGNATED, iban="AZ73EHRN01010000000000000001"),
)


@EXAMPLES
@given(data=st.data(), raw=st.integers(0, 9))
def test_iso_messages_of_anything(doors: Doors, data: st.DataObject, raw: int) -> None:
    message = data.draw(st.sampled_from([CREDIT, STATUS, *SAMPLES.values()]))
    root = envelope.wrap(message, from_bic=SYSTEM_BIC, to_bic="EHRNAZ22")
    place = envelope.signature_parent(root)
    rewrite(data.draw, root)
    if root in place.iterancestors():
        sign_enveloped(root, doors.town.identity("AOS").credential, into=place)
    body = bytes(etree.tostring(root)) if raw else data.draw(st.binary(max_size=300))
    doors.knock(octets(doors.sign("AOS", "POST", "/aos/v1/messages", body, Content_Type="application/xml")))


@EXAMPLES
@given(data=st.data(), raw=st.integers(0, 9))
def test_receipts_of_anything_are_refused_or_read(doors: Doors, data: st.DataObject, raw: int) -> None:
    """They come over Kafka: a refusal is passed over, anything else would stop the reader at this record."""
    now = doors.town.now()
    root = build_receipt(
        Receipt(
            receipt_id="R-1",
            protocol_number="2026/1",
            protocol_id="L1.protocol",
            container_sha256="ab" * 32,
            authority="ECONOMY",
            received_at=now,
        )
    )
    rewrite(data.draw, root)
    identity = doors.town.identity("ECONOMY")
    sign_enveloped(root, identity.credential, into=root)
    document = bytes(etree.tostring(root)) if raw else data.draw(st.binary(max_size=300))
    honest = write_receipt(ProtocolReceipted(id="e-1", source="ECONOMY", lot_id="L1", time=now, document=document))
    headers = [
        (name, value if data.draw(st.integers(0, 5)) else data.draw(st.binary(max_size=30))) for name, value in honest
    ]
    record = ReadRecord(topic="t", partition=0, offset=0, value=document, headers=tuple(headers))
    try:
        judge_receipt(record, identity.trust, frozenset({"ECONOMY"}), at=now)
    except RefusedError:
        return


@EXAMPLES
@given(
    line=st.binary(max_size=60),
    fields=st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40)), max_size=4),
    body=st.binary(max_size=200),
)
def test_octets_of_anything(doors: Doors, line: bytes, fields: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Not even HTTP: refused in words of ours, or not answered because the sender has not ended."""
    head = b"\r\n".join([b"POST /v1/events HTTP/1.1" + line, b"Host: x", *(b"%s: %s" % field for field in fields)])
    try:
        doors.knock(head + b"\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
    except TimeoutError:
        pytest.fail(f"silence after {head!r}")
