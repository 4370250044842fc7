"""Asan Pay and the gateway's side of it, each a server on a socket with its own keys: invoice, payment, news."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import ClientSession, web
from waiting import PATIENCE_S, until

from adapters.asan_pay.adapter import AsanPayAdapter, AsanPaySettings
from adapters.asan_pay.sandbox import CONTROL_INVOICES, CONTROL_PAYMENTS, AsanPaySandbox, AsanPaySandboxSettings, Payers
from certs.authority import Authority
from certs.trust import TrustStore
from contracts.asan_pay import codec
from contracts.asan_pay.messages import SettlementList
from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError, refuse
from contracts.fields import make_iban
from gateway.domain.clock import local_date
from gateway.domain.dispatches import Channel, InvoiceCancellation, InvoiceOrder
from gateway.domain.events.collection import Invoiced, InvoiceRefused, Paid
from gateway.domain.money import Money
from gateway.domain.values import Account, Purpose
from gateway.doors.asan_pay import AsanPayDoor
from gateway.ports import Acknowledged, Answer, Dispatch, Message, NotSent, Refused, Target, Unknown
from gateway.wire.client import SignedClient
from gateway.wire.identity import Identity
from gateway.wire.server import Running, serve_app, signed_http

ORDER = InvoiceOrder(
    collection_id="L-1.deposit.B-1",
    lot_id="L-1",
    purpose=Purpose.DEPOSIT,
    amount=Money(1234_50),
    payer_name="Əli Nümunəyev",
    payer_tax_id="5AB12CD",
    payee=Account(holder="Hərrac (nümunə)", iban=make_iban("EHRN", "1001"), bic="EHRNAZ22"),
    case_number="IC-2026/77",
    due=datetime(2026, 11, 29, 14, tzinfo=UTC),
)


def clock() -> datetime:
    return datetime.now(UTC)


@dataclass
class Inbox:
    """An engine's front in memory: the first answer for an id, at every repetition."""

    messages: dict[str, Message] = field(default_factory=dict)
    refusal: Refusal | None = None
    broken: int = 0
    calls: int = 0

    async def receive(self, message: Message) -> Answer:
        self.calls += 1
        if self.broken:
            self.broken -= 1
            raise refuse(ErrorCode.STORE_UNAVAILABLE)
        if self.refusal is not None:
            raise RefusedError(self.refusal)
        repeated = message.id in self.messages
        first = self.messages.setdefault(message.id, message)
        if first.digest != message.digest:
            raise refuse(ErrorCode.ID_CONFLICT, id=message.id)
        return Answer(
            noun="collection",
            id=str(message.target.id),
            state="paid",
            version=2,
            accepted_at=clock(),
            repeated=repeated,
        )


@dataclass
class World:
    """Everybody at one table."""

    identities: dict[str, Identity]
    inbox: Inbox
    gateway: Running
    asan_pay: AsanPaySandbox
    adapter: AsanPayAdapter

    async def notify(
        self, who: str, content: bytes, content_type: str = codec.MEDIA_TYPE
    ) -> tuple[int, dict[str, Any]]:
        client = SignedClient(lambda: self.identities[who], timeout_s=PATIENCE_S, clock=clock)
        try:
            answer = await client.request(
                "POST",
                self.gateway.address + codec.NOTIFICATIONS_PATH,
                body=content,
                content_type=content_type,
                expected_participant="GATEWAY",
            )
        finally:
            await client.close()
        return answer.status, json.loads(answer.body)


@pytest.fixture(scope="module")
def identities() -> dict[str, Identity]:
    authority = Authority.create(clock())
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(clock())]
    )
    return {
        code: Identity(authority.issue(code, f"{code} (nümunə)", key="p256", now=clock()), trust)
        for code in ("GATEWAY", "ASANPAY", "999101")
    }


@pytest.fixture
def behaviour() -> dict[str, Any]:
    """How Asan Pay behaves in one test; parametrised where a test needs another."""
    return {"payers": Payers.NONE}


@pytest.fixture
async def world(identities: dict[str, Identity], behaviour: dict[str, Any]) -> AsyncIterator[World]:
    inbox = Inbox()
    app = web.Application(middlewares=[signed_http(lambda: identities["GATEWAY"], clock=clock)])
    app.add_routes(AsanPayDoor(inbox).routes())
    gateway = await serve_app(app, "127.0.0.1", 0)
    settings = AsanPaySandboxSettings(identity=lambda: identities["ASANPAY"], pay_after_s=0.0, notify_again_s=0.01)
    asan_pay = AsanPaySandbox(replace(settings, **behaviour))
    await asan_pay.start()
    client = SignedClient(lambda: identities["GATEWAY"], timeout_s=PATIENCE_S, clock=clock)
    adapter = AsanPayAdapter(client, AsanPaySettings(url=asan_pay.address))
    yield World(identities, inbox, gateway, asan_pay, adapter)
    await adapter.close()
    await asan_pay.close()
    await gateway.close()


def dispatch(body: InvoiceOrder | InvoiceCancellation = ORDER, id: str = "D-1") -> Dispatch:
    return Dispatch(
        id=id, channel=Channel.ASAN_PAY.value, recipient="ASANPAY", body=body, attempt=1, created_at=clock()
    )


async def invoiced(world: World) -> str:
    outcome = await world.adapter.send(dispatch())
    assert isinstance(outcome, Acknowledged)
    assert isinstance(outcome.event, Invoiced)
    return outcome.event.number


async def test_an_invoice_is_made_paid_and_told(world: World) -> None:
    """EHR-8, EHR-12: the money's news carries operation number, time and the case number of the invoice."""
    number = await invoiced(world)
    world.asan_pay.connect(world.gateway.address)
    paid = world.asan_pay.pay(number)
    await until(lambda: world.asan_pay.delivery(number).acknowledged == 1)
    message = world.inbox.messages[f"{number}.paid"]
    assert (message.source, message.target) == ("ASANPAY", Target(noun="collection", id=ORDER.collection_id))
    assert message.event == Paid(
        amount=Money(1234_50),
        operation_number=paid.operation_number or "",
        paid_at=(paid.paid_at or clock()),
        case_number="IC-2026/77",
    )
    assert message.exhibits[0].signer == "ASANPAY"


async def test_an_invoice_sent_again_is_the_same_invoice(world: World) -> None:
    assert await invoiced(world) == await invoiced(world)
    assert len(list(world.asan_pay.books)) == 1


async def test_the_same_key_with_another_order_is_refused_and_told_to_the_collection(world: World) -> None:
    await invoiced(world)
    outcome = await world.adapter.send(dispatch(replace(ORDER, amount=Money(1))))
    assert isinstance(outcome, Refused)
    assert outcome.code == "ID_CONFLICT"
    assert isinstance(outcome.event, InvoiceRefused)
    assert {exhibit.direction for exhibit in outcome.exhibits} == {"in", "out"}


async def test_an_unpaid_invoice_is_taken_back_and_a_paid_one_is_not(world: World) -> None:
    number = await invoiced(world)
    back = InvoiceCancellation(collection_id=ORDER.collection_id, invoice_number=number, reason="lot ləğv edildi")
    assert isinstance(await world.adapter.send(dispatch(back, "D-2")), Acknowledged)
    assert world.asan_pay.books.get(number).state == "cancelled"
    other = await world.adapter.send(dispatch(replace(ORDER, collection_id="L-1.deposit.B-2"), "D-3"))
    assert isinstance(other, Acknowledged)
    assert isinstance(other.event, Invoiced)
    world.asan_pay.pay(other.event.number)
    late = replace(back, collection_id="L-1.deposit.B-2", invoice_number=other.event.number)
    outcome = await world.adapter.send(dispatch(late, "D-4"))
    assert isinstance(outcome, Refused)
    assert outcome.code == "STATE_CONFLICT"


async def test_where_nobody_listens_nothing_was_sent(world: World) -> None:
    await world.asan_pay.close()
    assert isinstance(await world.adapter.send(dispatch()), NotSent)


async def test_an_answer_signed_by_somebody_else_leaves_the_outcome_unknown(world: World) -> None:
    client = SignedClient(lambda: world.identities["GATEWAY"], timeout_s=PATIENCE_S, clock=clock)
    adapter = AsanPayAdapter(client, AsanPaySettings(url=world.asan_pay.address, participant="AOS"))
    assert isinstance(await adapter.send(dispatch()), Unknown)
    await adapter.close()


@pytest.mark.parametrize(
    "behaviour", [{"payers": Payers.ALL}, {"payers": Payers.LISTED, "paying_tax_ids": {"5AB12CD"}}]
)
async def test_payers_pay_by_themselves_and_the_news_waits_for_the_gateways_address(world: World) -> None:
    number = await invoiced(world)
    await until(lambda: world.asan_pay.books.get(number).state == "paid")
    assert not world.inbox.messages
    world.asan_pay.connect(world.gateway.address)
    await until(lambda: world.asan_pay.delivery(number).acknowledged == 1)


@pytest.mark.parametrize("behaviour", [{"payers": Payers.LISTED, "paying_tax_ids": {"7ZZ77ZZ"}}])
async def test_a_payer_who_is_not_listed_does_not_pay(world: World) -> None:
    number = await invoiced(world)
    assert world.asan_pay.books.get(number).state == "open"
    assert not world.asan_pay._tasks


async def test_a_notification_is_repeated_until_it_is_on_disk(world: World) -> None:
    number = await invoiced(world)
    world.inbox.broken = 2
    world.asan_pay.connect(world.gateway.address)
    world.asan_pay.pay(number)
    await until(lambda: world.asan_pay.delivery(number).acknowledged == 1)
    assert world.asan_pay.delivery(number).tries == 3


@pytest.mark.parametrize("behaviour", [{"payers": Payers.ALL, "notify_times": 2}])
async def test_a_notification_that_comes_twice_is_one_payment(world: World) -> None:
    world.asan_pay.connect(world.gateway.address)
    number = await invoiced(world)
    await until(lambda: world.asan_pay.delivery(number).acknowledged == 2)
    assert (world.inbox.calls, len(world.inbox.messages)) == (2, 1)


@pytest.mark.parametrize("behaviour", [{"payers": Payers.ALL, "leave_out_case_number": True}])
async def test_a_final_no_ends_the_repetitions(world: World) -> None:
    """EHR-12: the collection refuses a payment without its case number; the door hands on that there is none."""
    world.inbox.refusal = Refusal(code=ErrorCode.CASE_NUMBER_MISSING)
    world.asan_pay.connect(world.gateway.address)
    number = await invoiced(world)
    await until(lambda: world.asan_pay.delivery(number).refused_with is not None)
    assert world.asan_pay.delivery(number).tries == 1


NOTIFICATION: dict[str, Any] = {
    "notificationId": "N-1",
    "invoiceNumber": "AP-1",
    "invoiceId": ORDER.collection_id,
    "operationNumber": "OP1",
    "paidAt": "2026-11-22T10:00:00+04:00",
    "amount": "1234.50",
    "payer": {"name": "Əli Nümunəyev", "taxId": "5AB12CD"},
}


async def test_the_door_answers_what_was_accepted_and_that_it_came_before(world: World) -> None:
    content = json.dumps(NOTIFICATION).encode()
    first, second = [await world.notify("ASANPAY", content) for _ in range(2)]
    assert (first[0], first[1]["notificationId"], first[1]["state"]) == (200, "N-1", "paid")
    assert [first[1]["repeated"], second[1]["repeated"]] == [False, True]
    assert world.inbox.messages["N-1"].event.case_number is None  # type: ignore[attr-defined]


async def test_the_same_notification_id_with_other_content_is_a_conflict(world: World) -> None:
    await world.notify("ASANPAY", json.dumps(NOTIFICATION).encode())
    status, problem = await world.notify("ASANPAY", json.dumps(NOTIFICATION | {"amount": "1.00"}).encode())
    assert (status, problem["code"]) == (409, "ID_CONFLICT")


@pytest.mark.parametrize(
    ("who", "content", "media_type", "code"),
    [
        ("999101", json.dumps(NOTIFICATION).encode(), codec.MEDIA_TYPE, "NOT_PERMITTED"),
        ("ASANPAY", b"<paid/>", "application/xml", "CONTENT_TYPE"),
        ("ASANPAY", b"{", codec.MEDIA_TYPE, "JSON_MALFORMED"),
        ("ASANPAY", json.dumps(NOTIFICATION | {"amount": "1.005"}).encode(), codec.MEDIA_TYPE, "AMOUNT_INVALID"),
        ("ASANPAY", json.dumps(NOTIFICATION | {"extra": 1}).encode(), codec.MEDIA_TYPE, "SCHEMA_INVALID"),
    ],
)
async def test_what_the_door_does_not_accept_reaches_nobody(
    world: World, who: str, content: bytes, media_type: str, code: str
) -> None:
    status, problem = await world.notify(who, content, media_type)
    assert (status // 100, problem["code"]) == (4, code)
    assert world.inbox.calls == 0


async def test_an_unsigned_notification_reaches_nobody(world: World) -> None:
    address = world.gateway.address + codec.NOTIFICATIONS_PATH
    async with ClientSession() as session, session.post(address, json=NOTIFICATION) as answer:
        assert (await answer.json(content_type=None))["code"] == "SIGNATURE_MISSING"
    assert world.inbox.calls == 0


async def test_another_participant_may_not_order_invoices(world: World) -> None:
    client = SignedClient(lambda: world.identities["999101"], timeout_s=PATIENCE_S, clock=clock)
    adapter = AsanPayAdapter(client, AsanPaySettings(url=world.asan_pay.address))
    outcome = await adapter.send(dispatch())
    await adapter.close()
    assert isinstance(outcome, Refused)
    assert outcome.code == "NOT_PERMITTED"


async def test_the_days_settlement_list_is_signed_and_balances_with_the_ledger(world: World) -> None:
    """PSP-7.8: what Asan Pay says of the day, for the matching at its end."""
    paid = world.asan_pay.pay(await invoiced(world))
    day = local_date(paid.paid_at or clock())
    client = SignedClient(lambda: world.identities["GATEWAY"], timeout_s=PATIENCE_S, clock=clock)
    path = codec.SETTLEMENT_PATH.format(day=day.isoformat())
    answer = await client.request("GET", world.asan_pay.address + path, expected_participant="ASANPAY")
    wrong = await client.request("GET", world.asan_pay.address + path + "x", expected_participant="ASANPAY")
    await client.close()
    entries = codec.read_list(SettlementList, answer.body).entries
    assert [(entry.operation_number, entry.amount) for entry in entries] == [(paid.operation_number, "1234.50")]
    assert world.asan_pay.books.balance_minor(f"iban:{ORDER.payee.iban}") == 1234_50
    assert wrong.status == 422


async def test_a_person_pays_through_the_control_address(world: World) -> None:
    number = await invoiced(world)
    async with ClientSession(world.asan_pay.address) as session:
        async with session.post(CONTROL_PAYMENTS, json={"number": number}) as answer:
            assert (await answer.json())["state"] == "paid"
        async with session.get(CONTROL_INVOICES) as answer:
            assert [row["number"] for row in await answer.json()] == [number]
        async with session.post(CONTROL_PAYMENTS, json={"number": number}) as answer:
            assert answer.status == 409
