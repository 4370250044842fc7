"""Leaving to a person what is not as the journal says: a delivery is not sent, a timer does not fire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog

from gateway.domain import delivery as deliveries
from gateway.domain.delivery import Delivery, DeliveryState
from gateway.domain.table import Alarm
from gateway.engine.step import Cause, MakeStep
from gateway.engine.tampered import TamperedError, doubt_of
from gateway.store.interface import Store, Transaction
from gateway.store.rows import LeasedRow, OutboxRow
from gateway.store.turns import Turn

_log = structlog.get_logger(__name__)


class Withholding:
    """Part of the engine. `step` begins one of its steps."""

    def __init__(self, store: Store, step: MakeStep, clock: Callable[[], datetime]) -> None:
        self._store, self._step, self._clock = store, step, clock

    async def doubt(self, row: LeasedRow) -> str | None:
        """Why a leased row is not what the journal ordered; None if it is, or if its line is one that binds nothing.

        Raises:
            StoreError: the journal cannot be read now.
        """
        line = await self._store.read(
            lambda reader: reader.line_of(row.noun, row.noun_id, row.state_version), Turn.UNDER_WAY
        )
        return doubt_of(row, line, self._clock())

    async def withhold(self, row: LeasedRow, doubt: str) -> bool:
        """Park what somebody changed or put into the outbox by hand; False if the lease was lost."""
        now, alarm = self._clock(), _alarm({"delivery": row.id, "what": doubt})

        def work(tx: Transaction) -> bool:
            step = self._step(tx, cause_of(row), now)
            held = step.hold(row.noun, row.noun_id)
            if not tx.park(row, now=now, state=DeliveryState.PARKED, error=doubt):
                return False
            if held.data is not None:  # it may name a noun that is not there
                step.note(held, parking(row, doubt))
                step.raise_alarm(held, alarm)
            step.finish()
            return True

        try:
            kept = await self._store.transact(work, Turn.UNDER_WAY)
        except TamperedError as error:
            return await self.set_aside(row, doubt, error)
        _tell(alarm)
        return kept

    async def set_aside(self, row: OutboxRow, reason: str, error: TamperedError) -> bool:
        """Park a row of a noun that can have no line now: one would vouch for what was done to it."""
        now = self._clock()
        kept = await self._store.transact(
            lambda tx: tx.park(row, now=now, state=DeliveryState.PARKED, error=reason), Turn.UNDER_WAY
        )
        tell_tampered(error)
        return kept


def tell_tampered(error: TamperedError) -> None:
    """The alarm; it can stand in no line of the noun it is about."""
    _tell(_alarm(error.facts))


def cause_of(row: OutboxRow) -> Cause:
    """Why what follows from an attempt happens."""
    return Cause(source=row.recipient, id=row.id)


def delivery_of(row: OutboxRow) -> Delivery:
    """The row as its table decides of it."""
    return Delivery(
        state=DeliveryState(row.state),
        lot_id="",
        owner="",
        channel=row.channel,
        recipient=row.recipient,
        body=row.body_type,
        attempt=row.booked,
        due_at=row.due_at,
    )


def parking(row: OutboxRow, reason: str) -> deliveries.DeliveryParked:
    """What is noted of a row that is left to a person."""
    return deliveries.DeliveryParked(
        delivery=row.id, recipient=row.recipient, body=row.body_type, attempt=row.booked + 1, reason=reason
    )


def _alarm(facts: dict[str, str]) -> Alarm:
    return Alarm("STORE_TAMPERED", facts)


def _tell(alarm: Alarm) -> None:
    _log.error("alarm", alarm=alarm.code, facts=alarm.facts)
