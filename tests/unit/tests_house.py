"""A house without walls: the state tables alone, their effects followed in memory. No store, no clock, no network."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from contracts.errors import Refusal
from contracts.errors.refusal import RefusedError
from gateway.domain.dispatches import CreditEnquiry, PaymentEnquiry, PaymentKind
from gateway.domain.events import lot as lots
from gateway.domain.events import payment as payments
from gateway.domain.events.order import EnquirySent
from gateway.domain.money import Money
from gateway.domain.nouns import TABLES
from gateway.domain.rulebook import RailRule, RegimeRule, Rulebook
from gateway.domain.table import Alarm, Alias, ByAlias, CancelTimer, Context, Send, Tell, Timer
from gateway.domain.values import Account, Bidder, DepositForm, ParticipantId, Regime

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)  # a Monday, 12:00 in Baku
DEPOSIT_ACCOUNT = Account(holder="İcra depoziti", iban="AZ73EHRN01010000000000000001", bic="EHRNAZ22")
BANK_ACCOUNT = Account(holder="Xəzər Bankı", iban="AZ08XZRN38010000000000010101", bic="XZRNAZ22")
BIDDER_ACCOUNT = Account(holder="Alıcı", iban="AZ69GNSN38010000000000020202", bic="GNSNAZ22")


def regime_rule(regime: Regime, **changes: Any) -> RegimeRule:
    values: dict[str, Any] = {
        "regime": regime,
        "in_force": date(2020, 1, 1),
        "deposit_bp": 500,
        "service_fee_bp": 0,
        "participation_fee": Money(2_000),
        "winner_pays_days": 7,
        "refund_days": 7,
        "claimant_answer_business_days": 5,
        "case_number_required": regime is Regime.ENFORCEMENT,
        "payee": DEPOSIT_ACCOUNT,
        "source": "test",
    }
    return RegimeRule(**(values | changes))


RULES = Rulebook(
    regimes=(
        regime_rule(Regime.ENFORCEMENT),
        regime_rule(Regime.MORTGAGE, offer_price_bp=7_500),
        regime_rule(Regime.VOLUNTARY, service_fee_bp=200),
    ),
    rail=RailRule(
        max_amount=Money(4_000_000),
        answer_timeout=timedelta(seconds=25),
        enquiry_interval=timedelta(seconds=30),
        enquiries_max=3,
        own_address="EHRNAZ22XXXX",
        own_bic="EHRNAZ22",
    ),
    is_business_day=lambda day: day.weekday() < 5,
    platform="EHERRAC",
    banks={"999101": "XZRNAZ22", "999202": "GNSNAZ22"},
    authorities=("ECONOMY", "JUSTICE", "INTERIOR"),
    receipt_days=1,
)


@dataclass(slots=True)
class House:
    """Nouns by (name, id), and everything that was sent, set or raised."""

    rules: Rulebook = RULES
    now: datetime = START
    nouns: dict[tuple[str, str], Any] = field(default_factory=dict)
    aliases: dict[tuple[str, str, str], str] = field(default_factory=dict)
    sent: list[Send] = field(default_factory=list)
    timers: dict[tuple[str, str, str], Timer] = field(default_factory=dict)
    alarms: list[Alarm] = field(default_factory=list)
    rail_is_up: bool = True  # it takes every question the moment it is asked

    def tell(self, noun: str, id: str, event: Any) -> None:
        """Apply an event and what follows. Raises RefusedError and keeps nothing if any table refuses."""
        saved = (dict(self.nouns), dict(self.aliases), list(self.sent), dict(self.timers), list(self.alarms))
        try:
            queue = deque([(noun, id, event)])
            while queue:
                self._apply(*queue.popleft(), queue)
        except RefusedError:
            self.nouns, self.aliases, self.sent, self.timers, self.alarms = saved
            raise

    def hear(self, target: Any, event: Any) -> None:
        """A message's event to the noun it speaks to, by id or by a name of it. LookupError where nobody has it."""
        noun, id = target.noun, target.id
        if isinstance(id, ByAlias):
            have = (key[2] for key in self.aliases if key[:2] == (id.scheme, id.value))
            noun = noun or next(have, "")
            id = self.aliases[id.scheme, id.value, noun]
        self.tell(noun, id, event)

    def state(self, noun: str, id: str) -> str:
        return str(self.nouns[noun, id].state)

    def bodies(self, cls: type[Any]) -> list[Any]:
        return [send.body for send in self.sent if isinstance(send.body, cls)]

    def fire(self, noun: str, id: str, name: str) -> None:
        """Let a timer's time come."""
        timer = self.timers.pop((noun, id, name))
        self.now = max(self.now, timer.due)
        if TABLES[noun].handles(self.nouns.get((noun, id)), timer.event):
            self.tell(noun, id, timer.event)

    def _apply(self, noun: str, id: str, event: Any, queue: deque[Any]) -> None:
        context = Context(now=self.now, rules=self.rules, id=id)
        decision = TABLES[noun].decide(self.nouns.get((noun, id)), event, context)
        if isinstance(decision, Refusal):
            raise RefusedError(decision)
        self.nouns[noun, id] = decision.noun
        for effect in decision.effects:
            self._effect(noun, id, effect, queue)

    def _effect(self, noun: str, id: str, effect: Any, queue: deque[Any]) -> None:
        match effect:
            case Tell(noun=other, id=ByAlias(scheme=scheme, value=value)):
                found = self.aliases.get((scheme, value, other))
                queue.append((other, found, effect.event) if found else (noun, id, effect.otherwise))
            case Tell():
                queue.append((effect.noun, effect.id, effect.event))
            case Send():
                self.sent.append(effect)
                if self.rail_is_up and isinstance(effect.body, PaymentEnquiry | CreditEnquiry):
                    queue.append((noun, id, taken(effect.body)))
            case Timer():
                self.timers[noun, id, effect.name] = effect
            case CancelTimer():
                self.timers.pop((noun, id, effect.name), None)
            case Alias():
                self.aliases[effect.scheme, effect.value, noun] = id
            case Alarm():
                self.alarms.append(effect)


def taken(question: PaymentEnquiry | CreditEnquiry) -> EnquirySent:
    """The rail's word that it has a question."""
    return EnquirySent(enquiry_id=question.message_id, number=question.number)


def announced(**changes: Any) -> lots.Announced:
    values: dict[str, Any] = {
        "regime": Regime.ENFORCEMENT,
        "title": "Mənzil",
        "address": "Bakı",
        "claimant": "999101",
        "starting_price": Money(2_000_000),
        "auction_at": START + timedelta(days=1),
        "case_number": "5-1/2026",
    }
    return lots.Announced(**(values | changes))


def bidder(id: str = "B1", **changes: Any) -> Bidder:
    values: dict[str, Any] = {
        "id": ParticipantId(id),
        "name": f"Alıcı {id}",
        "tax_id": "1NUMUN1",
        "deposit_form": DepositForm.MONEY,
        "refund_account": BIDDER_ACCOUNT,
    }
    return Bidder(**(values | changes))


def ordered(**changes: Any) -> payments.Ordered:
    values: dict[str, Any] = {
        "kind": PaymentKind.REQUEST,
        "reason": payments.Reason.PURCHASE,
        "origin": "L1",
        "lot_id": "L1",
        "owner": "999101",
        "amount": Money(1_000_000),
        "debtor": BANK_ACCOUNT,
        "creditor": DEPOSIT_ACCOUNT,
        "case_number": "5-1/2026",
        "case_number_required": True,
        "purpose": "Lot L1",
    }
    return payments.Ordered(**(values | changes))
