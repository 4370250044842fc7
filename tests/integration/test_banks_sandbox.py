"""Gateway and bank over real sockets: callbacks in both transports, decisions at both doors, faults on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from waiting import PATIENCE_S

from adapters.banks import adapter as adapter_module
from adapters.banks import mapping
from adapters.banks.adapter import BankEndpoint, BanksAdapter, Transport
from adapters.banks.mapping import soap_callback
from adapters.banks.sandbox import BankSandbox, BankSandboxSettings, Behaviour, CallbackFault, CustomerAccount
from certs.authority import Authority
from certs.keystore import Credential
from certs.trust import TrustStore
from certs.wss import verify_envelope
from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import refuse
from contracts.fields import make_iban
from contracts.soap.names import SoapVersion
from contracts.xml import parse_xml
from gateway.domain.dispatches import Channel, Notice, NoticeKind
from gateway.domain.events import offer as offers
from gateway.domain.money import Money
from gateway.doors.callers import Callers
from gateway.doors.means import Means
from gateway.doors.metrics import Metrics
from gateway.doors.queries import DocumentForm, FeedItem, LotView, OfferView, PaymentView, ProtocolView
from gateway.doors.rest import PREFIX as REST
from gateway.doors.rest import RestSettings, rest_app
from gateway.doors.soap import PREFIX as SOAP
from gateway.doors.soap import SoapSettings, soap_app
from gateway.ports import Acknowledged, Answer, Dispatch, Message, NotSent, Refused, Unknown
from gateway.wire.identity import Identity
from gateway.wire.server import Running, serve_app

NOW = datetime.now(UTC)
BANK, OTHER = "999101", "999202"
RICH, POOR = make_iban("XZRN", "1"), make_iban("XZRN", "2")
NOTICE = Notice(
    kind=NoticeKind.OFFER_OPENED,
    lot_id="L-1",
    subject_id="L-1.offer",
    state="open",
    occurred_at=NOW,
    amount=Money(1_234_50),
    deadline=NOW + timedelta(days=5),
)
PAID = replace(NOTICE, kind=NoticeKind.PAYMENT_STATE, subject_id="L-1.payment", state="settled")
TRANSPORTS = [
    (Transport.REST, SoapVersion.V11),
    (Transport.SOAP, SoapVersion.V11),
    (Transport.SOAP, SoapVersion.V12),
]


@dataclass
class Books:
    """The gateway's inside: what was received, and a feed."""

    received: list[Message] = field(default_factory=list)
    items: list[FeedItem] = field(default_factory=list)
    refuse_with: list[ErrorCode] = field(default_factory=list)  # one for each of the next messages

    async def receive(self, message: Message) -> Answer:
        if self.refuse_with:
            raise refuse(self.refuse_with.pop(0), id=message.id)
        self.received.append(message)
        return Answer(noun="offer", id="L-1.offer", state="accepted", version=2, accepted_at=NOW)

    async def offers(self, actor: str | None, *, limit: int) -> tuple[OfferView, ...]:
        return ()

    async def offer(self, id: str, actor: str | None) -> OfferView | None:
        return None

    async def payment(self, id: str, actor: str | None) -> PaymentView | None:
        return None

    async def protocol(self, id: str, actor: str | None) -> ProtocolView | None:
        return None

    async def document(self, protocol_id: str, form: DocumentForm, actor: str | None) -> bytes | None:
        return b"PK\x03\x04" if form is DocumentForm.ASICE and actor == BANK else None

    async def lot(self, id: str, actor: str | None) -> LotView | None:
        return None

    async def feed(self, recipient: str, *, after: int, limit: int) -> tuple[FeedItem, ...]:
        return tuple(item for item in self.items if item.sequence > after)[:limit]


async def _note(source: str | None, path: str, refusal: Refusal, digest: str | None) -> None:
    return None


@dataclass
class Keys:
    """Everyone's identity, by participant code."""

    trust: TrustStore
    credentials: dict[str, Credential]

    def __getitem__(self, name: str) -> Identity:
        return Identity(self.credentials[name], self.trust)


@pytest.fixture(scope="module")
def keys() -> Keys:
    authority = Authority.create(NOW)
    names = {"GATEWAY": "rsa", BANK: "p256", OTHER: "p256"}
    credentials = {name: authority.issue(name, name, key=kind, now=NOW) for name, kind in names.items()}
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )
    return Keys(trust, credentials)


@dataclass
class World:
    """A gateway's doors, its adapter, and one bank."""

    keys: Keys
    books: Books
    gateway: Running
    bank: BankSandbox
    adapter: BanksAdapter

    async def send(self, notice: Notice = NOTICE, *, sequence: int = 1, recipient: str = BANK) -> Any:
        dispatch = Dispatch(
            id=f"n-{sequence}",
            channel=Channel.BANKS,
            recipient=recipient,
            body=notice,
            attempt=1,
            created_at=NOW,
            sequence=sequence,
            state_version=1,
        )
        return await self.adapter.send(dispatch)


def _clock() -> datetime:
    return datetime.now(UTC)


def _settings(keys: Keys, transport: Transport, version: SoapVersion, **more: Any) -> BankSandboxSettings:
    return BankSandboxSettings(
        identity=lambda: keys[BANK],
        code=BANK,
        bic="XZRNAZ22",
        iso_address="XZRNAZ22AXXX",
        transport=transport,
        soap_version=version,
        accounts=(
            CustomerAccount(iban=RICH, holder="Xəzər Nümunə Bankı", balance=Money(100_000_00)),
            CustomerAccount(iban=POOR, holder="Xəzər Nümunə Bankı", balance=Money(1)),
        ),
        decide_after_s=0.0,
        **more,
    )


@asynccontextmanager
async def _world(keys: Keys, transport: Transport, version: SoapVersion, **more: Any) -> AsyncIterator[World]:
    books = Books()
    bank = BankSandbox(_settings(keys, transport, version, **more))
    gateway = await serve_app(_gateway(keys, books), "127.0.0.1", 0)
    await bank.start()
    bank.connect(gateway.address)
    endpoint = BankEndpoint(
        code=BANK, transport=transport, callback_url=bank.callback_url, timeout_s=PATIENCE_S, soap_version=version
    )
    adapter = BanksAdapter([endpoint], lambda: keys["GATEWAY"], clock=_clock)
    world = World(keys, books, gateway, bank, adapter)
    try:
        yield world
    finally:
        await world.adapter.close()
        await bank.close()
        await gateway.close()


def _gateway(keys: Keys, books: Books) -> web.Application:
    means = Means(
        callers=Callers(platform="EHERRAC", banks=(BANK, OTHER)),
        identity=lambda: keys["GATEWAY"],
        receiver=books,
        queries=books,
        clock=_clock,
        note_refusal=_note,
        metrics=Metrics(),
    )
    root = web.Application()
    root.add_subapp(REST, rest_app(RestSettings(), means))
    root.add_subapp(SOAP, soap_app(SoapSettings(), means))
    return root


@pytest_asyncio.fixture(params=TRANSPORTS, ids=lambda row: f"{row[0]}-{row[1].name}")
async def world(request: pytest.FixtureRequest, keys: Keys) -> AsyncIterator[World]:
    async with _world(keys, *request.param) as running:
        yield running


async def test_a_callback_is_acknowledged_and_taken_once(world: World) -> None:
    outcomes = [await world.send(PAID), await world.send(PAID)]
    assert all(isinstance(outcome, Acknowledged) for outcome in outcomes)
    (notice,) = world.bank.notices.all
    assert (notice.id, notice.kind, notice.state, notice.sequence) == ("n-1", "payment.state", "settled", 1)
    assert world.bank.notices.repeated == 1


async def test_request_and_answer_are_kept_as_evidence_with_their_signers(world: World) -> None:
    outcome = await world.send(PAID)
    assert [(kept.direction, kept.signer) for kept in outcome.exhibits] == [("out", "GATEWAY"), ("in", BANK)]
    for kept in outcome.exhibits:
        if kept.media_type != "message/http":
            verify_envelope(parse_xml(kept.content), world.keys.trust, at=_clock())


async def test_an_opened_offer_is_accepted_with_the_account_that_pays(world: World) -> None:
    await world.send()
    await world.bank.idle()
    (message,) = world.books.received
    assert (message.source, message.actor, message.id) == (BANK, BANK, "L-1.offer.decision")
    assert isinstance(message.event, offers.Accepted)
    assert (message.event.payer.iban, message.event.payer.bic) == (RICH, "XZRNAZ22")
    assert world.bank.told["L-1.offer"].state == "accepted"


async def test_a_decision_is_sent_again_under_the_same_id_while_the_gateway_says_later(world: World) -> None:
    world.books.refuse_with = [ErrorCode.OVERLOADED, ErrorCode.STORE_UNAVAILABLE]
    await world.send()
    await world.bank.idle()
    assert [message.id for message in world.books.received] == ["L-1.offer.decision"]


async def test_a_refused_decision_is_told_to_the_bank_with_its_code(world: World) -> None:
    world.books.refuse_with = [ErrorCode.DEADLINE_PASSED]
    await world.send()
    await world.bank.idle()
    assert world.bank.told["L-1.offer"].refused == "DEADLINE_PASSED"


async def test_a_bank_that_missed_notices_pulls_them_from_the_feed(world: World) -> None:
    world.books.items = [FeedItem(id=f"n-{number}", sequence=number, version=1, notice=PAID) for number in range(1, 5)]
    await world.send(PAID, sequence=4)
    await world.bank.idle()
    assert not world.bank.notices.has_gap


async def test_a_bank_fetches_a_sealed_protocol(world: World) -> None:
    """EHR-9: documents go both ways: notices and protocols to the bank, decisions from it."""
    assert await world.bank.document("L-1.protocol") == b"PK\x03\x04"


@pytest.mark.parametrize("transport", list(Transport))
@pytest.mark.parametrize(
    ("fault", "outcome", "taken"),
    [
        (CallbackFault.BUSY, NotSent | Unknown, 0),
        (CallbackFault.REFUSING, Refused, 0),
        (CallbackFault.UNSIGNED, Unknown, 1),  # it has the notice, but nobody can prove it: sent again, dropped there
    ],
)
async def test_faults_of_the_bank_have_their_outcomes(
    keys: Keys, transport: Transport, fault: CallbackFault, outcome: Any, taken: int
) -> None:
    async with _world(keys, transport, SoapVersion.V11, callback_fault=fault) as world:
        assert isinstance(await world.send(PAID), outcome)
        assert len(world.bank.notices.all) == taken
        world.bank.callbacks.fault = CallbackFault.NONE
        assert isinstance(await world.send(PAID), Acknowledged)
        assert len(world.bank.notices.all) == 1


@pytest.mark.parametrize("transport", list(Transport))
async def test_an_answer_signed_by_another_bank_is_not_an_acknowledgement(keys: Keys, transport: Transport) -> None:
    async with _world(keys, transport, SoapVersion.V11) as world:
        endpoint = BankEndpoint(code=OTHER, transport=transport, callback_url=world.bank.callback_url)
        adapter = BanksAdapter([endpoint], lambda: keys["GATEWAY"], clock=_clock)
        world.adapter, ours = adapter, world.adapter
        outcome = await world.send(PAID, recipient=OTHER)
        await ours.close()
        assert isinstance(outcome, Unknown)
        assert "PARTICIPANT_MISMATCH" in outcome.reason


@pytest.mark.parametrize("transport", list(Transport))
async def test_a_bank_believes_no_callback_but_the_gateways(keys: Keys, transport: Transport) -> None:
    async with _world(keys, transport, SoapVersion.V11) as world:
        endpoint = BankEndpoint(code=BANK, transport=transport, callback_url=world.bank.callback_url)
        stranger = BanksAdapter([endpoint], lambda: keys[OTHER], clock=_clock)
        world.adapter, ours = stranger, world.adapter
        outcome = await world.send(PAID)
        await ours.close()
        assert isinstance(outcome, Refused)
        assert outcome.code == "NOT_PERMITTED"
        assert world.bank.notices.all == ()


async def test_a_callback_whose_outside_names_another_notice_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter_module, "callback_headers", lambda *_: {"webhook-id": "n-9", "webhook-timestamp": "1"})
    monkeypatch.setattr(mapping, "soap_callback", lambda dispatch: replace(soap_callback(dispatch), message_id="n-9"))
    outcome = await world.send(PAID)
    assert isinstance(outcome, Refused)
    assert outcome.code == "ID_CONFLICT"
    assert world.bank.notices.all == ()


@pytest.mark.parametrize("transport", list(Transport))
async def test_a_bank_that_is_down_has_certainly_not_been_told(keys: Keys, transport: Transport) -> None:
    async with _world(keys, transport, SoapVersion.V11) as world:
        await world.bank.close()
        assert isinstance(await world.send(PAID), NotSent)


async def test_an_unknown_recipient_or_an_impossible_notice_is_parked(keys: Keys) -> None:
    async with _world(keys, Transport.SOAP, SoapVersion.V11) as world:
        assert (await world.send(PAID, recipient="999303")).code == "RECIPIENT_UNKNOWN"
        assert (await world.send(replace(PAID, lot_id="no good id"))).code == "NOTICE_INVALID"


@pytest.mark.parametrize("transport", list(Transport))
async def test_a_bank_may_refuse_or_ignore_by_lot_and_pay_from_another_account(
    keys: Keys, transport: Transport
) -> None:
    behaviour = {"L-2": Behaviour.REFUSE, "L-3": Behaviour.IGNORE}
    async with _world(keys, transport, SoapVersion.V11, decisions=behaviour, payers={"L-4": POOR}) as world:
        for number in (2, 3, 4):
            lot = f"L-{number}"
            await world.send(replace(NOTICE, lot_id=lot, subject_id=f"{lot}.offer"), sequence=number - 1)
        await world.bank.idle()
        by_id = {message.id: message.event for message in world.books.received}
    declined, accepted = by_id["L-2.offer.decision"], by_id["L-4.offer.decision"]
    assert isinstance(declined, offers.Declined)
    assert declined.reason
    assert isinstance(accepted, offers.Accepted)
    assert accepted.payer.iban == POOR
    assert "L-3.offer" not in world.bank.told
