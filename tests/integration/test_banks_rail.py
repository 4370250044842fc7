"""The sandbox bank on the rail: asked by pain.001 through AÖS, it pays from its own books or says why not (AOS-P7)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest_asyncio
from waiting import PATIENCE_S

from adapters.aos.sandbox import AosSandbox, AosSandboxSettings, Participant
from adapters.banks.adapter import Transport
from adapters.banks.sandbox import BankSandbox, BankSandboxSettings, CustomerAccount
from adapters.banks.sandbox.ledger import CLEARING, Ledger
from certs.authority import Authority
from certs.trust import TrustStore
from contracts.fields import make_iban
from contracts.iso20022 import Holder, OrderStatus, PaymentRequest, RequestStatus, TransactionState
from gateway.domain.clock import local_date
from gateway.domain.money import Money
from gateway.wire.identity import Identity
from gateway.wire.iso_envelope import MessageIds
from gateway.wire.iso_participant import IsoParticipant, IsoParticipantSettings

RICH, POOR, PAYEE = make_iban("XZRN", "1"), make_iban("XZRN", "2"), make_iban("EHRN", "9")
AMOUNT = Money(1_234_50)


@dataclass
class Heard:
    """A rail whose messages are also put on a queue, once its agent has dealt with them."""

    rail: IsoParticipant
    queue: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        answer = self.rail.agent.answer

        def listening(message: Any, now: datetime) -> Any:
            said = answer(message, now)
            self.queue.put_nowait(message)
            return said

        self.rail.agent.answer = listening  # type: ignore[method-assign]

    async def final(self, kind: type[Any]) -> Any:
        """The first final status of this kind."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.queue.get()
                if isinstance(message, kind) and message.state in (TransactionState.ACSC, TransactionState.RJCT):
                    return message


@dataclass
class World:
    """AÖS, the bank that is to pay, and the operator's own agent who asks and is paid."""

    bank: BankSandbox
    ledger: Ledger  # of the operator's agent
    paying: Heard
    asking: Heard

    async def ask(self, iban: str) -> None:
        now = datetime.now(UTC)
        message_id = MessageIds("EHRNAZ22AXXX").next(now)
        await self.asking.rail.send(
            PaymentRequest(
                message_id=message_id,
                created_at=now,
                initiating_bic="NABZAZ2CIPS",
                forwarding_bic="EHRNAZ22",
                payment_information_id="L-1.payment",
                instruction_id="L-1.payment",
                end_to_end_id="L-1.payment",
                amount_minor=AMOUNT.minor,
                execution_date=local_date(now),
                debtor=Holder(name="Bank", iban=iban, bic="XZRNAZ22"),
                creditor=Holder(name="İcra xidməti", iban=PAYEE, bic="EHRNAZ22"),
                purpose="Ödəniş",
                case_number="2026/114",
            )
        )


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    now = datetime.now(UTC)
    authority = Authority.create(now)
    keys = {name: authority.issue(name, name, key="p256", now=now) for name in ("AOS", "999101", "GATEWAY")}
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(now)]
    )
    aos = AosSandbox(
        AosSandboxSettings(
            identity=lambda: Identity(keys["AOS"], trust),
            participants=tuple(
                Participant(bic=bic, code=code, name=code, clearing_account=f"C-{bic}", opening_balance=10_000_000)
                for bic, code in (("XZRNAZ22", "999101"), ("EHRNAZ22", "GATEWAY"))
            ),
        )
    )
    bank = BankSandbox(
        BankSandboxSettings(
            identity=lambda: Identity(keys["999101"], trust),
            code="999101",
            bic="XZRNAZ22",
            iso_address="XZRNAZ22AXXX",
            transport=Transport.REST,
            accounts=(
                CustomerAccount(iban=RICH, holder="Bank", balance=Money(10_000_00)),
                CustomerAccount(iban=POOR, holder="Bank", balance=Money(1_00)),
            ),
        )
    )
    ledger = Ledger((CustomerAccount(iban=PAYEE, holder="İcra xidməti", balance=Money(0)),))
    asking = IsoParticipant(
        IsoParticipantSettings(bic="EHRNAZ22", address="EHRNAZ22AXXX"), lambda: Identity(keys["GATEWAY"], trust), ledger
    )
    for program in (aos, bank, asking):
        await program.start()
    bank.connect("http://127.0.0.1:1", aos.address)
    asking.connect(aos.address)
    aos.connect("XZRNAZ22", bank.rail_address)
    aos.connect("EHRNAZ22", asking.address)
    yield World(bank, ledger, Heard(bank.rail), Heard(asking))
    for program in (asking, bank, aos):
        await program.close()


async def test_consent_moves_the_money_out_of_one_bank_into_the_other(world: World) -> None:
    await world.ask(RICH)
    assert (await world.asking.final(OrderStatus)).state is TransactionState.ACSC
    assert (await world.paying.final(OrderStatus)).state is TransactionState.ACSC
    ours, theirs = world.bank.ledger, world.ledger
    assert (ours.balance_minor(RICH), ours.balance_minor(CLEARING)) == (10_000_00 - AMOUNT.minor, AMOUNT.minor)
    assert (theirs.balance_minor(PAYEE), theirs.balance_minor(CLEARING)) == (AMOUNT.minor, -AMOUNT.minor)
    assert ours.holds == {}


async def test_too_little_money_is_told_with_its_reason_and_moves_nothing(world: World) -> None:
    await world.ask(POOR)
    told = await world.asking.final(RequestStatus)
    assert told.state is TransactionState.RJCT
    assert "AM04" in [reason.code for reason in told.reasons]
    assert world.bank.ledger.balance_minor(POOR) == 1_00
    assert world.bank.ledger.holds == {}
