"""The ends of the instant rail in tests: a bank's books, and the gateway's side with what it heard. No test here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from waiting import PATIENCE_S

from adapters.aos.adapter import AosAdapter, AosSettings
from adapters.aos.sandbox import AosSandbox
from contracts.fields import make_iban
from contracts.iso20022 import Envelope
from gateway.domain.dispatches import CreditAnswer, PaymentKind, PaymentOrder
from gateway.domain.events.credit import Offered
from gateway.domain.money import Money
from gateway.domain.table import ByAlias
from gateway.domain.values import Account
from gateway.doors.aos import AosDoor, AosDoorSettings
from gateway.ports import Acknowledged, Answer, Dispatch, Message
from gateway.wire.client import SignedClient
from gateway.wire.identity import Identity
from gateway.wire.iso_envelope import MessageIds
from gateway.wire.iso_participant import IsoParticipant
from gateway.wire.server import Running, serve_app, signed_http

GATEWAY_BIC, BANK_BIC = "EHRNAZ22", "XZRNAZ22"
GATEWAY_ADDRESS = "EHRNAZ22A001"
DESIGNATED = Account(holder="Hərrac Mərkəzi (nümunə)", iban=make_iban("EHRN", "1"), bic=GATEWAY_BIC)
CLAIMANT = Account(holder="Xəzər Nümunə Bankı", iban=make_iban("XZRN", "1"), bic=BANK_BIC, tax_id="9999991041")
POOR = Account(holder="Kasıb Şəxs", iban=make_iban("XZRN", "2"), bic=BANK_BIC)
CLOSED = Account(holder="Bağlı Hesab", iban=make_iban("XZRN", "3"), bic=BANK_BIC)
MUTE = Account(holder="Səssiz Hesab", iban=make_iban("XZRN", "4"), bic=BANK_BIC)


def now() -> datetime:
    return datetime.now(UTC)


class Books:
    """A bank's books of a few accounts, in qəpik."""

    def __init__(self) -> None:
        self.balances = {CLAIMANT.iban: 10_000_000, POOR.iban: 100, MUTE.iban: 10_000_000}
        self.reserved: dict[str, tuple[str, int]] = {}

    def can_debit(self, iban: str, amount: Money) -> str | None:
        if iban not in self.balances:
            return "AC01"
        return None if self.balances[iban] >= amount.minor else "AM04"

    def can_credit(self, iban: str) -> str | None:
        return None if iban in self.balances else "AC04"

    def reserve(self, end_to_end_id: str, iban: str, amount: Money) -> None:
        self.balances[iban] -= amount.minor
        self.reserved[end_to_end_id] = (iban, amount.minor)

    def settle(self, end_to_end_id: str) -> None:
        del self.reserved[end_to_end_id]

    def release(self, end_to_end_id: str) -> None:
        iban, amount = self.reserved.pop(end_to_end_id)
        self.balances[iban] += amount

    def credit(self, end_to_end_id: str, iban: str, amount: Money) -> None:
        self.balances[iban] += amount.minor


@dataclass
class Gateway:
    """The gateway's AÖS side: adapter and door around a receiver that records, and confirms what it is offered."""

    identity: Identity
    system_url: str
    envelope: Envelope = Envelope.DATA_PDU
    heard: list[Message] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    fault_paths: list[str] = field(default_factory=list)
    confirms: bool = True
    ids: MessageIds = field(default_factory=lambda: MessageIds(GATEWAY_ADDRESS))
    adapter: AosAdapter = field(init=False)
    running: Running = field(init=False)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def start(self) -> None:
        client = SignedClient(lambda: self.identity, timeout_s=PATIENCE_S, clock=now)
        aos = AosSettings(url=self.system_url, own_bic=GATEWAY_BIC, envelope=self.envelope)
        self.adapter = AosAdapter(client, aos, lambda: self.identity)
        settings = AosDoorSettings(own_bic=GATEWAY_BIC, own_address=GATEWAY_ADDRESS, envelope=self.envelope)
        door = AosDoor(self, settings, lambda: self.identity, clock=now)
        app = web.Application(
            middlewares=[signed_http(lambda: self.identity, clock=now, on_refusal=self._note_refusal)]
        )
        app.router.add_routes(door.routes())
        self.running = await serve_app(app, "127.0.0.1", 0)

    async def close(self) -> None:
        await asyncio.gather(*self.tasks)
        await self.running.close()
        await self.adapter.close()

    async def receive(self, message: Message) -> Answer:
        """The Receiver: first time kept, repetitions answered the same."""
        repeated = any(known.id == message.id for known in self.heard)
        if not repeated:
            self.heard.append(message)
            if isinstance(message.event, Offered) and self.confirms:
                task = asyncio.create_task(self.confirm(message.event))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
        noun_id = message.target.id.value if isinstance(message.target.id, ByAlias) else message.target.id
        return Answer(noun=message.target.noun, id=noun_id, state="x", version=1, accepted_at=now(), repeated=repeated)

    async def confirm(self, offered: Offered) -> None:
        answer = CreditAnswer(
            credit_id="c",
            message_id=self.ids.next(now()),
            original_message_id=offered.message_id,
            original_end_to_end_id=offered.end_to_end_id,
            original_transaction_id=offered.transaction_id,
            authorised=True,
            reason=None,
            created_at=now(),
        )
        assert isinstance(await self.send(answer), Acknowledged)

    async def send(self, body: Any) -> Any:
        return await self.adapter.send(
            Dispatch(id="d", channel="aos", recipient="AOS", body=body, attempt=1, created_at=now())
        )

    def order(self, kind: PaymentKind, debtor: Account, creditor: Account, amount: int, e2e: str) -> PaymentOrder:
        return PaymentOrder(
            kind=kind,
            payment_id=e2e,
            message_id=self.ids.next(now()),
            end_to_end_id=e2e,
            transaction_id=e2e,
            amount=Money(amount),
            debtor=debtor,
            creditor=creditor,
            lot_id="lot-1",
            case_number="2026/114-7",
            purpose="Nümunə ödəniş",
            created_at=now(),
        )

    def events(self, kind: type[Any]) -> list[Any]:
        return [message.event for message in self.heard if isinstance(message.event, kind)]

    async def _note_refusal(self, request: web.Request, refusal: Any, body: bytes | None) -> None:
        self.refused.append(refusal.code)
        self.fault_paths.append(refusal.facts.get("path", ""))


@dataclass
class World:
    """Everybody, connected."""

    aos: AosSandbox
    bank: IsoParticipant
    books: Books
    gateway: Gateway

    def clearing(self) -> dict[str, int]:
        return {"gateway": self.aos.system.ledger.balance("C-EHR"), "bank": self.aos.system.ledger.balance("C-XZR")}
