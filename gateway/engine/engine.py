"""The engine: every statement from outside, every outcome of a delivery and every timer goes through here.

`receive` answers only what is on disk. The same (source, id) again gets the first answer; with
other content, a conflict.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import structlog

from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError, refuse
from gateway.domain import delivery as deliveries
from gateway.domain.delivery import DeliveryState, RetryPolicy
from gateway.domain.dispatches import ReceiptRefusal
from gateway.domain.door import RefusalTold, RequestRefused
from gateway.domain.frozen import replace
from gateway.domain.rulebook import Rulebook
from gateway.domain.table import Alarm, ByAlias, Context, Event, StateTable
from gateway.engine import codec
from gateway.engine.endings import Ended
from gateway.engine.leasing import Booked, Grant, Leaser, LeasesLostError, ask, no_rows
from gateway.engine.outcome import attempt_of, result_of
from gateway.engine.parked import Parked
from gateway.engine.refusals import Lines
from gateway.engine.silences import Silences
from gateway.engine.step import Cause, Held, Step
from gateway.engine.tampered import TamperedError
from gateway.engine.unavailable import store_unavailable
from gateway.engine.withholding import Withholding, cause_of, delivery_of, parking, tell_tampered
from gateway.ports import Acknowledged, Answer, Exhibit, Message, NotSent, Outcome, Refused
from gateway.store.errors import StoreError, StoreUnavailableError
from gateway.store.interface import NONE_TAKEN, Lane, Store, Transaction
from gateway.store.rows import Concluded, Ending, InboxRow, LeasedRow, OutboxRow
from gateway.store.turns import Turn

_log = structlog.get_logger(__name__)
ANONYMOUS = "anonymous"
T = TypeVar("T")


class Engine:
    """The one way to change anything.

    Args:
        wake: called after every commit that may have put something into the outbox.
        policies: retry schedule by `channel/recipient`, else by `channel`, else `default`.
        chance: draws from [0, 1) what spreads retries; it protects nothing.
        finishing: senders whose statements finish what is under way (rails, receipts); under load they come before
            what begins.
    """

    def __init__(
        self,
        store: Store,
        tables: Mapping[str, StateTable[Any]],
        rules: Rulebook,
        *,
        clock: Callable[[], datetime],
        policies: Mapping[str, RetryPolicy],
        wake: Callable[[], None] = lambda: None,
        chance: Callable[[], float] = random.random,
        finishing: frozenset[str] = frozenset(),
    ) -> None:
        self.store, self._tables, self._rules, self._finishing = store, tables, rules, finishing
        self._clock, self._policies, self.wake, self._chance = clock, policies, wake, chance
        self._leaser: Leaser | None = None
        self.withholding = Withholding(store, self._step, clock)
        self.silences = Silences(store, self._step, clock)
        self.parked = Parked(store, self._step, rules, clock, lambda: self.wake())  # noqa: PLW0108 - `attach` changes it

    def attach(self, leaser: Leaser) -> None:
        """Have this dispatcher woken, and lease on its grants."""
        self._leaser, self.wake = leaser, leaser.wake

    async def receive(self, message: Message) -> Answer:
        """Take a verified message in and return its answer once everything that follows is durable.

        Raises:
            RefusedError: a table's refusal, an unknown target, ID_CONFLICT, and `store_unavailable`; nothing was
                kept.
        """
        now, turn = self._clock(), Turn.UNDER_WAY if message.source in self._finishing else Turn.NEW
        try:
            return await self._book(lambda tx: self._receive(tx, message, now), now, turn=turn)
        except StoreError as error:
            raise store_unavailable(error) from error
        except TamperedError as error:
            tell_tampered(error)
            raise refuse(ErrorCode.INTERNAL) from error
        except RefusedError as refused:
            return await self._answered_meanwhile(message, refused)

    async def _answered_meanwhile(self, message: Message, refused: RefusedError) -> Answer:
        """Another replica may have taken the same message in since we looked, and that is why we were refused."""
        try:
            known = await self.store.read(lambda reader: reader.find_inbox(message.source, message.id))
        except StoreError as error:
            raise store_unavailable(error) from error
        if known is None:
            raise refused
        return self._first_answer(known, message)

    async def record_refusal(
        self,
        source: str | None,
        what: str,
        refusal: Refusal,
        *,
        digest: str = "",
        exhibits: tuple[Exhibit, ...] = (),
        answer: ReceiptRefusal | None = None,
    ) -> None:
        """One journal line for a request that was refused, whoever refused it; with an `answer`, it goes out too."""
        event = RequestRefused.of(what, refusal, digest=digest)
        now, sender = self._clock(), source or ANONYMOUS

        def work(tx: Transaction) -> None:
            step = self._step(tx, Cause(source=sender, id=digest or event.what), now)
            held = step.hold("door", sender)
            step.tell(held, event)
            if answer is not None:
                step.tell(held, RefusalTold(authority=answer.authority, answer=answer))
            step.keep(held, exhibits)
            step.finish()

        await self._note(work)
        if answer is not None:
            self.wake()

    async def record_refusals(self, lines: Lines) -> None:
        """Journal lines of many refused requests, in one transaction; see `RefusalBook`."""
        now = self._clock()

        def work(tx: Transaction) -> None:
            for sender, events in sorted(lines.items()):  # every replica locks them in one order
                first = events[0]
                about = first.digest or first.what if isinstance(first, RequestRefused) else sender
                step = self._step(tx, Cause(source=sender, id=about), now)
                held = step.hold("door", sender)
                for event in events:
                    step.tell(held, event)
                step.finish()

        await self._note(work)

    async def _note(self, work: Callable[[Transaction], None]) -> None:
        try:
            await self.store.transact(work)
        except TamperedError as error:  # there is no line to be had; the alarm says more
            tell_tampered(error)

    async def conclude(self, row: OutboxRow, outcome: Outcome) -> bool:
        """Book how an attempt ended; False if the lease was lost meanwhile and another worker goes on.

        An event that the noun's table refuses now is not lost: the delivery is parked with the refusal as its reason.
        """
        try:
            [held] = await self.conclude_all([Ended(row=row, outcome=outcome)])
        except TamperedError as error:
            reason = f"{error.reason}; its attempt ended: {result_of(outcome)}"
            return await self.withholding.set_aside(row, reason, error)
        except RefusedError as error:
            refused = Refused(code=error.refusal.code, reason=f"{error.refusal.code} {dict(error.refusal.facts)}")
            [held] = await self.conclude_all([Ended(row=row, outcome=refused)])
        return held

    async def conclude_all(self, ended: Sequence[Ended]) -> list[bool]:
        """Book in one work how several attempts ended; for each, whether its lease held.

        Raises:
            RefusedError: of one of them; none was booked.
        """
        now, chances = self._clock(), [self._chance() for _ in ended]
        lost: frozenset[int] = frozenset()
        while True:
            work = partial(self._conclude, ended=ended, chances=chances, lost=lost, now=now)
            try:
                return await self._book(work, now, turn=Turn.UNDER_WAY, freed=_freed(ended))
            except LeasesLostError as found:
                lost |= found.places

    async def fire(self, row: OutboxRow) -> bool:
        """Tell a noun that its timer's time came; False if the lease was lost."""
        now = self._clock()
        try:
            return await self._book(lambda tx: self._fire(tx, row, now), now, turn=Turn.UNDER_WAY)
        except TamperedError as error:
            return await self.withholding.set_aside(row, error.reason, error)
        except RefusedError as error:
            reason = str(error.refusal.code)
            kept = await self.store.transact(lambda tx: self._park_timer(tx, row, reason, now), Turn.UNDER_WAY)
            if kept:
                _tell([Alarm("TIMER_REFUSED", {"timer": row.id, "code": reason})])
            return kept

    async def _book(
        self,
        work: Callable[[Transaction], tuple[T, Step | None]],
        now: datetime,
        *,
        turn: Turn,
        freed: Mapping[Lane, int] = NONE_TAKEN,
    ) -> T:
        """Run a step durably, lease what follows from it where the dispatcher has room, and see to the rest."""
        leaser = self._leaser
        grant = leaser.grant() if leaser is not None else None

        def run(tx: Transaction) -> tuple[T, Step | None, Callable[[], list[LeasedRow]]]:
            done, step = work(tx)
            leased = no_rows if step is None or grant is None else grant.lease(tx, step.lanes, now, freed)
            return done, step, leased

        done, step, leased_in_it = await self.store.transact(run, turn)
        leased = leased_in_it()
        if leaser is not None:
            leaser.take(leased)
        if step is not None:
            _tell(step.alarms)
            if _leaves_something(step, grant, leased, freed):
                self.wake()
        return done

    def _step(self, tx: Transaction, cause: Cause, now: datetime) -> Step:
        return Step(tx, self._tables, self._rules, now, cause)

    def _receive(self, tx: Transaction, message: Message, now: datetime) -> tuple[Answer, Step | None]:
        """The answer, and the step that led to it; None for a message that was answered before."""
        asked = tx.ask_inbox(message.source, message.id)
        step = self._step(tx, Cause(source=message.source, id=message.id), now)
        held = self._target(step, message)  # its question and the inbox's go to the database together
        known = asked()
        if known is not None:
            return self._first_answer(known, message), None
        if isinstance(held, Refusal):
            raise RefusedError(held)
        step.tell(held, message.event)
        step.keep(held, message.exhibits)
        step.finish()
        answer = Answer(noun=held.table.name, id=held.id, state=_state(held), version=held.version, accepted_at=now)
        tx.add_inbox(
            InboxRow(
                source=message.source,
                message_id=message.id,
                digest=message.digest,
                noun=held.table.name,
                noun_id=held.id,
                answer=codec.encode(answer),
                received_at=now,
            )
        )
        return answer, step

    @staticmethod
    def _first_answer(known: InboxRow, message: Message) -> Answer:
        if known.digest != message.digest:
            raise refuse(ErrorCode.ID_CONFLICT, id=message.id)
        return replace(codec.decode(Answer, known.answer), repeated=True)

    def _target(self, step: Step, message: Message) -> Held | Refusal:
        noun, name = message.target.noun, message.target.id
        asked = name.value if isinstance(name, ByAlias) else name
        if noun is None and isinstance(name, ByAlias):
            noun, _ = step.named(name) or (None, "")
        if noun is None:
            return Refusal(code=ErrorCode.REFERENCE_UNKNOWN, facts={"noun": "", "id": asked})
        table, id = self._tables[noun], step.resolve(noun, name)
        if id is None:
            return table.unknown_refusal(asked)
        held = step.hold(noun, id)
        if message.actor is not None and (held.data is None or held.data.owner != message.actor):
            return table.unknown_refusal(asked)
        return held

    def _conclude(
        self, tx: Transaction, ended: Sequence[Ended], chances: Sequence[float], lost: frozenset[int], now: datetime
    ) -> tuple[list[bool], Step | None]:
        """Book them, but for those whose lease is `lost`; what the leases say of the others comes at the end.

        Raises:
            LeasesLostError: more are; nothing of this may be kept.
        """
        step = self._step(tx, cause_of(ended[0].row), now)
        step.hold_all((each.row.noun, each.row.noun_id) for each in ended)
        booked: dict[int, Booked] = {}
        answers: Callable[[], dict[int, Concluded | bool]] | None = None
        try:
            for place, (each, chance) in enumerate(zip(ended, chances, strict=True)):
                if place not in lost:
                    booked[place] = self._conclude_one(tx, step, each, chance, now)
            if not booked:
                return [False] * len(ended), None
            answers = ask(tx, booked, now)
            step.finish()  # only now: what it sends need not wait behind what was ended
        except (RefusedError, StoreError) as error:
            if not isinstance(error, StoreUnavailableError):
                (answers or ask(tx, booked, now))()  # what was no longer ours to book may be why
            raise
        for place, answer in answers().items():
            if answer is Concluded.FOLLOWED:
                step.lanes.add((ended[place].row.channel, ended[place].row.recipient))
        return [place not in lost for place in range(len(ended))], step

    def _conclude_one(self, tx: Transaction, step: Step, ended: Ended, chance: float, now: datetime) -> Booked:
        """Do what follows as if the lease held."""
        row, outcome = ended.row, ended.outcome
        step.cause = cause_of(row)
        held = step.hold(row.noun, row.noun_id)
        event: Event | None = None if isinstance(outcome, NotSent) else outcome.event
        handled = event is not None and held.table.handles(held.data, event)
        after = self._after_attempt(row, outcome, now, chance, taken_over=handled)
        decision = deliveries.TABLE.decide(delivery_of(row), after, Context(now=now, rules=self._rules, id=row.id))
        if isinstance(decision, Refusal):
            return False  # concluded meanwhile by somebody else
        booked = self._write(tx, row, after, str(decision.noun.state), now)
        if isinstance(after, deliveries.DeliveryDeferred):
            step.falls_due(after.until)
        step.note(held, after)
        for effect in decision.effects:
            if isinstance(effect, Alarm):
                step.raise_alarm(held, effect)
        if isinstance(outcome, Acknowledged) and outcome.document is not None:
            step.keep_document(outcome.document)
        if not isinstance(outcome, NotSent):
            step.keep(held, outcome.exhibits)
        if event is not None and handled:
            step.tell(held, event)
        return booked

    def _after_attempt(
        self, row: OutboxRow, outcome: Outcome, now: datetime, chance: float, *, taken_over: bool
    ) -> deliveries.AfterAttempt:
        attempt = attempt_of(row, outcome, taken_over=taken_over)
        names = (f"{row.channel}/{row.recipient}", row.channel, "default")
        policy = next(self._policies[name] for name in names if name in self._policies)
        return deliveries.after_attempt(attempt, policy, now, chance)

    @staticmethod
    def _write(tx: Transaction, row: OutboxRow, after: deliveries.AfterAttempt, state: str, now: datetime) -> Booked:
        """Write what the delivery's table says of this attempt, but for its end, which goes along with the others'."""
        match after:
            case deliveries.DeliveryAcknowledged():
                return Ending(row=row, state=state)
            case deliveries.DeliveryTakenOver(reason=reason):
                return Ending(row=row, state=state, note=reason)
            case deliveries.DeliveryDeferred(reason=reason, until=until):
                return tx.reschedule(row, due_at=until, state=state, error=reason)
            case deliveries.DeliveryParked(reason=reason):
                return tx.park(row, now=now, state=state, error=reason)

    def _fire(self, tx: Transaction, row: OutboxRow, now: datetime) -> tuple[bool, Step | None]:
        step = self._step(tx, Cause(source="timer", id=row.id), now)
        held = step.hold(row.noun, row.noun_id)  # locked before its timer, as by everybody else
        if not tx.conclude(row, now=now, state=DeliveryState.FIRED):
            return False, None
        event = codec.decode(held.table.events[row.body_type], row.body)
        if held.table.handles(held.data, event):
            step.tell(held, event)
        else:  # no timer ends without a line
            step.note(held, deliveries.TimerPassed(delivery=row.id, body=row.body_type))
        step.finish()
        return True, step

    def _park_timer(self, tx: Transaction, row: OutboxRow, reason: str, now: datetime) -> bool:
        step = self._step(tx, Cause(source="timer", id=row.id), now)
        held = step.hold(row.noun, row.noun_id)
        if not tx.park(row, now=now, state=DeliveryState.PARKED, error=reason):
            return False
        step.note(held, parking(row, reason))
        step.finish()
        return True


def _tell(alarms: Iterable[Alarm]) -> None:
    for alarm in alarms:
        _log.warning("alarm", alarm=alarm.code, facts=alarm.facts)


def _freed(ended: Iterable[Ended]) -> Counter[Lane]:
    """Places that may be taken again, by lane. Where nobody answered, the breaker is asked first."""
    return Counter((e.row.channel, e.row.recipient) for e in ended if isinstance(e.outcome, Acknowledged | Refused))


def _leaves_something(step: Step, grant: Grant | None, leased: list[LeasedRow], freed: Mapping[Lane, int]) -> bool:
    """Whether the dispatcher must look, now or sooner than it would by itself."""
    if grant is None:
        return bool(step.lanes) or step.next_due_at is not None
    if step.next_due_at is not None and step.next_due_at < grant.looks_by:
        return True
    return not grant.is_all(leased, step.lanes, freed)


def _state(held: Held) -> str:
    return str(held.data.state) if held.data is not None else ""
