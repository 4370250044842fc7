"""A person's word on what is parked: sent again, or never; each written down with the name of who said so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from contracts.errors import Refusal
from gateway.domain import delivery as deliveries
from gateway.domain.rulebook import Rulebook
from gateway.domain.table import Context
from gateway.engine.step import Cause, MakeStep
from gateway.engine.tampered import TamperedError
from gateway.engine.withholding import delivery_of, tell_tampered
from gateway.store.interface import Store, Transaction
from gateway.store.rows import OutboxRow

_PAGE = 500
ByPerson = deliveries.Requeued | deliveries.Discarded


class Parked:
    """Part of the engine. `step` begins one of its steps; `wake` is called where something became due."""

    def __init__(
        self,
        store: Store,
        step: MakeStep,
        rules: Rulebook,
        clock: Callable[[], datetime],
        wake: Callable[[], None],
    ) -> None:
        self._store, self._step, self._rules, self._clock, self._wake = store, step, rules, clock, wake

    async def requeue(self, delivery_id: str, *, person: str) -> bool:
        """Send it again now, under its id; False if it is not parked."""

        def decision(row: OutboxRow) -> deliveries.Requeued:
            return deliveries.Requeued(delivery=row.id, recipient=row.recipient, body=row.body_type, person=person)

        return await self._decided(delivery_id, decision)

    async def requeue_all(self, *, recipient: str | None, person: str, most: int | None = None) -> int:
        """Of one recipient or of everybody, `most` of them at most; how many are due again.

        In pages, each row decided by itself; what another has decided about meanwhile is passed over.
        """
        count = after = 0
        while most is None or count < most:
            limit = _PAGE if most is None else min(_PAGE, most - count)
            rows = await self._store.read(
                lambda reader, after=after, limit=limit: reader.list_outbox(  # type: ignore[misc]
                    recipient=recipient, parked=True, after=after, limit=limit
                )
            )
            if not rows:
                break
            for row in rows:
                count += await self.requeue(row.id, person=person)
            after = rows[-1].seq
        return count

    async def discard(self, delivery_id: str, *, person: str, reason: str) -> bool:
        """It is never sent, what waits behind it goes; False if it is not parked."""

        def decision(row: OutboxRow) -> deliveries.Discarded:
            return deliveries.Discarded(
                delivery=row.id, recipient=row.recipient, body=row.body_type, person=person, reason=reason
            )

        return await self._decided(delivery_id, decision)

    async def _decided(self, id: str, decision: Callable[[OutboxRow], ByPerson]) -> bool:
        now = self._clock()

        def work(tx: Transaction) -> bool:
            row = tx.find_outbox(id)
            if row is None:
                return False
            event = decision(row)
            step = self._step(tx, Cause(source=event.person, id=row.id), now)
            held = step.hold(row.noun, row.noun_id)  # locked before its delivery, as by everybody else
            if not self._write(tx, row, event, now):
                return False
            step.note(held, event)
            step.finish()
            return True

        try:
            done = await self._store.transact(work)
        except TamperedError as error:
            tell_tampered(error)
            return False
        self._wake()
        return done

    def _write(self, tx: Transaction, row: OutboxRow, event: ByPerson, now: datetime) -> bool:
        decision = deliveries.TABLE.decide(delivery_of(row), event, Context(now=now, rules=self._rules, id=row.id))
        if isinstance(decision, Refusal):
            return False
        state = str(decision.noun.state)
        if isinstance(event, deliveries.Discarded):
            return tx.discard(row.id, now=now, state=state, note=f"{event.person}: {event.reason}")
        return tx.requeue(row.id, now=now, state=state)
