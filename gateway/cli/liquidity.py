"""`liquidity`: how our account in AÖS stands, and what is foreseen on it."""

from __future__ import annotations

from gateway.cli.console import fail, say
from gateway.cli.settings import ConfigPath, load
from gateway.cli.show import with_store
from gateway.domain.clock import BAKU
from gateway.domain.forecast import ForecastLine
from gateway.domain.money import ZERO
from gateway.engine.liquidity import read_standing
from gateway.store import Store


def liquidity(*, config: ConfigPath = None) -> None:
    """What our account in AÖS has, what is expected to leave it and why."""
    settings = load(config).liquidity
    if settings is None:
        fail("the configuration names no account: add [liquidity] account")

    async def work(store: Store) -> None:
        standing = await read_standing(store, settings.account)
        if standing is None:
            fail(f"{settings.account} was not asked about yet", 1)
        wanted = standing.expected + settings.reserve
        missing = wanted - standing.available if wanted.minor > standing.available.minor else ZERO
        say(f"{settings.account}  {standing.state}")
        say(f"  available {standing.available}  limit {standing.limit}")
        until = "-" if standing.until is None else f"{standing.until.astimezone(BAKU):%Y-%m-%d %H:%M}"
        say(f"  expected {standing.expected} until {until}, reserve {settings.reserve}, missing {missing}")
        for line in standing.lines:
            say(f"    {_told(line)}")

    with_store(config, work)


def _told(line: ForecastLine) -> str:
    named = ", ".join(line.examples)
    return f"{line.source:<10} {line.rail:<5} {line.count:>4} x {line.amount!s:>14}  {named}"
