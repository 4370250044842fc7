"""A small world for tests of the REST door: parties with keys, an engine that remembers ids, a store of four nouns.

The fakes stand for engine and store only; sockets, signatures and certificates are real.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from aiohttp import web
from waiting import PATIENCE_S

from certs.authority import Authority
from certs.trust import TrustStore
from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import refuse
from contracts.fields import make_iban
from gateway.domain.dispatches import Notice, NoticeKind
from gateway.domain.money import Money
from gateway.domain.values import Account, Regime
from gateway.doors.callers import Callers
from gateway.doors.means import Means
from gateway.doors.metrics import Metrics
from gateway.doors.queries import DocumentForm, FeedItem, LotView, OfferView, PaymentView, ProtocolView
from gateway.doors.rest import PREFIX, RestSettings, rest_app
from gateway.ports import Answer, Message
from gateway.wire.client import SignedAnswer, SignedClient
from gateway.wire.identity import Identity
from gateway.wire.server import Running, serve_app

MOMENT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
BANK, OTHER_BANK, STRANGER = "999101", "999202", "999303"
PAYER = Account(holder="Xəzər Nümunə Bankı", iban=make_iban("XZRN", "7"), bic="XZRNAZ22")
PAYEE = Account(holder="İcra xidməti (nümunə)", iban=make_iban("EHRN", "9"), bic="EHRNAZ22", tax_id="1234567891")
BODY_MAX_BYTES = 4_096


def clock() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Parties:
    """Everybody's keys, by code."""

    authority: Authority
    identities: dict[str, Identity]

    @classmethod
    def create(cls, *codes: str) -> Parties:
        authority = Authority.create(clock())
        trust = TrustStore.from_pem(
            anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(clock())]
        )
        issued = {code: authority.issue(code, f"{code} (nümunə)", key="p256", now=clock()) for code in codes}
        return cls(authority, {code: Identity(credential, trust) for code, credential in issued.items()})


class FakeReceiver:
    """An engine reduced to its promise about ids, and to the nouns it knows."""

    def __init__(self) -> None:
        self.accepted: list[Message] = []
        self._answers: dict[tuple[str, str], tuple[str, Answer]] = {}
        self.refuse_with: ErrorCode | None = None
        self.heard = asyncio.Event()  # something was received, whatever became of it

    async def receive(self, message: Message) -> Answer:
        self.heard.set()
        known = self._answers.get((message.source, message.id))
        if known is not None:
            if known[0] != message.digest:
                raise refuse(ErrorCode.ID_CONFLICT, id=message.id)
            return replace(known[1], repeated=True)
        if self.refuse_with is not None:
            raise refuse(self.refuse_with)
        if message.target.noun == "offer" and (message.target.id, message.actor) != (OFFER.id, BANK):
            raise refuse(ErrorCode.OFFER_UNKNOWN, id=message.target.id)
        answer = Answer(noun=message.target.noun, id=str(message.target.id), state="ok", version=1, accepted_at=MOMENT)
        self.accepted.append(message)
        self._answers[message.source, message.id] = (message.digest, answer)
        return answer


OFFER = OfferView(
    id="LOT-B.offer",
    lot_id="LOT-B",
    title="Mənzil (nümunə)",
    amount=Money(2_730_000),
    case_number="5-1/2026",
    deadline=MOMENT + timedelta(days=5),
    state="open",
    version=1,
    payer=PAYER,
)
PAYMENT = PaymentView(
    id="LOT-B.payment",
    lot_id="LOT-B",
    kind="request",
    amount=Money(2_730_000),
    debtor=PAYER,
    creditor=PAYEE,
    case_number="5-1/2026",
    state="settled",
    version=4,
    reference="MSID-1",
)
PROTOCOL = ProtocolView(
    id="LOT-B.protocol",
    number="2026/000001",
    lot_id="LOT-B",
    result="claimant_acquired",
    state="sealed",
    version=2,
    sha256=hashlib.sha256(b"asice").hexdigest(),
)
LOT = LotView(
    id="LOT-B",
    title="Mənzil (nümunə)",
    address="Bakı (nümunə)",
    regime=Regime.ENFORCEMENT,
    case_number="5-1/2026",
    starting_price=Money(2_730_000),
    claimant=BANK,
    state="concluded",
    version=6,
)
DOCUMENTS = {
    DocumentForm.XML: "<protokol>Ə₼</protokol>".encode(),
    DocumentForm.PDF: b"%PDF-1.7 \x00\xff",
    DocumentForm.ASICE: b"PK\x03\x04 asice",
}


class FakeQueries:
    """A store with one offer, payment, protocol and lot of BANK, and a feed of five notices for everybody."""

    async def offers(self, actor: str | None, *, after: str = "", limit: int) -> tuple[OfferView, ...]:
        later = (OFFER, replace(OFFER, id="LOT-E.offer"), replace(OFFER, id="LOT-F.offer"))
        return tuple(offer for offer in later if offer.id > after)[:limit] if actor == BANK else ()

    async def offer(self, id: str, actor: str | None) -> OfferView | None:
        return OFFER if id == OFFER.id and actor in (None, BANK) else None

    async def payment(self, id: str, actor: str | None) -> PaymentView | None:
        return PAYMENT if id == PAYMENT.id and actor in (None, BANK) else None

    async def protocol(self, id: str, actor: str | None) -> ProtocolView | None:
        return PROTOCOL if id == PROTOCOL.id and actor in (None, BANK) else None

    async def document(self, protocol_id: str, form: DocumentForm, actor: str | None) -> bytes | None:
        return DOCUMENTS[form] if protocol_id == PROTOCOL.id and actor in (None, BANK) else None

    async def lot(self, id: str, actor: str | None) -> LotView | None:
        return LOT if id == LOT.id and actor in (None, BANK) else None

    async def feed(self, recipient: str, *, after: int, limit: int) -> tuple[FeedItem, ...]:
        return tuple(_feed_item(recipient, sequence) for sequence in range(1, 6) if sequence > after)[:limit]

    async def unacknowledged(self, recipient: str, *, after: int, limit: int) -> tuple[FeedItem, ...]:
        return tuple(_feed_item(recipient, sequence) for sequence in (2, 5) if sequence > after)[:limit]


def _feed_item(recipient: str, sequence: int) -> FeedItem:
    notice = Notice(
        kind=NoticeKind.OFFER_OPENED,
        lot_id="LOT-B",
        subject_id="LOT-B.offer",
        state="open",
        occurred_at=MOMENT,
        amount=Money(100),
    )
    return FeedItem(id=f"{recipient}-{sequence}", sequence=sequence, version=sequence, notice=notice)


@dataclass(slots=True)
class World:
    """The door on a socket, and a client for each party."""

    parties: Parties
    receiver: FakeReceiver
    metrics: Metrics
    refusals: list[tuple[str | None, str, Refusal, str | None]]
    server: Running
    clients: dict[str, SignedClient] = field(default_factory=dict)

    @classmethod
    async def start(cls, parties: Parties, identity: Callable[[], Identity] | None = None) -> World:
        receiver, metrics = FakeReceiver(), Metrics()
        refusals: list[tuple[str | None, str, Refusal, str | None]] = []

        async def note(source: str | None, path: str, refusal: Refusal, digest: str | None) -> None:
            refusals.append((source, path, refusal, digest))

        root = web.Application()
        app = rest_app(
            RestSettings(body_max_bytes=BODY_MAX_BYTES, page_max=10),
            Means(
                callers=Callers(platform="EHERRAC", banks={BANK, OTHER_BANK}),
                identity=identity or (lambda: parties.identities["GATEWAY"]),
                receiver=receiver,
                queries=FakeQueries(),
                clock=clock,
                note_refusal=note,
                metrics=metrics,
            ),
        )
        root.add_subapp(PREFIX, app)
        return cls(parties, receiver, metrics, refusals, await serve_app(root, "127.0.0.1", 0))

    def client(self, code: str) -> SignedClient:
        if code not in self.clients:
            self.clients[code] = SignedClient(lambda: self.parties.identities[code], timeout_s=PATIENCE_S, clock=clock)
        return self.clients[code]

    async def ask(self, code: str, method: str, path: str, **options: Any) -> SignedAnswer:
        """A signed request by a party; the answer's signature is verified."""
        settings: dict[str, Any] = {"expected_participant": "GATEWAY"} | options
        return await self.client(code).request(method, self.server.address + path, **settings)

    async def close(self) -> None:
        for client in self.clients.values():
            await client.close()
        await self.server.close()


def event(**changes: Any) -> dict[str, Any]:
    """An announcement as the platform would send it."""
    return {
        "specversion": "1.0",
        "id": "evt-1",
        "source": "EHERRAC",
        "type": "az.eherrac.lot.announced.v1",
        "time": "2026-11-22T10:00:00+04:00",
        "subject": "LOT-A",
        "datacontenttype": "application/json",
        "data": {
            "title": "Mənzil (nümunə)",
            "address": "Bakı (nümunə)",
            "regime": "enforcement",
            "claimant": BANK,
            "startingPrice": "28000.00",
            "auctionAt": "2026-11-22T12:00:00Z",
            "caseNumber": "5-1/2026",
        },
    } | changes


def decision(**changes: Any) -> dict[str, Any]:
    """An acceptance as the bank would send it."""
    payer = {"holder": PAYER.holder, "iban": PAYER.iban, "bic": PAYER.bic}
    return {"decision": "accept", "payer": payer} | changes


def body(document: Any) -> bytes:
    return orjson.dumps(document)
