"""A running SOAP door with real sockets, signatures and certificates; engine and store behind it are in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from lxml import etree

from certs.authority import Authority
from certs.expectations import Expectations, Expected
from certs.keystore import Credential
from certs.tolerance import Tolerance
from certs.trust import TrustStore
from certs.wss import sign_envelope, verify_envelope
from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import refuse
from contracts.fields import make_iban
from contracts.soap import model
from contracts.soap.codec import read, write
from contracts.soap.envelope import only_child, to_bytes, wrap
from contracts.soap.faults import read_problem
from contracts.soap.names import SoapVersion
from contracts.xml import parse_xml
from gateway.domain.dispatches import Notice, NoticeKind
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
    stored: tuple[OfferView, ...] = (OFFER,)

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

    async def offers(self, actor: str | None, *, after: str = "", limit: int) -> tuple[OfferView, ...]:
        return tuple(offer for offer in self.stored if offer.id > after)[:limit] if actor == BANK else ()

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


@pytest.fixture(scope="module", name="authority")
def everybodys_keys() -> tuple[TrustStore, dict[str, Credential], Credential]:
    ours, theirs = Authority.create(NOW), Authority.create(NOW)
    kinds = {"GATEWAY": "rsa", BANK: "rsa", OTHER: "p256", PLATFORM: "p256", "ECONOMY": "p256"}
    keys = {name: ours.issue(name, name, key=kind, now=NOW) for name, kind in kinds.items()}
    trust = TrustStore.from_pem(anchors=ours.anchors_pem, intermediates=ours.intermediates_pem, crls=[ours.crl(NOW)])
    return trust, keys, theirs.issue(BANK, BANK, key="p256", now=NOW)


@pytest_asyncio.fixture(name="world")
async def running_door(authority: tuple[TrustStore, dict[str, Credential], Credential]) -> AsyncIterator[World]:
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
