"""What the benches share that play the engine in their own process, without a network."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from datetime import timedelta
from typing import Protocol

from bench.auctioneer import now
from gateway.config import Config
from gateway.domain.events import lot as lots
from gateway.domain.money import Money
from gateway.domain.table import Event
from gateway.domain.values import Regime
from gateway.engine.dispatcher import Dispatcher
from gateway.engine.engine import Engine
from gateway.ports import Adapter

BANK, PLATFORM = "999101", "EHERRAC"


class Teller(Protocol):
    """Tells the engine a verified statement."""

    def __call__(self, noun: str, id: str, event: Event, *, source: str) -> Awaitable[None]: ...


async def unsold(tell: Teller, number: int) -> None:
    """A lot that the platform announces, and that nobody buys."""
    lot = f"BENCH-{number:06d}"
    announced = lots.Announced(
        regime=Regime.ENFORCEMENT,
        title="Qeyri-yaşayış sahəsi (nümunə)",
        address="Gəncə şəhəri, Nümunə prospekti 3",
        claimant=BANK,
        starting_price=Money.parse("12000.00"),
        auction_at=now() + timedelta(seconds=1),
        case_number=f"5-{number}/2026",
    )
    await tell("lot", lot, announced, source=PLATFORM)
    closed = lots.AuctionUnsold(held_at=now(), reason="Heç kim iştirak etmədi")
    await tell("lot", lot, closed, source=PLATFORM)


def dispatching(engine: Engine, adapters: Mapping[str, Adapter], config: Config) -> Dispatcher:
    """A dispatcher as `serve` has it, attached to the engine."""
    settings = config.dispatcher
    dispatcher = Dispatcher(
        engine,
        adapters,
        clock=now,
        worker="bench",
        concurrency=settings.concurrency_per_recipient,
        poll_s=settings.poll_s,
    )
    engine.attach(dispatcher)
    return dispatcher
