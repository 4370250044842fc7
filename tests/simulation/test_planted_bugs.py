"""A simulator that finds nothing proves nothing: bugs that gateways have had, each found within so many seeds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from simulator.gateway import Parts
from simulator.storage import SimulatedStore
from simulator.world import runs

from adapters.aos.adapter import AosAdapter
from gateway.domain.dispatches import PaymentOrder
from gateway.domain.events.order import EnquiryDue
from gateway.domain.table import Timer
from gateway.engine.dispatcher import Dispatcher
from gateway.engine.engine import Engine
from gateway.engine.sending import Sending
from gateway.engine.step import Step
from gateway.ports import Acknowledged, Outcome, Unknown


class ForgetsTheInbox(Engine):
    """Takes a repetition for news."""

    def _receive(self, tx: Any, message: Any, now: Any) -> Any:
        return super()._receive(_WithoutInbox(tx), message, now)


class _WithoutInbox:
    def __init__(self, tx: Any) -> None:
        self._tx = tx

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def ask_inbox(self, *_: str) -> Any:
        return lambda: None

    def add_inbox(self, row: Any) -> None:
        if self._tx.find_inbox(row.source, row.message_id) is None:
            self._tx.add_inbox(row)


class DoesNotSync(SimulatedStore):
    """Says that it is on disk when the system has it."""

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self._writes.connection.execute("PRAGMA synchronous=OFF")


class SaysSoBeforeTheCommit(SimulatedStore):
    """Works are told of while their transaction is still open."""

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self._writes._run_first = self._tells(self._writes._run_first)  # type: ignore[method-assign]
        self._writes._run_beside = self._tells(self._writes._run_beside)  # type: ignore[method-assign]

    def _tells(self, run: Any) -> Any:
        def told(job: Any) -> None:
            run(job)
            job.settle()

        return told


_numbers = count()
_NONE = (lambda: None).__code__
_ANSWERED = timedelta(minutes=30)  # longer than between two questions, shorter than after one that never went


class NewIdAtResend(AosAdapter):
    """Every attempt is a message of its own."""

    async def send(self, dispatch: Any) -> Outcome:
        if isinstance(dispatch.body, PaymentOrder):
            number = f"{next(_numbers) % 1000:03d}"
            dispatch = replace(dispatch, body=replace(dispatch.body, message_id=dispatch.body.message_id[:-3] + number))
        return await super().send(dispatch)


class TakesSilenceForAcknowledgement(Dispatcher):
    """No answer is good news."""

    def __init__(self, engine: Any, adapters: Any, **settings: Any) -> None:
        super().__init__(engine, adapters, **settings)
        self._sending = _Hopeful(engine.store, adapters)


class _Hopeful(Sending):
    async def attempt(self, rows: Any) -> list[Outcome]:
        outcomes = await super().attempt(rows)
        return [Acknowledged() if isinstance(one, Unknown) and one.event is None else one for one in outcomes]


class TakesSilenceForRefusal(Engine):
    """A payment fails because a timer ran out."""

    def _fire(self, tx: Any, row: Any, now: Any) -> Any:
        if row.body_type == "SilenceElapsed":
            row = replace(row, body_type="Rejected", body='{"code":"TIMEOUT","reason":"no answer"}')
        return super()._fire(tx, row, now)


class _Stepping(Engine):
    step: type[Step]

    def _step(self, tx: Any, cause: Any, now: Any) -> Step:
        return self.step(tx, self._tables, self._rules, now, cause)


class _WithoutOrder(Step):
    def _outbox(self, held: Any, index: int, send: Any) -> Any:
        return replace(super()._outbox(held, index, send), order_key=None)


class ForgetsTheOrder(_Stepping):
    """Notices of one subject leave side by side."""

    step = _WithoutOrder


class _WithoutTimers(Step):
    def _effect(self, held: Any, index: int, effect: Any) -> None:
        if not isinstance(effect, Timer):
            super()._effect(held, index, effect)


class SetsNoTimers(_Stepping):
    """Nobody goes on with a payment whose answer is lost."""

    step = _WithoutTimers


class _Skipping(Step):
    def _enqueue(self) -> None:
        self._tx.next_sequences([recipient for recipient, _, _ in self._sends[1:]])
        super()._enqueue()


class LosesFeedNumbers(_Stepping):
    """A feed with gaps."""

    step = _Skipping


class _AskingByTheClock(Step):
    def _effect(self, held: Any, index: int, effect: Any) -> None:
        if isinstance(effect, Timer) and isinstance(effect.event, EnquiryDue) and effect.due > self._now + _ANSWERED:
            interval = self._rules.rail.enquiry_interval
            effect = replace(effect, due=self._now + interval, event=EnquiryDue(number=effect.event.number + 1))
        super()._effect(held, index, effect)


class CountsQuestionsThatNeverLeft(_Stepping):
    """While AÖS is away every payment becomes a person's, though nobody asked AÖS."""

    step = _AskingByTheClock


BUGS = [
    (Parts(engine=ForgetsTheInbox), 10),
    (Parts(store=DoesNotSync), 40),
    (Parts(store=SaysSoBeforeTheCommit), 20),
    (Parts(aos=NewIdAtResend), 40),
    (Parts(dispatcher=TakesSilenceForAcknowledgement), 20),
    (Parts(engine=TakesSilenceForRefusal), 60),
    (Parts(engine=ForgetsTheOrder), 60),
    (Parts(engine=SetsNoTimers), 20),
    (Parts(engine=LosesFeedNumbers), 10),
    (Parts(engine=CountsQuestionsThatNeverLeft), 60),
]


def _name(value: Any) -> str:
    if isinstance(value, int):
        return f"{value} seeds"
    parts = (value.engine, value.store, value.aos, value.dispatcher)
    return next(part.__name__ for part in parts if part.__module__ == __name__)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("parts", "seeds"), BUGS, ids=_name)
def test_a_planted_bug_is_found(parts: Parts, seeds: int) -> None:
    assert any(found.failure is not None for found in runs(range(seeds), parts))


PLANTED = [one for one in tuple(globals().values()) if isinstance(one, type) and one.__module__ == __name__]


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.__name__)
def test_what_is_planted_stands_where_something_stood(planted: type) -> None:
    """A method that calls on to one that is no longer there is called by nobody: the bug would not be planted."""
    calling_on = {
        name for name, it in vars(planted).items() if "__class__" in getattr(it, "__code__", _NONE).co_freevars
    }
    assert {name for name in calling_on if not hasattr(super(planted, planted), name)} == set()
