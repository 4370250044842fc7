"""AÖS over real sockets with real signatures: returns, limits, information, copies, and every fault on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from waiting import until

from adapters.aos.faults import Fault, FaultKind
from adapters.aos.sandbox import AosSandbox, AosSandboxSettings, OperatingRules, Participant
from certs.authority import Authority
from certs.trust import TrustStore
from contracts.fields import make_iban
from contracts.iso20022 import (
    CopyRequest,
    CreditTransfer,
    DayQuery,
    DayReport,
    LimitChange,
    LimitQuery,
    LimitReport,
    OrderCopy,
    OrderStatus,
    PaymentReturn,
    Reason,
    Receipt,
    ReturnRefusal,
    ReturnRequest,
    Statement,
    StatementRequest,
    StatusKind,
    TextMessage,
    TransactionState,
    samples,
)
from contracts.iso20022.codes import STATE_OF_KIND
from contracts.iso20022.samples import BANK_BIC, OPERATOR_BIC, SYSTEM_BIC
from gateway.domain.clock import local_date
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.wire.identity import Identity
from gateway.wire.iso_participant import IsoParticipant, IsoParticipantSettings

TIMEOUT_S = 4.0  # of a participant that says something to AÖS
INDIRECT_BIC = "GNSNAZ22"
SETTLEMENT = make_iban("NABZ", "6001")
BIDDER = replace(samples.BIDDER, iban=make_iban("XZRN", "77"))


def _now() -> datetime:
    """To the millisecond, as on the wire."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@dataclass
class Ear:
    """A bank's core that hears everything and confirms what it is told to."""

    bic: str
    confirms: bool = True
    heard: list[Any] = field(default_factory=list)

    def answer(self, message: Any, now: datetime) -> Any | None:
        self.heard.append(message)
        if not self.confirms or not isinstance(message, CreditTransfer | PaymentReturn):
            return None
        returning = isinstance(message, PaymentReturn)
        return OrderStatus(
            message_id=f"AUTH{len(self.heard)}{message.message_id}"[:35],
            created_at=now,
            instructing_bic=self.bic,
            instructed_bic=SYSTEM_BIC,
            original_message_id=message.message_id,
            original_message_name="pacs.004.001.09" if returning else "pacs.008.001.08",
            kind=StatusKind.AUTH,
            state=STATE_OF_KIND[StatusKind.AUTH],
            original_end_to_end_id=message.original_end_to_end_id if returning else message.end_to_end_id,
            original_transaction_id=message.return_id if returning else message.transaction_id,
        )

    def all(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.heard if isinstance(message, kind)]

    def statuses(self) -> list[tuple[str, str]]:
        return [(status.original_message_id, str(status.state)) for status in self.all(OrderStatus)]


@dataclass
class World:
    """AÖS and its three participants, each a program with keys of its own."""

    aos: AosSandbox
    voices: dict[str, IsoParticipant]

    def ear(self, bic: str) -> Ear:
        return self.voices[bic].agent  # type: ignore[return-value]

    async def say(self, bic: str, message: Any) -> None:
        await self.voices[bic].send(message)

    async def pay(self, order: CreditTransfer) -> CreditTransfer:
        """Send an order and wait until it is executed."""
        before = len(self.aos.system.ledger.postings)
        await self.say(order.debtor.bic, order)
        await until(lambda: len(self.aos.system.ledger.postings) > before)
        return order


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create(_now())


@pytest.fixture(scope="module")
def identities(authority: Authority) -> dict[str, Identity]:
    names = ("GATEWAY", "999101", "999202", "AOS", "AOS-OLD")
    participants = {name: name.removesuffix("-OLD") for name in names}
    credentials = {name: authority.issue(participants[name], "nümunə", key="p256", now=_now()) for name in names}
    authority.revoke(f"{credentials['AOS-OLD'].certificate.serial_number:x}", _now())
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(_now())]
    )
    return {name: Identity(credential, trust) for name, credential in credentials.items()}


ROWS = (
    Participant(
        bic=OPERATOR_BIC,
        code="GATEWAY",
        name="g",
        clearing_account="C-EHR",
        opening_balance=500_000,
        debit_limit=500_000,
        settlement_account=SETTLEMENT,
        settlement_limit=700_000,
        correspondent_account=make_iban("NABZ", "1"),
        azips_funds=2_000_000,
        wants_copies=True,
    ),
    Participant(bic=BANK_BIC, code="999101", name="b", clearing_account="C-XZR", opening_balance=900_000),
    Participant(
        bic=INDIRECT_BIC,
        code="999202",
        name="i",
        clearing_account="C-GNS",
        debit_limit=200_000,
        settled_by=OPERATOR_BIC,
    ),
)


@pytest.fixture
async def world(identities: dict[str, Identity], tmp_path: Path) -> AsyncIterator[World]:
    settings = AosSandboxSettings(
        identity=lambda: identities["AOS"],
        participants=ROWS,
        rules=OperatingRules(confirmation_interval_s=0.8, warning_threshold=100_000),
        revoked=identities["AOS-OLD"].credential,
        state_file=tmp_path / "aos.jsonl",
        port=free_port(),  # it goes away, and comes back to it
    )
    aos = AosSandbox(settings)
    await aos.start()
    voices = {}
    for row in ROWS:
        own = IsoParticipantSettings(
            bic=row.bic, address=f"{row.bic}A001", system_url=aos.address, timeout_s=TIMEOUT_S, retry_for_s=0.1
        )
        voice = IsoParticipant(own, lambda code=row.code: identities[code], None)  # type: ignore[arg-type,misc]
        voice.agent = Ear(row.bic)  # type: ignore[assignment]
        await voice.start()
        aos.connect(row.bic, voice.address)
        voices[row.bic] = voice
    yield World(aos, voices)
    for voice in voices.values():
        await voice.close()
    await aos.close()


def order(number: int, amount: int = 50_000, **changes: Any) -> CreditTransfer:
    values = {
        "message_id": f"ORDER-{number}",
        "end_to_end_id": f"e{number}",
        "created_at": _now(),
        "settlement_date": local_date(_now()),
        "amount_minor": amount,
        "creditor": BIDDER,
    }
    return replace(samples.TRANSFER, **(values | changes))


def given_back(paid: CreditTransfer, **changes: Any) -> PaymentReturn:
    values = {
        "created_at": _now(),
        "instructing_bic": paid.creditor.bic,
        "original_message_id": paid.message_id,
        "original_end_to_end_id": paid.end_to_end_id,
        "amount_minor": paid.amount_minor,
        "settlement_date": local_date(_now()),
        "debtor": paid.debtor,
        "creditor": paid.creditor,
    }
    return replace(samples.RETURN, **(values | changes))


def asked_back(paid: CreditTransfer) -> ReturnRequest:
    return replace(
        samples.RETURN_REQUEST,
        original_message_id=paid.message_id,
        original_end_to_end_id=paid.end_to_end_id,
        amount_minor=paid.amount_minor,
    )


# -- flows ------------------------------------------------------------------------------------------------------------


async def test_a_recall_is_granted_and_the_money_is_back(world):
    """AOS-T1 to AOS-T4, AOS-T6: camt.056, pacs.004, AUTH, STAT to both."""
    paid = await world.pay(order(1))
    await world.say(OPERATOR_BIC, asked_back(paid))
    await until(lambda: world.ear(BANK_BIC).all(ReturnRequest))
    back = given_back(paid)
    await world.say(BANK_BIC, back)
    await until(lambda: (back.message_id, "ACSC") in world.ear(BANK_BIC).statuses())
    await until(lambda: (back.message_id, "ACSC") in world.ear(OPERATOR_BIC).statuses())
    assert world.aos.system.ledger.balance("C-EHR") == 500_000


async def test_a_recall_is_refused_with_the_banks_reason(world):
    """AOS-T6: camt.029."""
    paid = await world.pay(order(1))
    await world.say(OPERATOR_BIC, asked_back(paid))
    await until(lambda: world.ear(BANK_BIC).all(ReturnRequest))
    await world.say(BANK_BIC, replace(samples.RETURN_REFUSAL, reasons=(Reason(code="CUST"),)))
    await until(lambda: world.ear(OPERATOR_BIC).all(ReturnRefusal))
    assert world.ear(OPERATOR_BIC).all(ReturnRefusal)[0].reasons == (Reason(code="CUST"),)


async def test_a_return_nobody_confirms_ends_rejected(world):
    """AOS-T5."""
    paid = await world.pay(order(1))
    world.ear(OPERATOR_BIC).confirms = False
    back = given_back(paid)
    await world.say(BANK_BIC, back)
    await until(lambda: (back.message_id, "RJCT") in world.ear(BANK_BIC).statuses())
    assert world.aos.system.ledger.blocked("C-XZR") == 0


async def test_limits_are_changed_raised_told_and_warned_of(world):
    """AOS-L1, AOS-L3, AOS-L5, AOS-L6."""
    ear = world.ear(OPERATOR_BIC)
    change = {"created_at": _now(), "owner_bic": OPERATOR_BIC}
    await world.say(OPERATOR_BIC, LimitChange(message_id="L1", account="C-GNS", limit_minor=250_000, **change))
    world.aos.raise_limit(OPERATOR_BIC, 100_000)
    await world.say(OPERATOR_BIC, LimitQuery(message_id="Q1", account="C-EHR", **change))
    await until(lambda: len(ear.all(LimitReport)) == 3)
    assert {(r.account, r.limit_minor) for r in ear.all(LimitReport)} == {
        ("C-GNS", 250_000),
        (SETTLEMENT, 800_000),
        ("C-EHR", 500_000),
    }
    await world.pay(order(1, 950_000))
    await until(lambda: any(report.available_minor == 50_000 for report in ear.all(LimitReport)))


async def test_what_a_participant_may_learn_is_told(world):
    """AOS-I3, AOS-I4, AOS-I6, AOS-I7, AOS-R5."""
    paid = await world.pay(order(1))
    common = {"message_id": "ASK-1", "created_at": _now()}
    asked = [
        CopyRequest(from_bic=BANK_BIC, to_bic=SYSTEM_BIC, original_message_id=paid.message_id, **common),
        StatementRequest(owner_bic=BANK_BIC, account="C-XZR", day=local_date(_now()), **common),
        DayQuery(**common),
        StatementRequest(owner_bic=BANK_BIC, account="C-EHR", day=local_date(_now()), **common),
    ]
    for message in asked:
        await world.say(BANK_BIC, message)
    await world.say(OPERATOR_BIC, replace(samples.TEXT, text="Salam, necəsiniz?"))
    ear = world.ear(BANK_BIC)
    await until(lambda: ear.all(OrderCopy) and ear.all(Statement) and ear.all(DayReport) and ear.all(TextMessage))
    assert ear.all(OrderCopy)[0].order == paid
    assert ear.all(Statement)[0].closing_minor == 950_000
    assert ear.all(DayReport)[0].day == local_date(_now())
    assert ear.all(TextMessage)[0].text == "Salam, necəsiniz?"
    await until(lambda: ear.all(Receipt))


async def test_a_copy_informs_and_asks_nothing(world):
    """AOS-P6: the direct participant's door takes it and nobody confirms it."""
    holder = replace(BIDDER, iban=make_iban("GNSN", "1"), bic=INDIRECT_BIC)
    paid = order(1, debtor=BIDDER, creditor=holder, instructing_bic=BANK_BIC)
    await world.pay(paid)
    await until(lambda: [done for done in world.aos.deliveries.done if done.outgoing.copy])
    copies = [done for done in world.aos.deliveries.done if done.outgoing.copy]
    assert [(done.outgoing.to_bic, done.status) for done in copies] == [(OPERATOR_BIC, 202)]
    assert world.ear(OPERATOR_BIC).all(CreditTransfer) == []


async def test_when_the_day_ends_everybody_is_sent_its_statement(identities):
    """AOS-I8: the clock of AÖS goes over midnight in Baku."""
    moment, said = [_now()], []
    settings = AosSandboxSettings(identity=lambda: identities["AOS"], participants=ROWS)
    aos = AosSandbox(settings, clock=lambda: moment[0])
    aos.deliveries.put = lambda outgoing, faults: said.append(outgoing)
    await aos.start()
    await asyncio.sleep(0.3)
    assert said == []
    moment[0] += timedelta(days=1)
    await until(lambda: len(said) == len(ROWS))
    await aos.close()
    assert {(out.to_bic, out.message.day) for out in said} == {
        (row.bic, local_date(moment[0] - timedelta(days=1))) for row in ROWS
    }


# -- faults -----------------------------------------------------------------------------------------------------------


def _fault(world: World, kind: FaultKind, **values: Any) -> None:
    world.aos.plan.faults.append(Fault(kind=kind, end_to_end_ids=frozenset({"e1"}), **values))


async def test_conflicting_words_come_one_after_the_other(world):
    """Final, then its contrary under another id."""
    _fault(world, FaultKind.CONFLICTING)
    await world.pay(order(1))
    ear = world.ear(OPERATOR_BIC)
    await until(lambda: len(ear.statuses()) == 2)
    assert ear.statuses() == [("ORDER-1", "ACSC"), ("ORDER-1", "RJCT")]


async def test_a_status_about_an_order_nobody_sent_comes_first(world):
    _fault(world, FaultKind.UNKNOWN_MESSAGE)
    await world.pay(order(1))
    ear = world.ear(OPERATOR_BIC)
    await until(lambda: len(ear.statuses()) == 2)
    assert ear.statuses()[0][0] not in world.aos.system.orders
    assert ear.statuses()[1] == ("ORDER-1", "ACSC")


async def test_what_a_revoked_signer_says_is_not_believed_and_the_sound_copy_is(world):
    """AOS-S2."""
    _fault(world, FaultKind.REVOKED_SIGNER)
    await world.pay(order(1))
    await until(lambda: ("ORDER-1", "ACSC") in world.ear(OPERATOR_BIC).statuses())
    assert [done.status for done in world.aos.deliveries.done if (done.status or 0) >= 400] != []
    assert len(world.ear(OPERATOR_BIC).statuses()) == 1


async def test_words_out_of_order_change_places(world):
    """AOS-P7: the initiator hears STAT before the consent."""
    _fault(world, FaultKind.OUT_OF_ORDER, delay_s=5.0)
    request = replace(
        samples.REQUEST,
        message_id="REQ-1",
        end_to_end_id="e1",
        created_at=_now(),
        execution_date=local_date(_now()),
        amount_minor=60_000,
    )
    await world.say(OPERATOR_BIC, request)
    await until(lambda: world.ear(BANK_BIC).heard)
    await world.say(
        BANK_BIC,
        order(
            1,
            60_000,
            debtor=request.debtor,
            creditor=request.creditor,
            instructing_bic=BANK_BIC,
            case_number=request.case_number,
        ),
    )
    ear = world.ear(OPERATOR_BIC)
    await until(lambda: len([m for m in ear.heard if type(m).__name__ == "RequestStatus"]) == 2)
    states = [m.state for m in ear.heard if type(m).__name__ == "RequestStatus"]
    assert states == [TransactionState.ACSC, TransactionState.ACSP]


@pytest.mark.parametrize("kind", [FaultKind.SLOW, FaultKind.BROKEN])
async def test_after_a_slow_or_broken_answer_the_order_runs_all_the_same(world, kind):
    """The sender does not know; AÖS does."""
    _fault(world, kind, delay_s=2 * TIMEOUT_S)
    with pytest.raises(OutcomeUnknownError):
        await world.say(OPERATOR_BIC, order(1))
    await until(lambda: ("ORDER-1", "ACSC") in world.ear(OPERATOR_BIC).statuses())


async def test_a_refused_connection_is_not_sent_and_works_again_on_the_same_port(world):
    await world.aos.go_away()
    with pytest.raises(NotSentError):
        await world.say(OPERATOR_BIC, order(1))
    await world.aos.listen()
    await world.pay(order(1))


async def test_after_an_order_connections_are_refused_on_demand_and_taken_again(world):
    """The order itself runs; the next ones are not sent, which is safe to repeat."""
    _fault(world, FaultKind.REFUSED, delay_s=3.0)
    await world.say(OPERATOR_BIC, order(1))
    await until(lambda: world.aos._running is None)
    with pytest.raises(NotSentError):
        await world.say(OPERATOR_BIC, order(2))
    await until(lambda: world.aos._running is not None)
    await world.pay(order(3))


async def test_over_a_restart_it_remembers_what_was_said_to_it(world):
    """AOS-P5, AOS-C3: one order executed, one ended by silence; another program with the same file stands the same."""
    await world.pay(order(1))
    world.ear(BANK_BIC).confirms = False
    await world.say(OPERATOR_BIC, order(2))
    await until(lambda: ("ORDER-2", "RJCT") in world.ear(OPERATOR_BIC).statuses())
    before = world.aos.system
    again = AosSandbox(replace(world.aos._settings, port=0))
    await again.start()
    try:
        assert {key: held.state for key, held in again.system.orders.items()} == {
            key: held.state for key, held in before.orders.items()
        }
        assert again.system.ledger.balances() == before.ledger.balances()
        assert again.system._core.numbers == before._core.numbers
    finally:
        await again.close()


def test_a_fault_that_wants_a_revoked_key_says_so_at_the_start(identities):
    settings = AosSandboxSettings(
        identity=lambda: identities["AOS"], participants=ROWS, faults=(Fault(kind=FaultKind.REVOKED_SIGNER),)
    )
    with pytest.raises(ValueError, match="revoked key pair"):
        AosSandbox(settings)
