"""The watch over our account in AÖS, in the whole gateway: raised before the money is wanted (AOS-L1…L6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
import pytest_asyncio
from city import OWN_BIC, City
from ports import free_port
from town import Town
from waiting import until

from adapters.aos.central.orders import OrderState
from adapters.azips.sandbox import AzipsSandbox, AzipsSandboxSettings, Correspondent
from gateway.cli.liquidity import liquidity as told
from gateway.config import build_rulebook
from gateway.engine.liquidity import LiquidityWatch

ACCOUNT, SETTLEMENT = "AZ46EHRN10100000000000000001", "AZ80NABZ00000000000000006101"
REFUND = {"holder": "B (nümunə)", "iban": "AZ69GNSN38010000000000020202", "bic": "GNSNAZ22"}
WATCHED = {
    "EHERRAC__LIQUIDITY__ACCOUNT": ACCOUNT,
    "EHERRAC__LIQUIDITY__SETTLEMENT_ACCOUNT": SETTLEMENT,
    "EHERRAC__LIQUIDITY__RESERVE": "100.00",
    "EHERRAC__LIQUIDITY__STEP": "500.00",
}


async def test_the_account_is_asked_about_at_the_start_and_the_question_is_under_way(tmp_path: Path) -> None:
    town = await Town(tmp_path).open(**WATCHED)
    try:
        await until(lambda: town.noun("liquidity", ACCOUNT))
        row = await town.noun("liquidity", ACCOUNT)
        assert orjson.loads(row.data)["expected"]["minor"] == 0
        (query,) = await town.system.store.read(lambda reader: reader.outbox_of("liquidity", ACCOUNT))
        assert (query.channel, query.body_type) == ("aos", "StandingQuery")
    finally:
        await town.close()


@pytest_asyncio.fixture
async def city(tmp_path: Path) -> AsyncIterator[City]:
    city = City(tmp_path)
    yield city
    await city.close()


async def auction_within(city: City, time: timedelta, bidders: int = 3) -> None:
    """A lot whose auction is near, with deposits of 1 000.00 each, collected."""
    await city.announce(auctionAt=(city.now() + time).isoformat())
    for id in (f"B{number}" for number in range(bidders)):
        bidder = {"bidderId": id, "name": f"{id} (nümunə)", "taxId": "1NUMUN1", "depositForm": "money"}
        assert (await city.publish("bidder.registered", "L1", bidder | {"refundAccount": REFUND})).status == 202
    for number in range(bidders):
        await city.until_state("collection", f"L1.deposit.B{number}", "paid")


async def look(city: City) -> None:
    """It is time to ask again. The journal's ids go by the second: a second later than the look at the start."""
    rules = build_rulebook(city.config)
    assert rules.liquidity is not None
    city.offset += timedelta(seconds=2)
    system = city.system
    await LiquidityWatch(system.store, system.engine, rules, rules.liquidity, clock=city.now, every_s=900).look()


async def available(city: City, least: int) -> None:
    """Wait until we were told of at least so much, in qəpik."""

    async def enough() -> bool:
        return bool((await city.data("liquidity", ACCOUNT)).available.minor >= least)

    await city.until(enough)


async def test_an_auction_that_closes_within_the_hour_raises_the_limit_before_its_refunds(city: City) -> None:
    """AOS-L3, EHR-10: 600.00 do not carry three deposits of 1 000.00; camt.011 asks for what is missing, in steps."""
    await city.open(accounts={OWN_BIC: {"opening_balance": 60_000}}, **WATCHED, EHERRAC__LIQUIDITY__POLICY="camt.011")
    await auction_within(city, timedelta(minutes=50))
    await look(city)
    await available(city, 310_000)
    assert city.aos.system.ledger.limit(ACCOUNT) == 250_000
    assert city.aos.system.orders == {}  # nothing was sent yet
    events = await city.events("liquidity", ACCOUNT)
    assert events.index("RaiseWanted") < len(events) - 1
    (line,) = (await city.data("liquidity", ACCOUNT)).lines
    assert (line.source, line.count, line.amount.minor, line.examples) == ("auction", 3, 300_000, ("L1",))

    await city.unsold()
    for number in range(3):
        await city.until_state("collection", f"L1.deposit.B{number}", "refunded")
    states = [order.state for order in city.aos.system.orders.values() if order.payer_bic == OWN_BIC]
    assert states == [OrderState.SETTLED] * 3
    await city.until_quiet()
    await city.assert_chains_hold()


async def test_by_the_other_policy_azips_raises_the_limit_before_the_refunds(city: City) -> None:
    """AOS-L1: MT205 raises the settlement account's limit, which is what is short here."""
    port = free_port()
    row = {
        "opening_balance": 0,
        "debit_limit": 1_000_000,
        "settlement_account": SETTLEMENT,
        "settlement_limit": 60_000,
    }
    azips_url = {"EHERRAC__AZIPS__URL": f"http://127.0.0.1:{port}"}
    await city.open(accounts={OWN_BIC: row}, **WATCHED, **azips_url, EHERRAC__LIQUIDITY__POLICY="mt205")
    correspondent = Correspondent(bic=OWN_BIC, code="GATEWAY", url=city.system.address, opening_balance=1_000_000)
    azips = AzipsSandbox(
        AzipsSandboxSettings(
            identity=city.keys("AZIPS"), correspondents=(correspondent,), port=port, aos_url=city.aos.address
        ),
        clock=city.now,
    )
    await azips.start()
    try:
        await auction_within(city, timedelta(minutes=50))
        await look(city)
        await available(city, 310_000)
        assert city.aos.system.ledger.limit(SETTLEMENT) == azips.limits[SETTLEMENT] + 60_000 == 310_000
        assert city.aos.system.orders == {}
        await city.unsold()
        for number in range(3):
            await city.until_state("collection", f"L1.deposit.B{number}", "refunded")
    finally:
        await azips.close()


async def test_an_auction_beyond_the_horizon_raises_nothing(city: City) -> None:
    await city.open(accounts={OWN_BIC: {"opening_balance": 60_000}}, **WATCHED, EHERRAC__LIQUIDITY__POLICY="camt.011")
    await auction_within(city, timedelta(minutes=70))
    await look(city)
    await city.until_quiet()
    assert (await city.data("liquidity", ACCOUNT)).expected.minor == 0
    assert city.aos.system.ledger.limit(ACCOUNT) == 0


async def test_by_a_persons_policy_the_shortage_is_an_alarm_and_shown(
    city: City, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line tells what is missing and why."""
    await city.open(accounts={OWN_BIC: {"opening_balance": 60_000}}, **WATCHED)
    await auction_within(city, timedelta(minutes=50))
    await look(city)
    await city.until_state("liquidity", ACCOUNT, "short")
    for name, value in (WATCHED | {"EHERRAC__STORE__URL": f"sqlite:///{city.folder / 'eherrac.db'}"}).items():
        monkeypatch.setenv(name, value)
    await asyncio.to_thread(told, config=city.folder / "gateway.toml")
    shown = capsys.readouterr().out
    assert "missing 2500.00" in shown
    assert "auction" in shown
    assert "L1" in shown
    assert city.aos.system.ledger.limit(ACCOUNT) == 0
