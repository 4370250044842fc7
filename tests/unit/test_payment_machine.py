"""The pure domain and the pure central system, driven together through random orders, faults and restarts.

Payments, returns and recalls both ways. Whatever is lost, doubled, delayed or overtaken on the way: money is conserved,
no order is executed twice, no second return is sent while the first may run, and when the line is whole again every
order ends settled, refused, or waiting for a person.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests_house import BANK_ACCOUNT, BIDDER_ACCOUNT, DEPOSIT_ACCOUNT, RULES, House, announced

from adapters.aos.central.checks import OperatingRules
from adapters.aos.central.participants import Participant
from adapters.aos.central.system import InstantPaymentSystem
from adapters.aos.mapping import RailProfile, message_for
from adapters.banks.sandbox.ledger import Ledger
from adapters.banks.sandbox.settings import CustomerAccount
from contracts.errors.refusal import RefusedError
from contracts.iso20022 import CreditTransfer, PaymentReturn, Reason, ReturnRequest
from gateway.domain.dispatches import PaymentOrder, ReturnOrder
from gateway.domain.events import credit as credits
from gateway.domain.events import lot as lots
from gateway.domain.events import offer as offers
from gateway.domain.events import order as orders
from gateway.domain.events import payment as payments
from gateway.domain.events.collection import Paid, RefundOrdered, Wanted
from gateway.domain.money import Money
from gateway.domain.nouns import TABLES
from gateway.domain.rulebook import CustodyRule
from gateway.domain.values import Purpose
from gateway.doors.aos_mapping import hear
from gateway.engine import codec
from gateway.wire.iso_agent import Agent

SYSTEM, US = "NABZAZ2CIPS", "EHRNAZ22"
NOON = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
BANKS = {"XZRNAZ22": BANK_ACCOUNT, "GNSNAZ22": BIDDER_ACCOUNT}
AMOUNTS = st.sampled_from([1, 5_000, 900_000, 4_000_000])
CUSTODY = CustodyRule(limit=Money(900_000_000), approvals=2, approvers=frozenset({"ALI"}))


class Rail(RuleBasedStateMachine):
    """`wire` holds what is under way, in any order; nothing arrives by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = count(1)
        participants = tuple(
            Participant(
                bic=bic, code=code, name=code, clearing_account=f"C-{bic}", opening_balance=90_000_000, url=None
            )
            for bic, code in ((US, "GATEWAY"), ("XZRNAZ22", "999101"), ("GNSNAZ22", "999202"))
        )
        self.system = InstantPaymentSystem(SYSTEM, participants, OperatingRules(), self._id("NABZAZ2CAIPS"))
        self.house = House(now=NOON, rules=replace(RULES, custody=CUSTODY))
        self.profile = RailProfile(own_bic=US)
        self.agents = {
            bic: Agent(bic, SYSTEM, self._books(account), self._id(f"{bic}XXXX")) for bic, account in BANKS.items()
        }
        self.wire: list[tuple[str, str, Any]] = []  # to, from, message
        self.handed_over = 0  # of the house's dispatches
        self.inbox: set[str] = set()  # what the engine has answered already
        self.serial = count(1)

    def _id(self, address: str) -> Any:
        return lambda now: f"{address}{now:%y%m%d}{next(self.numbers):015d}"

    @staticmethod
    def _books(account: Any) -> Ledger:
        return Ledger([CustomerAccount(iban=account.iban, holder=account.holder, balance=Money(60_000_000))])

    # -- what the gateway is asked for -----------------------------------------------------------------------------

    @rule(amount=AMOUNTS)
    def a_bank_is_asked_for_money(self, amount: int) -> None:
        lot = self._announced(amount)
        self.house.tell("lot", lot, lots.AuctionUnsold(held_at=self.house.now, reason="heç kim"))
        self.house.tell("offer", f"{lot}.offer", offers.Accepted(payer=BANK_ACCOUNT))
        assert self.house.state("payment", f"{lot}.purchase") == "routed"

    @rule(amount=AMOUNTS)
    def a_deposit_goes_back(self, amount: int) -> None:
        lot = self._announced(amount)
        for event in (_wanted(lot, amount), _paid(self.house.now, amount), RefundOrdered(account=BIDDER_ACCOUNT)):
            self.house.tell("collection", f"{lot}.deposit.B1", event)
        assert self.house.state("payment", f"{lot}.refund.B1") == "routed"

    @precondition(lambda self: self._credits("settled"))
    @rule(data=st.data())
    def a_bank_asks_its_money_back(self, data: st.DataObject) -> None:
        """AOS-T6, the bank as debtor agent. The question comes through at once: what can go wrong is the return."""
        credit = self.house.nouns["credit", data.draw(st.sampled_from(self._credits("settled")), label="which")]
        request = ReturnRequest(
            message_id=self._id("XZRNAZ22XXXX")(self.house.now),
            created_at=self.house.now,
            from_bic=credit.debtor_bic,
            to_bic=US,
            original_message_id=credit.message_id,
            original_end_to_end_id=credit.end_to_end_id,
            original_transaction_id=credit.transaction_id,
            amount_minor=credit.amount.minor,
            settlement_date=NOON.date(),
            reasons=(Reason(code="DUPL", text="iki"),),
        )
        for outgoing in self.system.handle(request, credit.debtor_bic, self.house.now):
            self._arrive(outgoing.to_bic, SYSTEM, outgoing.message)

    @precondition(lambda self: self._credits("return_asked"))
    @rule(data=st.data(), granted=st.sampled_from([True, True, False]))
    def a_person_decides_over_a_credit(self, data: st.DataObject, granted: bool) -> None:
        """AOS-T6, AOS-M3; anew after AÖS has rejected the return before."""
        credit = data.draw(st.sampled_from(self._credits("return_asked")), label="which")
        event = credits.RecallGranted(person="ALI") if granted else credits.RecallDenied(person="ALI", reason="yox")
        self.house.tell("credit", credit, event)

    @precondition(lambda self: self._recallable())
    @rule(data=st.data())
    def a_person_recalls_a_refund(self, data: st.DataObject) -> None:
        """AOS-M4: the bank gives back what its customer still has."""
        payment = data.draw(st.sampled_from(self._recallable()), label="which")
        self.house.tell("payment", payment, payments.RecallOrdered(person="ALI", reason="səhv"))

    def _credits(self, state: str) -> list[str]:
        """Incoming payments in a state; not what comes back of our own."""
        return [
            id
            for (noun, id), data in self.house.nouns.items()
            if noun == "credit" and data.state == state and not data.of_return
        ]

    def _recallable(self) -> list[str]:
        return [
            id
            for (noun, id), data in self.house.nouns.items()
            if noun == "payment" and data.state == "settled" and id.count(".refund.") and data.recall_id is None
        ]

    def _announced(self, amount: int) -> str:
        lot = f"L{next(self.serial)}"
        self.house.tell("lot", lot, announced(starting_price=Money(amount)))
        return lot

    # -- the dispatcher --------------------------------------------------------------------------------------------

    def _pending(self) -> list[Any]:
        return [send.body for send in self.house.sent[self.handed_over :] if send.channel == "aos"]

    @precondition(lambda self: self._pending())
    @rule(outcome=st.sampled_from(["taken", "taken", "arrived but silent", "lost and silent"]))
    def the_dispatcher_sends(self, outcome: str) -> None:
        while self.house.sent[self.handed_over].channel != "aos":
            self.handed_over += 1
        body = self.house.sent[self.handed_over].body
        self.handed_over += 1
        self._send(body, outcome)

    def _send(self, body: Any, outcome: str) -> None:
        if outcome != "lost and silent":
            self.wire.append((SYSTEM, US, message_for(body, self.profile)))
        event = orders.Sent() if outcome == "taken" else orders.OutcomeUnknown(reason=outcome)
        match body:
            case PaymentOrder():
                self._concluded("payment", body.payment_id, event)
            case ReturnOrder():
                self._concluded("credit", body.credit_id, event)
            case _ if outcome == "lost and silent":
                self.wire.append((SYSTEM, US, message_for(body, self.profile)))  # sent again under the same id

    def _concluded(self, noun: str, id: str, event: Any) -> None:
        if TABLES[noun].handles(self.house.nouns[noun, id], event):
            self.house.tell(noun, id, event)

    # -- the line ---------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.wire)
    @rule(data=st.data(), fate=st.sampled_from(["arrives", "arrives", "arrives twice", "is lost"]))
    def a_message(self, data: st.DataObject, fate: str) -> None:
        index = data.draw(st.integers(0, len(self.wire) - 1), label="which")
        to, sender, message = self.wire[index] if fate == "arrives twice" else self.wire.pop(index)
        if fate == "is lost" and sender != SYSTEM:
            self.wire.append((to, sender, message))  # we and the banks try again until AÖS has it
        elif fate != "is lost":
            self._arrive(to, sender, message)

    def _arrive(self, to: str, sender: str, message: Any) -> None:
        now = self.house.now
        if to == SYSTEM:
            self._under_way(self.system.handle(message, sender, now))
        elif to == US:
            self._heard(message)
        else:
            answer = self.agents[to].answer(message, now)
            if answer is not None:
                self.wire.append((SYSTEM, to, answer))

    @rule()
    def nothing_goes_wrong_for_a_while(self) -> None:
        """Everything leaves and arrives, so that what comes after it is reached too."""
        for _ in range(4):
            for body in self._pending():
                self._send(body, "taken")
            self.handed_over = len(self.house.sent)
            while self.wire:
                self._arrive(*self.wire.pop(0))

    def _under_way(self, outgoings: Any) -> None:
        self.wire += [(outgoing.to_bic, SYSTEM, outgoing.message) for outgoing in outgoings]

    def _heard(self, message: Any) -> None:
        heard = None if message.message_id in self.inbox else hear(message, "EHRNAZ22XXXX")
        if heard is None:
            return
        try:
            self.house.hear(heard.target, heard.event)
            self.inbox.add(message.message_id)
        except (LookupError, RefusedError):
            pass  # said no to; nothing kept

    @rule(seconds=st.sampled_from([1, 1, 10, 30]))
    def time_passes(self, seconds: int) -> None:
        self.house.now += timedelta(seconds=seconds)
        self._under_way(self.system.expire(self.house.now))
        for (noun, id, name), timer in list(self.house.timers.items()):
            if timer.due <= self.house.now and self.house.timers.get((noun, id, name)) is timer and name == "answer":
                self.house.fire(noun, id, name)

    @rule()
    def the_gateway_starts_again(self) -> None:
        """What it knows is what is on disk: every noun as its JSON text."""
        for (noun, id), data in self.house.nouns.items():
            self.house.nouns[noun, id] = codec.decode(TABLES[noun].data, codec.encode(data))

    # -- what always holds ------------------------------------------------------------------------------------------

    @invariant()
    def money_is_conserved(self) -> None:
        assert sum(self.system.ledger.balances().values()) == 0
        for agent in self.agents.values():
            assert sum(agent._core.balances_minor().values()) == 0  # type: ignore[attr-defined]

    @invariant()
    def no_order_is_executed_twice(self) -> None:
        for executed in (self._executed(CreditTransfer), self._executed(PaymentReturn)):
            assert len(executed) == len(set(executed))

    @invariant()
    def what_is_booked_is_what_the_rail_did(self) -> None:
        paid, returned = set(self._executed(CreditTransfer)), set(self._executed(PaymentReturn))
        for (noun, _), data in self.house.nouns.items():
            if noun == "payment" and data.state in ("settled", "returned"):
                assert data.end_to_end_id in paid
                assert data.state == "settled" or data.message_id in returned
            if noun == "payment" and data.state == "refused":
                assert data.end_to_end_id not in paid
            if noun == "credit" and not data.of_return:
                assert data.state != "returned" or data.message_id in returned
                assert data.state not in ("settled", "return_asked") or data.message_id not in returned

    @invariant()
    def one_payment_is_one_message(self) -> None:
        orders: dict[str, set[PaymentOrder]] = {}
        for order in self.house.bodies(PaymentOrder):
            orders.setdefault(order.payment_id, set()).add(order)
        assert all(len(copies) == 1 for copies in orders.values())

    @invariant()
    def a_new_return_is_ordered_only_after_the_one_before_was_rejected(self) -> None:
        """Each order is one message, however often it goes; of one credit's orders all but the last are dead."""
        orders: dict[str, dict[str, ReturnOrder]] = {}
        for order in self.house.bodies(ReturnOrder):
            assert orders.setdefault(order.credit_id, {}).setdefault(order.message_id, order) == order
        for copies in orders.values():
            for message_id in list(copies)[:-1]:
                held = self.system.orders.get(message_id)
                assert held is None or held.state == "rejected"

    def _executed(self, kind: type[Any]) -> list[str]:
        """Payments by end-to-end id, returns by what they return."""
        done = [order.transfer for order in self.system.orders.values() if order.state == "settled"]
        names = {CreditTransfer: "end_to_end_id", PaymentReturn: "original_message_id"}
        return [getattr(order, names[kind]) for order in done if isinstance(order, kind)]

    def teardown(self) -> None:
        """The line is whole again: everything arrives, every timer comes."""
        for _ in range(60):
            self.nothing_goes_wrong_for_a_while()
            self.time_passes(30)
        self.money_is_conserved()
        self.no_order_is_executed_twice()
        self.what_is_booked_is_what_the_rail_did()
        for (noun, id), data in self.house.nouns.items():
            ended = TABLES[noun].final | TABLES[noun].waiting_for_person
            if noun in ("payment", "credit"):
                assert data.state in ended | {"declined"}, id  # a credit that we refused: nothing of ours hangs on it


def _wanted(lot: str, amount: int) -> Wanted:
    return Wanted(
        lot_id=lot,
        owner="999101",
        bidder_id="B1",
        purpose=Purpose.DEPOSIT,
        amount=Money(amount),
        payer_name="Alıcı",
        payer_tax_id="1NUMUN1",
        payee=DEPOSIT_ACCOUNT,
        case_number="5-1/2026",
        due=NOON + timedelta(days=1),
    )


def _paid(now: datetime, amount: int) -> Paid:
    return Paid(amount=Money(amount), operation_number="OP1", paid_at=now, case_number="5-1/2026")


TestRail = Rail.TestCase
TestRail.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
