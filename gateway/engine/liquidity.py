"""The watch over our account in AÖS: at an interval, what must be payable is foreseen and the account is asked about.

The decision is the table's (`gateway.domain.liquidity`), the sum the forecast's (`gateway.domain.forecast`); this only
looks at the nouns that may cost something by then, along the store's indexes, and says that it is time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime

import structlog

from contracts.errors.refusal import RefusedError
from gateway.domain.clock import format_instant
from gateway.domain.credit.data import Credit
from gateway.domain.forecast import OF_CREDIT, OF_PAYMENT, Examined, foresee
from gateway.domain.liquidity import Liquidity, LookDue
from gateway.domain.lot import Lot
from gateway.domain.payment.data import Payment
from gateway.domain.rulebook import LiquidityRule, Rulebook
from gateway.engine import codec
from gateway.ports import Message, Receiver, Target
from gateway.store.errors import StoreError
from gateway.store.interface import Reader, Store
from gateway.store.rows import NounRow

_log = structlog.get_logger(__name__)
_PAGE = 500
_SHOWN_EVERY_S = 10.0  # how old what metrics show may be


class LiquidityWatch:
    """Asks in a task of its own. `standing` is how the account stood when it was last read."""

    def __init__(
        self,
        store: Store,
        receiver: Receiver,
        rules: Rulebook,
        rule: LiquidityRule,
        *,
        clock: Callable[[], datetime],
        every_s: float,
    ) -> None:
        self._store, self._receiver, self._rules, self._rule = store, receiver, rules, rule
        self._clock, self._every_s = clock, every_s
        self.standing: Liquidity | None = None

    async def run(self) -> None:
        """Ask until cancelled; a store that is away is asked again."""
        while True:
            try:
                await self.look()
            except (StoreError, RefusedError) as error:
                _log.warning("account not asked about", reason=str(error))
            await asyncio.sleep(self._every_s)

    async def follow(self) -> None:
        """Keep `standing` until cancelled."""
        while True:
            try:
                self.standing = await read_standing(self._store, self._rule.account)
            except StoreError as error:
                _log.warning("account not read", reason=str(error))
            await asyncio.sleep(_SHOWN_EVERY_S)

    async def look(self) -> None:
        """Say once that it is time. Replicas asking in the same second say the same thing."""
        now = self._clock()
        until = now + self._rule.horizon
        forecast = await self._store.read(lambda reader: foresee(examined(reader, until), self._rules, now, until))
        event = LookDue(expected=forecast.expected, until=until, lines=forecast.lines)
        await self._receiver.receive(
            Message(
                source="liquidity",
                id=f"{self._rule.account}.{format_instant(now.replace(microsecond=0))}",
                target=Target(noun="liquidity", id=self._rule.account),
                event=event,
                digest="",
            )
        )


async def read_standing(store: Store, account: str) -> Liquidity | None:
    """How the account stands, as far as we were told; None before the first look."""
    row = await store.read(lambda reader: reader.noun("liquidity", account))
    return None if row is None else codec.decode(Liquidity, row.data)


def examined(reader: Reader, until: datetime) -> Iterator[tuple[str, Examined]]:
    """The nouns that may cost something by then: as many as are open, however many the store has."""
    for payment_state in OF_PAYMENT:
        for row in _in_state(reader, "payment", payment_state):
            yield row.id, codec.decode(Payment, row.data)
    for credit_state in OF_CREDIT:
        for row in _in_state(reader, "credit", credit_state):
            yield row.id, codec.decode(Credit, row.data)
    for row in _closing(reader, until):
        yield row.id, codec.decode(Lot, row.data)


def _in_state(reader: Reader, noun: str, state: str) -> Iterator[NounRow]:
    after = ""
    while rows := reader.list_nouns(noun, state=state, after=after, limit=_PAGE):
        after = rows[-1].id
        yield from rows


def _closing(reader: Reader, until: datetime) -> Iterator[NounRow]:
    after: NounRow | None = None
    while rows := reader.nouns_expected("lot", until=until, after=after, limit=_PAGE):
        after = rows[-1]
        yield from rows
