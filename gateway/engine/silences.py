"""Who of those we send to is silent, written down, so that it is known at every replica and after a restart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog

from gateway.domain.recipient import AnsweredAgain, FellSilent, RecipientState
from gateway.domain.table import Alarm
from gateway.engine.step import Cause, MakeStep
from gateway.engine.tampered import TamperedError
from gateway.engine.withholding import tell_tampered
from gateway.store.errors import StoreError
from gateway.store.interface import Lane, Store, Transaction
from gateway.store.turns import Turn

_log = structlog.get_logger(__name__)


class Silences:
    """Part of the engine. `step` begins one of its steps."""

    def __init__(self, store: Store, step: MakeStep, clock: Callable[[], datetime]) -> None:
        self._store, self._step, self._clock = store, step, clock

    async def note(self, lane: Lane, event: FellSilent | AnsweredAgain) -> None:
        """Write down that a recipient fell silent or answers again; nothing if another replica has done so.

        Whose answers are back gets at once what waits for its next attempt.
        """
        now, id = self._clock(), "/".join(lane)

        def work(tx: Transaction) -> list[Alarm]:
            step = self._step(tx, Cause(source="dispatcher", id=id), now)
            held = step.hold("recipient", id)
            if held.table.handles(held.data, event):
                step.tell(held, event)
                if isinstance(event, AnsweredAgain):
                    tx.hasten(*lane, now=now)
            step.finish()
            return step.alarms

        try:
            for alarm in await self._store.transact(work, Turn.UNDER_WAY):
                _log.warning("alarm", alarm=alarm.code, facts=alarm.facts)
        except TamperedError as error:
            tell_tampered(error)
        except StoreError as error:
            _log.warning("not written down", recipient=id, event=type(event).__name__, reason=str(error))

    async def all(self) -> list[Lane]:
        """Who did not answer when last tried."""
        rows = await self._store.read(lambda reader: reader.list_nouns("recipient", state=RecipientState.SILENT))
        return [(channel, recipient) for channel, _, recipient in (row.id.partition("/") for row in rows)]
