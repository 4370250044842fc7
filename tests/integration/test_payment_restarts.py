"""The real engine on its store and the pure central system, through random orders, faults and restarts.

Hypothesis draws every choice: payments, returns and recalls both ways, what the line does to each message, and when the
gateway dies (before it sends, after it sent, with answers under way), its store is closed and opened again, and a new
engine goes on from what is on disk. Whatever is drawn: money is conserved, no order is executed twice, and when the
line is whole again every order ends settled, refused, or waiting for a person. Time passes when told; days end while
messages are on their way, and AÖS says why it refuses either fully or by its first reason alone.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from puppet import Clock, engine_on
from tests_house import BANK_ACCOUNT, BIDDER_ACCOUNT, DEPOSIT_ACCOUNT, RULES, announced

from adapters.aos import mapping
from adapters.aos.central.checks import OperatingRules
from adapters.aos.central.participants import Participant
from adapters.aos.central.system import InstantPaymentSystem
from adapters.banks.sandbox.ledger import Ledger
from adapters.banks.sandbox.settings import CustomerAccount
from contracts.errors.refusal import RefusedError
from contracts.iso20022 import CreditTransfer, PaymentReturn, Reason, ReturnRequest
from gateway.domain.clock import end_of_day, local_date
from gateway.domain.dispatches import DISPATCHES, Channel, PaymentOrder, ReturnOrder
from gateway.domain.events import lot as lots
from gateway.domain.events import offer as offers
from gateway.domain.events.collection import Paid, RefundOrdered, Wanted
from gateway.domain.events.credit import RecallDenied, RecallGranted
from gateway.domain.events.payment import Reason as Reasons
from gateway.domain.events.payment import RecallOrdered
from gateway.domain.money import Money
from gateway.domain.nouns import TABLES
from gateway.domain.rulebook import CustodyRule
from gateway.domain.values import Purpose
from gateway.doors.aos_mapping import hear
from gateway.engine import codec
from gateway.engine.engine import Engine
from gateway.ports import Acknowledged, Message, NotSent, Outcome, Target
from gateway.store import Store, open_store
from gateway.store.rows import OutboxRow
from gateway.store.testing import blank_store_url
from gateway.wire.iso_agent import Agent

SYSTEM, US, ADDRESS = "NABZAZ2CIPS", "EHRNAZ22", "EHRNAZ22XXXX"
BANKS = {"XZRNAZ22": BANK_ACCOUNT, "GNSNAZ22": BIDDER_ACCOUNT}
AMOUNTS = (1, 5_000, 900_000, 4_000_000)
LEASE_S = 20.0
EXAMPLES, STEPS = 40, 50
CUSTODY = CustodyRule(limit=Money(900_000_000), approvals=2, approvers=frozenset({"ALI"}))
LIMITS = {channel.value: 3 for channel in Channel}
_SENT_FATES = ("taken", "taken", "arrived but silent", "lost and silent", "not sent", "died before", "died after")


class Rail:
    """One world. `wire` holds what is under way, in any order; nothing arrives by itself."""

    def __init__(self, choices: random.Random, url: str) -> None:
        self.random, self.url, self.clock = choices, url, Clock()
        self.numbers, self.serial, self.lives = count(1), count(1), count(1)
        participants = tuple(
            Participant(
                bic=bic, code=code, name=code, clearing_account=f"C-{bic}", opening_balance=90_000_000, url=None
            )
            for bic, code in ((US, "GATEWAY"), ("XZRNAZ22", "999101"), ("GNSNAZ22", "999202"))
        )
        self.system = InstantPaymentSystem(SYSTEM, participants, OperatingRules(), self._ids("NABZAZ2CAIPS"))
        self.profile = mapping.RailProfile(own_bic=US)
        self.agents = {
            bic: Agent(bic, SYSTEM, _books(account), self._ids(f"{bic}XXXX")) for bic, account in BANKS.items()
        }
        self.wire: list[tuple[str, str, Any]] = []  # to, from, message
        self.said: dict[str, dict[str, PaymentOrder | ReturnOrder]] = {}  # every order that left, by noun and id
        self.deaths: Counter[str] = Counter()
        self.says_all = choices.choice((True, False))
        self.store: Store
        self.engine: Engine
        self.worker = ""

    def _ids(self, address: str) -> Any:
        return lambda now: f"{address}{now:%y%m%d}{next(self.numbers):015d}"

    # -- the gateway's life ------------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Open the store and begin; what the last life was doing is still leased to it."""
        self.store = await open_store(self.url)
        self.engine = engine_on(self.store, self.clock, replace(RULES, custody=CUSTODY))
        self.worker = f"life-{next(self.lives)}"

    async def die(self, how: str) -> None:
        """And live again, from what is on disk."""
        self.deaths[how] += 1
        await self.store.close()
        await self.live()

    async def say(self, noun: str, id: str, event: Any) -> None:
        name = f"m{next(self.serial)}"
        target = Target(noun=noun, id=id)
        await self.engine.receive(Message(source="TEST", id=name, target=target, event=event, digest=name))

    # -- what it is asked for ----------------------------------------------------------------------------------------

    async def a_bank_is_asked_for_money(self) -> None:
        lot, _ = await self._announced()
        await self.say("lot", lot, lots.AuctionUnsold(held_at=self.clock(), reason="heç kim"))
        await self.say("offer", f"{lot}.offer", offers.Accepted(payer=BANK_ACCOUNT))

    async def a_deposit_goes_back(self) -> None:
        lot, amount = await self._announced()
        wanted = Wanted(
            lot_id=lot,
            owner="999101",
            bidder_id="B1",
            purpose=Purpose.DEPOSIT,
            amount=amount,
            payer_name="Alıcı",
            payer_tax_id="1NUMUN1",
            payee=DEPOSIT_ACCOUNT,
            case_number="5-1/2026",
            due=self.clock() + timedelta(days=1),
        )
        paid = Paid(amount=amount, operation_number="OP1", paid_at=self.clock(), case_number="5-1/2026")
        for event in (wanted, paid, RefundOrdered(account=BIDDER_ACCOUNT)):
            await self.say("collection", f"{lot}.deposit.B1", event)

    async def a_bank_asks_its_money_back(self) -> None:
        """AOS-T6. The question comes through at once; what can go wrong is the return."""
        settled = [credit for _, credit in await self.nouns("credit", "settled") if not credit.of_return]
        if not settled:
            return
        credit, now = self.random.choice(settled), self.clock()
        request = ReturnRequest(
            message_id=self._ids("XZRNAZ22XXXX")(now),
            created_at=now,
            from_bic=credit.debtor_bic,
            to_bic=US,
            original_message_id=credit.message_id,
            original_end_to_end_id=credit.end_to_end_id,
            original_transaction_id=credit.transaction_id,
            amount_minor=credit.amount.minor,
            settlement_date=local_date(now),
            reasons=(Reason(code="DUPL", text="iki"),),
        )
        for outgoing in self.system.handle(request, credit.debtor_bic, now):
            await self._arrive(outgoing.to_bic, SYSTEM, outgoing.message)

    async def a_person_decides_over_a_credit(self) -> None:
        """AOS-M3; anew after AÖS has rejected the return before."""
        for id, _ in await self.nouns("credit", "return_asked"):
            if self.random.choice((True, True, False)):
                await self.say("credit", id, RecallGranted(person="ALI"))
            else:
                await self.say("credit", id, RecallDenied(person="ALI", reason="yox"))

    async def a_person_recalls_a_refund(self) -> None:
        """AOS-M4."""
        for id, payment in await self.nouns("payment", "settled"):
            if payment.reason is Reasons.REFUND and payment.recall_id is None:
                await self.say("payment", id, RecallOrdered(person="ALI", reason="səhv"))

    async def nothing_goes_wrong_for_a_while(self) -> None:
        """Everything leaves and arrives, so that what comes after it is reached too."""
        for _ in range(4):
            await self.it_works(("taken",))
            while self.wire:
                await self._arrive(*self.wire.pop(0))

    async def _announced(self) -> tuple[str, Money]:
        lot, amount = f"L{next(self.serial)}", Money(self.random.choice(AMOUNTS))
        await self.say("lot", lot, announced(starting_price=amount))
        return lot, amount

    # -- its dispatcher ----------------------------------------------------------------------------------------------

    async def it_works(self, fates: Iterable[str] = _SENT_FATES) -> None:
        """Claim what is due and handle it; a death leaves the rest to the lease."""
        choices, now = tuple(fates), self.clock()
        rows = await self.store.transact(
            lambda tx: tx.claim(now=now, worker=self.worker, lease_s=LEASE_S, limits=LIMITS)
        )
        for row in rows:
            if row.channel == Channel.TIMER:
                await self.engine.fire(row)
            elif row.channel != Channel.AOS:
                await self.engine.conclude(row, Acknowledged())
            elif (fate := self.random.choice(choices)).startswith("died"):
                if fate == "died after":
                    self._leaves(codec.decode(DISPATCHES[row.body_type], row.body))
                await self.die(fate)
                return
            else:
                await self.engine.conclude(row, self._outcome(row, fate))

    def _outcome(self, row: OutboxRow, fate: str) -> Outcome:
        body = codec.decode(DISPATCHES[row.body_type], row.body)
        if fate == "not sent":
            return NotSent(reason=fate)
        if fate != "lost and silent":
            self._leaves(body)
        return mapping.outcome(body, 202, {}, b"") if fate == "taken" else mapping.silence(body, fate)

    def _leaves(self, body: Any) -> None:
        if isinstance(body, PaymentOrder | ReturnOrder):
            noun = body.payment_id if isinstance(body, PaymentOrder) else body.credit_id
            assert self.said.setdefault(noun, {}).setdefault(body.message_id, body) == body
        self.wire.append((SYSTEM, US, mapping.message_for(body, self.profile)))

    # -- the line ----------------------------------------------------------------------------------------------------

    async def a_message_fares(self) -> None:
        """It arrives, arrives and comes again, is lost and sent again, or is the last that a life of ours hears."""
        if not self.wire:
            return
        index = self.random.randrange(len(self.wire))
        to, sender, message = self.wire.pop(index)
        fate = self.random.choice(("arrives", "arrives", "twice", "lost", "unanswered"))
        if fate != "arrives" and (fate != "lost" or sender != SYSTEM):
            self.wire.append((to, sender, message))
        if fate != "lost":
            await self._arrive(to, sender, message)
        if fate == "unanswered" and to == US:
            await self.die("died before it acknowledged")

    async def _arrive(self, to: str, sender: str, message: Any) -> None:
        now = self.clock()
        if to == US:
            await self._heard(message)
        elif to == SYSTEM:
            self._under_way(self.system.handle(message, sender, now))
        elif (answer := self.agents[to].answer(message, now)) is not None:
            self.wire.append((SYSTEM, to, answer))

    def _under_way(self, outgoings: Any) -> None:
        self.wire += [(outgoing.to_bic, SYSTEM, self._worded(outgoing.message)) for outgoing in outgoings]

    def _worded(self, message: Any) -> Any:
        """A second copy on another day is refused as both (AOS-C2, AOS-C3), or only as of another day."""
        if self.says_all or len(getattr(message, "reasons", ())) < 2:
            return message
        return replace(message, reasons=message.reasons[:1])

    async def _heard(self, message: Any) -> None:
        heard = hear(message, ADDRESS)
        if heard is None:
            return
        digest = sha256(repr(message).encode()).hexdigest()
        said = Message(source="AOS", id=message.message_id, target=heard.target, event=heard.event, digest=digest)
        with suppress(RefusedError):  # said no to; nothing kept
            await self.engine.receive(said)

    async def it_dies_and_aos_goes_on(self) -> None:
        """What it sent last is executed, and it has not heard of it when it sends it again."""
        await self.it_works(("died after",))
        for _ in range(4):
            waiting = [one for one in self.wire if one[0] != US]
            self.wire = [one for one in self.wire if one[0] == US]
            for to, sender, message in waiting:
                await self._arrive(to, sender, message)

    async def time_passes(self) -> None:
        self.clock.pass_s(self.random.choice((1, 1, 10, 30)))
        self._under_way(self.system.expire(self.clock()))

    async def the_day_nears_its_end(self) -> None:
        """AOS-C2: in Baku. What is under way meanwhile arrives as it may, on this day or the next."""
        await self.comes_to(self.random.choice((-5, -1, 1, 30)))

    async def comes_to(self, after_midnight_s: float) -> None:
        left = (end_of_day(local_date(self.clock())) - self.clock()).total_seconds()
        self.clock.pass_s(left + after_midnight_s)
        self._under_way(self.system.expire(self.clock()))

    async def it_starts_again(self) -> None:
        await self.die("stopped")

    async def settle_down(self) -> None:
        """The line is whole again: everything leaves, everything arrives, every timer comes."""
        for _ in range(45):
            await self.it_works(("taken",))
            while self.wire:
                await self._arrive(*self.wire.pop(0))
            self.clock.pass_s(30)
            self._under_way(self.system.expire(self.clock()))

    # -- what always holds -------------------------------------------------------------------------------------------

    async def nouns(self, noun: str, state: str | None = None) -> list[tuple[str, Any]]:
        rows = await self.store.read(lambda reader: reader.list_nouns(noun, state=state, limit=1_000))
        return [(row.id, codec.decode(TABLES[noun].data, row.data)) for row in rows]

    def executed(self, kind: type[Any], name: str) -> list[str]:
        done = [order.transfer for order in self.system.orders.values() if order.state == "settled"]
        return [getattr(order, name) for order in done if isinstance(order, kind)]

    async def check(self) -> None:
        assert sum(self.system.ledger.balances().values()) == 0
        for agent in self.agents.values():
            assert sum(agent._core.balances_minor().values()) == 0  # type: ignore[attr-defined]
        paid = self.executed(CreditTransfer, "end_to_end_id")
        returned = self.executed(PaymentReturn, "original_message_id")
        assert (len(paid), len(returned)) == (len(set(paid)), len(set(returned)))
        for _, payment in await self.nouns("payment"):
            assert payment.state not in ("settled", "returned") or payment.end_to_end_id in paid
            assert payment.state != "returned" or payment.message_id in returned
            assert payment.state != "refused" or payment.end_to_end_id not in paid
        for _, credit in await self.nouns("credit"):
            assert credit.of_return or credit.state != "returned" or credit.message_id in returned
            assert credit.of_return or credit.state != "return_asked" or credit.message_id not in returned
        self.one_order_is_one_message()

    def one_order_is_one_message(self) -> None:
        """Over all lives. A new one is ordered only after AÖS has rejected the one before, or has nothing of it."""
        for orders in self.said.values():
            for message_id in list(orders)[:-1]:
                held = self.system.orders.get(message_id)
                assert held is None or held.state == "rejected"

    async def everything_has_ended(self) -> None:
        """A credit that we declined has nothing of ours hanging on it."""
        for noun in ("payment", "credit"):
            ended = TABLES[noun].final | TABLES[noun].waiting_for_person | {"declined"}
            assert [id for id, data in await self.nouns(noun) if data.state not in ended] == []


def _books(account: Any) -> Ledger:
    return Ledger([CustomerAccount(iban=account.iban, holder=account.holder, balance=Money(60_000_000))])


_STEPS = (
    Rail.a_bank_is_asked_for_money,
    Rail.a_deposit_goes_back,
    Rail.a_bank_asks_its_money_back,
    Rail.a_person_decides_over_a_credit,
    Rail.a_person_recalls_a_refund,
    Rail.nothing_goes_wrong_for_a_while,
    *[Rail.it_works] * 5,
    *[Rail.a_message_fares] * 6,
    *[Rail.time_passes] * 3,
    Rail.it_dies_and_aos_goes_on,
    *[Rail.the_day_nears_its_end] * 2,
    Rail.it_starts_again,
)


async def _live_through(choices: random.Random, folder: Path) -> None:
    rail = Rail(choices, blank_store_url(folder))
    await rail.live()
    try:
        for _ in range(STEPS):
            await choices.choice(_STEPS)(rail)
            await rail.check()
        await rail.settle_down()
        await rail.check()
        await rail.everything_has_ended()
    finally:
        await rail.store.close()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(choices=st.randoms(use_true_random=False))
def test_over_any_restarts_money_is_conserved_and_every_order_ends(choices: random.Random) -> None:
    """AOS-P1 to AOS-P7, AOS-T1 to AOS-T6, AOS-I1, AOS-I2, AOS-C3."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_live_through(choices, Path(folder)))


@pytest.mark.parametrize("says_all", [True, False])
@pytest.mark.parametrize("asked_for", [Rail.a_deposit_goes_back, Rail.a_bank_is_asked_for_money])
async def test_an_order_that_leaves_only_after_midnight_becomes_one_of_the_new_day(
    tmp_path: Path, asked_for: Any, says_all: bool
) -> None:
    """AOS-C2: nobody waits for a person because AÖS was away over midnight."""
    rail = await _rail(tmp_path, says_all)
    await asked_for(rail)
    await rail.it_works(("not sent",))
    await rail.comes_to(600)
    await _hours_pass(rail)
    [(_, payment)] = await rail.nouns("payment")
    assert (payment.state, payment.renewals) == ("settled", 1)
    [orders] = rail.said.values()
    assert [local_date(order.created_at) for order in orders.values()][1:] == [local_date(payment.settled_at)]
    await rail.store.close()


@pytest.mark.parametrize("says_all", [True, False])
async def test_an_order_executed_before_midnight_and_sent_again_after_it_is_settled_once(
    tmp_path: Path, says_all: bool
) -> None:
    """AOS-C2, AOS-C3: the second copy's refusal, of another day, says nothing of the first; AÖS is asked."""
    rail = await _rail(tmp_path, says_all)
    await rail.a_deposit_goes_back()
    await rail.it_dies_and_aos_goes_on()
    rail.wire.clear()  # what AÖS said to the dead is lost
    await rail.comes_to(600)
    await _hours_pass(rail)
    [(_, payment)] = await rail.nouns("payment")
    assert (payment.state, payment.renewals) == ("settled", 0)
    await rail.store.close()


async def _rail(folder: Path, says_all: bool) -> Rail:
    rail = Rail(random.Random(1), blank_store_url(folder))
    rail.says_all = says_all
    await rail.live()
    return rail


async def _hours_pass(rail: Rail) -> None:
    """On a whole line, fast enough for AÖS's patience."""
    for _ in range(6):
        await rail.nothing_goes_wrong_for_a_while()
        rail.clock.pass_s(600)
    await rail.check()
