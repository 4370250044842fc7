"""The SOAP door over a real socket with real signatures: what is done, and what is refused with a signed fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import xmlsec
import zeep
from aiohttp import web
from lxml import etree
from zeep.wsse.signature import BinarySignature
from zeep.wsse.utils import WSU, get_security_header

from certs.authority import Authority
from certs.expectations import Expectations, Expected
from certs.keystore import Credential
from certs.tolerance import Tolerance
from certs.trust import TrustStore
from certs.wss import sign_envelope, verify_envelope
from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError, refuse
from contracts.fields import make_iban
from contracts.soap import model
from contracts.soap.codec import read, write
from contracts.soap.envelope import only_child, to_bytes, wrap
from contracts.soap.faults import read_problem
from contracts.soap.names import SoapVersion
from contracts.xml import parse_xml
from gateway.domain.dispatches import Notice, NoticeKind
from gateway.domain.events import offer as offers
from gateway.domain.money import Money
from gateway.domain.values import Account
from gateway.doors.callers import Callers
from gateway.doors.means import Means
from gateway.doors.metrics import Metrics
from gateway.doors.queries import DocumentForm, FeedItem, LotView, OfferView, PaymentView, ProtocolView
from gateway.doors.soap import PATH, PREFIX, SoapSettings, soap_app
from gateway.ports import Answer, Message
from gateway.wire.identity import Identity
from gateway.wire.server import Running, serve_app
from gateway.wire.soap_server import SoapLimits

BANK, OTHER, PLATFORM = "999101", "999202", "EHERRAC"
AS_ZEEP = Expected(own={BANK: Expectations(tolerances=frozenset({Tolerance.WCF_ORDER}))})
LIMITS = SoapLimits(body_max_bytes=60_000, expected=AS_ZEEP)
NOW = datetime.now(UTC)
IBAN = make_iban("XZRN", "1234567890")
ACCOUNT = Account(holder="Xəzər Nümunə Bankı", iban=IBAN, bic="XZRNAZ22", tax_id=None)
OFFER = OfferView(
    id="L-1.offer",
    lot_id="L-1",
    title="Mənzil",
    amount=Money(1_234_50),
    case_number="2026/1",
    deadline=NOW + timedelta(days=5),
    state="open",
    version=1,
)
PAYMENT = PaymentView(
    id="L-1.payment",
    lot_id="L-1",
    kind="request",
    amount=Money(1_234_50),
    debtor=ACCOUNT,
    creditor=ACCOUNT,
    case_number="2026/1",
    state="settled",
    version=4,
)
NOTICE = Notice(kind=NoticeKind.OFFER_OPENED, lot_id="L-1", subject_id="L-1.offer", state="open", occurred_at=NOW)
DECIDE = model.DecideOffer(
    message_id="d-1",
    offer_id="L-1.offer",
    decision=model.Decision.ACCEPT,
    decided_by="Ə. Ğ.",
    payer=model.Account(holder="Xəzər Nümunə Bankı", iban=IBAN, bic="XZRNAZ22"),
)


@dataclass
class Books:
    """A receiver and the queries, in memory: one bank's offer, payment and protocol."""

    received: list[Message] = field(default_factory=list)
    refused: list[tuple[str | None, ErrorCode]] = field(default_factory=list)
    fails: bool = False

    async def receive(self, message: Message) -> Answer:
        if self.fails:
            raise RuntimeError("the store burned down at /var/lib/secret")
        if message.actor not in (None, BANK):
            raise refuse(ErrorCode.OFFER_UNKNOWN, id=message.target.id)
        known = next((old for old in self.received if old.id == message.id), None)
        if known is not None and known.digest != message.digest:
            raise refuse(ErrorCode.ID_CONFLICT, id=message.id)
        if known is None:
            self.received.append(message)
        id = message.target.id if isinstance(message.target.id, str) else message.target.id.value
        return Answer(
            noun=message.target.noun, id=id, state="accepted", version=2, accepted_at=NOW, repeated=known is not None
        )

    async def offers(self, actor: str | None, *, limit: int) -> tuple[OfferView, ...]:
        return (OFFER,)[:limit] if actor == BANK else ()

    async def offer(self, id: str, actor: str | None) -> OfferView | None:
        return OFFER if actor == BANK else None

    async def payment(self, id: str, actor: str | None) -> PaymentView | None:
        return PAYMENT if (id, actor) == (PAYMENT.id, BANK) else None

    async def protocol(self, id: str, actor: str | None) -> ProtocolView | None:
        return None

    async def document(self, protocol_id: str, form: DocumentForm, actor: str | None) -> bytes | None:
        return b"%PDF-1.7" if (actor, form) == (BANK, DocumentForm.PDF) else None

    async def lot(self, id: str, actor: str | None) -> LotView | None:
        return None

    async def feed(self, recipient: str, *, after: int, limit: int) -> tuple[FeedItem, ...]:
        items = [FeedItem(id=f"n-{number}", sequence=number, version=1, notice=NOTICE) for number in (1, 2, 3)]
        return tuple(item for item in items if item.sequence > after)[:limit]

    async def unacknowledged(self, recipient: str, *, after: int, limit: int) -> tuple[FeedItem, ...]:
        return tuple(item for item in await self.feed(recipient, after=after, limit=9) if item.sequence != 2)[:limit]

    async def note(self, source: str | None, path: str, refusal: Refusal, digest: str | None) -> None:
        self.refused.append((source, refusal.code))


@dataclass
class World:
    """A running door and the keys of everyone around it."""

    books: Books
    running: Running
    trust: TrustStore
    keys: dict[str, Credential]
    stranger: Credential

    async def post(self, body: bytes, version: SoapVersion = SoapVersion.V11, media: str = "") -> tuple[int, bytes]:
        headers = {"Content-Type": media or version.content_type}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.running.address}{PREFIX}{PATH}", data=body, headers=headers) as response,
        ):
            return response.status, await response.read()

    def signed(self, message: Any, who: str = BANK, version: SoapVersion = SoapVersion.V11, **more: Any) -> bytes:
        envelope = wrap(version, message if isinstance(message, etree._Element) else write(message))
        sign_envelope(envelope, more.get("key") or self.keys[who], now=more.get("now") or datetime.now(UTC))
        return to_bytes(envelope)

    def content(self, answer: bytes) -> etree._Element:
        """The Body of an answer, once the gateway's signature over it holds."""
        verified = verify_envelope(parse_xml(answer), self.trust, at=datetime.now(UTC))
        assert verified.verified.signer.participant == "GATEWAY"
        return only_child(verified.body)

    async def ask(self, message: Any, kind: type[Any], who: str = BANK, version: SoapVersion = SoapVersion.V11) -> Any:
        status, answer = await self.post(self.signed(message, who, version), version)
        content = self.content(answer)
        assert (status, etree.QName(content).localname) == (200, kind.__name__), etree.tostring(content)
        return read(kind, content)

    async def problem(self, body: bytes, **how: Any) -> tuple[int, model.Problem]:
        status, answer = await self.post(body, **how)
        problem = read_problem(self.content(answer))
        assert problem is not None
        return status, problem


@pytest.fixture(scope="module")
def authority() -> tuple[TrustStore, dict[str, Credential], Credential]:
    ours, theirs = Authority.create(NOW), Authority.create(NOW)
    kinds = {"GATEWAY": "rsa", BANK: "rsa", OTHER: "p256", PLATFORM: "p256", "ECONOMY": "p256"}
    keys = {name: ours.issue(name, name, key=kind, now=NOW) for name, kind in kinds.items()}
    trust = TrustStore.from_pem(anchors=ours.anchors_pem, intermediates=ours.intermediates_pem, crls=[ours.crl(NOW)])
    return trust, keys, theirs.issue(BANK, BANK, key="p256", now=NOW)


@pytest_asyncio.fixture
async def world(authority: tuple[TrustStore, dict[str, Credential], Credential]) -> AsyncIterator[World]:
    trust, keys, stranger = authority
    books = Books()
    app = web.Application()
    app.add_subapp(
        PREFIX,
        soap_app(
            SoapSettings(limits=LIMITS),
            Means(
                callers=Callers(platform=PLATFORM, banks=(BANK, OTHER)),
                identity=lambda: Identity(keys["GATEWAY"], trust),
                receiver=books,
                queries=books,
                clock=lambda: datetime.now(UTC),
                note_refusal=books.note,
                metrics=Metrics(),
            ),
        ),
    )
    running = await serve_app(app, "127.0.0.1", 0)
    yield World(books, running, trust, keys, stranger)
    await running.close()


@pytest.mark.parametrize("version", list(SoapVersion))
async def test_a_bank_accepts_its_offer_in_either_version(world: World, version: SoapVersion) -> None:
    answer = await world.ask(DECIDE, model.DecideOfferResponse, version=version)
    (message,) = world.books.received
    assert (answer.in_reply_to, answer.receipt.id, answer.receipt.repeated) == ("d-1", "L-1.offer", False)
    assert (message.source, message.actor, message.id, message.target.id) == (BANK, BANK, "d-1", "L-1.offer")
    assert message.event == offers.Accepted(payer=ACCOUNT)
    assert message.exhibits[0].signer == BANK


async def test_the_evidence_is_the_envelope_as_it_came_and_verifies_again(world: World) -> None:
    body = world.signed(DECIDE)
    await world.post(body)
    (message,) = world.books.received
    assert message.exhibits[0].content == body


async def test_a_bank_refuses_its_offer(world: World) -> None:
    decision = model.DecideOffer(
        message_id="d-2", offer_id="L-1.offer", decision=model.Decision.REFUSE, decided_by="A", reason="Lazım deyil"
    )
    await world.ask(decision, model.DecideOfferResponse)
    assert world.books.received[0].event == offers.Declined(reason="Lazım deyil")


async def test_a_repetition_signed_anew_gets_the_first_answer_and_other_content_a_conflict(world: World) -> None:
    first = await world.ask(DECIDE, model.DecideOfferResponse)
    again = await world.ask(DECIDE, model.DecideOfferResponse, version=SoapVersion.V12)
    assert (first.receipt.repeated, again.receipt.repeated, len(world.books.received)) == (False, True, 1)
    other = model.DecideOffer(
        message_id="d-1", offer_id="L-1.offer", decision=model.Decision.REFUSE, decided_by="A", reason="Başqa"
    )
    _, problem = await world.problem(world.signed(other))
    assert (problem.code, problem.in_reply_to) == ("ID_CONFLICT", "d-1")


async def test_a_bank_reads_its_offers_payment_protocol_and_feed(world: World) -> None:
    listed = await world.ask(model.ListOffers(message_id="q-1"), model.ListOffersResponse)
    assert [(offer.id, offer.amount.value, offer.case_number) for offer in listed.offer] == [
        ("L-1.offer", "1234.50", "2026/1")
    ]
    paid = await world.ask(model.GetPayment(message_id="q-2", payment_id="L-1.payment"), model.GetPaymentResponse)
    assert (paid.payment.state, paid.payment.debtor.iban) == ("settled", IBAN)
    asked = model.GetProtocol(message_id="q-3", protocol_id="L-1.protocol", format=model.Format.PDF)
    protocol = await world.ask(asked, model.GetProtocolResponse)
    assert (protocol.document.content, protocol.document.media_type) == (b"%PDF-1.7", "application/pdf")
    feed = await world.ask(model.GetFeed(message_id="q-4", after=1, limit=10), model.GetFeedResponse)
    assert [notice.sequence for notice in feed.notice] == [2, 3]
    asked_again = model.GetUnacknowledged(message_id="q-5", after=1, limit=10)
    unacknowledged = await world.ask(asked_again, model.GetUnacknowledgedResponse)
    assert [notice.sequence for notice in unacknowledged.notice] == [3]


async def test_another_banks_nouns_answer_like_unknown_ones(world: World) -> None:
    """EHR-4."""
    assert (await world.ask(model.ListOffers(message_id="q"), model.ListOffersResponse, OTHER)).offer == ()
    for id in ("L-1.payment", "never-was"):
        asked = model.GetPayment(message_id="q-2", payment_id=id)
        _, problem = await world.problem(world.signed(asked, OTHER))
        assert (problem.code, [fact.value for fact in problem.fact]) == ("PAYMENT_UNKNOWN", [id])
    _, problem = await world.problem(world.signed(DECIDE, OTHER))
    assert problem.code == "OFFER_UNKNOWN"


async def test_the_platform_publishes_an_event(world: World) -> None:
    event = model.PublishEvent(
        message_id="e-1",
        type="az.eherrac.auction.cancelled.v1",
        source=PLATFORM,
        subject="L-1",
        time=NOW,
        data='{"reason": "Məhkəmə qərarı"}',
    )
    answer = await world.ask(event, model.PublishEventResponse, PLATFORM)
    (message,) = world.books.received
    assert (answer.receipt.noun, message.target.id, message.actor) == ("lot", "L-1", None)
    assert type(message.event).__name__ == "AuctionCancelled"


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


async def test_the_contract_is_served_with_the_address_it_was_asked_at(world: World) -> None:
    address = f"{world.running.address}{PREFIX}{PATH}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{address}?wsdl") as response:
            root = etree.fromstring(await response.read())
        async with session.get(f"{address}?wsdl=callback") as response:  # what a bank implements
            of_bank = etree.fromstring(await response.read())
        async with session.get(f"{address}?xsd=1") as response:
            assert b"urn:eherrac:gateway:1" in await response.read()
        async with session.get(address) as response:
            assert response.status == 404
    addresses = {node.get("location") for node in root.iter("{*}address")}
    imports = [node.get("schemaLocation") for node in root.iter("{http://www.w3.org/2001/XMLSchema}import")]
    assert (addresses, imports) == ({address}, [f"{address}?xsd=1"])
    imports = [node.get("schemaLocation") for node in of_bank.iter("{http://www.w3.org/2001/XMLSchema}import")]
    assert (of_bank.get("name"), imports) == ("Callback", [f"{address}?xsd=1"])


async def test_a_refusal_that_cannot_be_noted_is_still_answered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise RefusedError(Refusal(code=ErrorCode.STORE_UNAVAILABLE))

    monkeypatch.setattr(Books, "note", broken)
    _, problem = await world.problem(_unsigned(world))
    assert problem.code == ErrorCode.SIGNATURE_MISSING


class _TheirSignature(BinarySignature):  # type: ignore[misc]  # zeep has no types
    """Zeep's own signature, with the Timestamp it does not add by itself; answers are judged by our verifier.

    Zeep's verification is not used: it checks answers with the client's own certificate.
    """

    def __init__(self, credential: Credential, trust: TrustStore, folder: Path) -> None:
        key, chain = credential.to_pem()
        (folder / "key.pem").write_bytes(key)
        (folder / "chain.pem").write_bytes(chain)
        methods = (xmlsec.Transform.RSA_SHA256, xmlsec.Transform.SHA256)
        super().__init__(str(folder / "key.pem"), str(folder / "chain.pem"), None, *methods)
        self._trust = trust

    def apply(self, envelope: etree._Element, headers: Any) -> Any:
        now = datetime.now(UTC)
        stamp = WSU.Timestamp(WSU.Created(now.isoformat()), WSU.Expires((now + timedelta(minutes=5)).isoformat()))
        get_security_header(envelope).append(stamp)
        return super().apply(envelope, headers)

    def verify(self, envelope: etree._Element) -> etree._Element:
        verify_envelope(envelope, self._trust, at=datetime.now(UTC))
        return envelope


@pytest.mark.parametrize("binding", ["GatewaySoap11", "GatewaySoap12"])
async def test_a_bank_with_zeep_needs_nothing_but_the_wsdl_and_its_key(
    world: World, tmp_path: Path, binding: str
) -> None:
    def use() -> tuple[Any, Any, str]:
        signature = _TheirSignature(world.keys[BANK], world.trust, tmp_path)
        with zeep.Client(f"{world.running.address}{PREFIX}{PATH}?wsdl", wsse=signature) as client:
            service = client.bind("GatewayService", binding)
            payer = {"Holder": "Xəzər Nümunə Bankı", "Iban": IBAN, "Bic": "XZRNAZ22"}
            offers = service.ListOffers(MessageId="q-1")
            told = service.DecideOffer(MessageId="d-1", OfferId="L-1.offer", Decision="accept", Payer=payer)
            with pytest.raises(zeep.exceptions.Fault) as fault:
                service.GetPayment(MessageId="q-2", PaymentId="never-was")
            client.transport.session.close()
            return offers, told, fault.value.message

    offers_told, told, fault = await asyncio.to_thread(use)
    assert [(offer.Id, offer.Amount._value_1, offer.Amount.currency) for offer in offers_told.Offer] == [
        ("L-1.offer", Decimal("1234.50"), "AZN")
    ]
    assert (told.InReplyTo, told.Receipt.State) == ("d-1", "accepted")
    assert fault
    assert world.books.received[0].event == offers.Accepted(payer=ACCOUNT)
