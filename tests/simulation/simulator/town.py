"""Who stands around the gateway: the sandboxes that ship with the product, and what each does in this run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from tests_house import BANK_ACCOUNT, BIDDER_ACCOUNT, RULES

from adapters.aos.central.participants import Participant
from adapters.aos.faults import Fault, FaultKind
from adapters.aos.sandbox import AosSandbox, AosSandboxSettings
from adapters.asan_pay.sandbox import AsanPaySandbox, AsanPaySandboxSettings, Payers
from adapters.banks.adapter import Transport
from adapters.banks.sandbox.program import BankSandbox
from adapters.banks.sandbox.settings import BankSandboxSettings, Behaviour, CallbackFault, CustomerAccount
from adapters.ministries.sandbox import MinistrySandbox, MinistrySandboxSettings
from adapters.platform.sandbox import PlatformSandbox, PlatformSandboxSettings, PublicationRefused
from contracts.events.platform import PlatformEvent, read_event
from gateway.domain.money import Money
from simulator.gateway import KAFKA, RECEIPTS
from simulator.loop import Process
from simulator.unsigned import identity

OPENING_MINOR = 50_000_000
PRICES = ("100.00", "5000.00", "39999.99", "40000.00", "40000.01", "0.10")
PAYING, NEVER_PAYING = "1NUMUN1", "2NUMUN2"
_ACCOUNTS = {"999101": BANK_ACCOUNT, "999202": BIDDER_ACCOUNT}


@dataclass(slots=True, kw_only=True)
class Town:
    """Everybody, started."""

    aos: AosSandbox
    asan_pay: AsanPaySandbox
    platform: PlatformSandbox
    banks: dict[str, BankSandbox]
    ministries: dict[str, MinistrySandbox]
    playing: list[asyncio.Task[None]]


async def found(random: Random, clock: Callable[[], datetime], lots: int, fault_s: float) -> Town:
    """Start everybody, each in a process of its own, and let the platform begin with its lots."""
    town = Town(
        aos=_aos(random, clock),
        asan_pay=_asan_pay(random, clock),
        platform=PlatformSandbox(PlatformSandboxSettings(identity=_as("EHERRAC")), clock=clock),
        banks={code: _bank(code, random, clock) for code in RULES.banks},
        ministries={code: _ministry(code, clock) for code in RULES.authorities},
        playing=[],
    )
    programs = {"AOS": town.aos, "ASANPAY": town.asan_pay, "EHERRAC": town.platform, **town.banks, **town.ministries}
    for name, program in programs.items():
        process = Process(name)
        await process.spawn(program.start())
    _connect(town)
    platform = Process("EHERRAC")
    for number in range(lots):
        play = _Play(town.platform, f"L{number}", Random(random.random()), clock, fault_s)
        town.playing.append(platform.spawn(play.run()))
    return town


def _connect(town: Town) -> None:
    town.aos.connect(RULES.rail.own_bic, "http://gateway")
    town.asan_pay.connect("http://gateway")
    town.platform.connect("http://gateway")
    for code, bank in town.banks.items():
        bank.connect("http://gateway", "http://aos")
        town.aos.connect(RULES.banks[code], bank.rail_address)


def _as(participant: str) -> Callable[[], Any]:
    who = identity(participant)
    return lambda: who


def _aos(random: Random, clock: Callable[[], datetime]) -> AosSandbox:
    rows = [(RULES.rail.own_bic, "GATEWAY"), *((bic, code) for code, bic in RULES.banks.items())]
    participants = tuple(
        Participant(bic=bic, code=code, name=code, clearing_account=f"C-{bic}", opening_balance=OPENING_MINOR, url=None)
        for bic, code in rows
    )
    kinds = (FaultKind.SILENCE, FaultKind.LATE, FaultKind.OUT_OF_ORDER, FaultKind.TWICE, FaultKind.UNKNOWN_MESSAGE)
    ibans = frozenset({BIDDER_ACCOUNT.iban, BANK_ACCOUNT.iban})
    chosen = random.sample(kinds, random.choice((0, 0, 0, 1, 2)))
    faults = tuple(Fault(kind=kind, ibans=ibans, delay_s=random.uniform(1, 60)) for kind in chosen)
    settings = AosSandboxSettings(identity=_as("AOS"), participants=participants, faults=faults)
    return AosSandbox(settings, clock=clock)


def _asan_pay(random: Random, clock: Callable[[], datetime]) -> AsanPaySandbox:
    return AsanPaySandbox(
        AsanPaySandboxSettings(
            identity=_as("ASANPAY"),
            payers=Payers.LISTED,
            paying_tax_ids=frozenset({PAYING}),
            pay_after_s=random.choice((0.0, 0.5, 20.0)),
            notify_times=random.choice((1, 1, 2)),
        ),
        clock=clock,
    )


def _bank(code: str, random: Random, clock: Callable[[], datetime]) -> BankSandbox:
    account = _ACCOUNTS[code]
    rich = CustomerAccount(iban=account.iban, holder=account.holder, balance=Money(OPENING_MINOR))
    poor = CustomerAccount(iban=account.iban, holder=account.holder, balance=Money(50))
    settings = BankSandboxSettings(
        identity=_as(code),
        code=code,
        bic=RULES.banks[code],
        iso_address=f"{RULES.banks[code]}XXXX",
        transport=Transport.REST,
        accounts=(poor if random.random() < 0.1 else rich,),
        otherwise=random.choice((Behaviour.ACCEPT, Behaviour.ACCEPT, Behaviour.ACCEPT, Behaviour.REFUSE)),
        decide_after_s=random.choice((0.0, 0.3, 30.0)),
        silent_for=frozenset({account.iban}) if random.random() < 0.08 else frozenset(),
    )
    return BankSandbox(settings, clock=clock)


def _ministry(code: str, clock: Callable[[], datetime]) -> MinistrySandbox:
    settings = MinistrySandboxSettings(identity=_as(code), kafka=KAFKA, topic=code.lower(), receipts=RECEIPTS)
    return MinistrySandbox(settings, clock=clock)


def moody(town: Town, random: Random) -> Callable[[], None]:
    """Put one recipient of callbacks out of sorts; what puts it right again."""
    code = random.choice([*town.banks, "EHERRAC"])
    if code == "EHERRAC":
        town.platform.answer_next.extend(random.choice((503, 500, 400, 410)) for _ in range(random.randrange(1, 8)))
        return town.platform.answer_next.clear
    callbacks = town.banks[code].callbacks
    callbacks.fault = random.choice((CallbackFault.BUSY, CallbackFault.REFUSING))

    def right() -> None:
        callbacks.fault = CallbackFault.NONE

    return right


class _Play:
    """What the platform does with one lot: announce, register, close; it never knows what goes wrong elsewhere."""

    def __init__(
        self, platform: PlatformSandbox, lot: str, random: Random, clock: Callable[[], datetime], fault_s: float
    ) -> None:
        self._platform, self._lot, self._random, self._clock = platform, lot, random, clock
        self._patience_s, self._number, self._start = fault_s / 2, 0, PRICES[0]

    async def run(self) -> None:
        random = self._random
        await asyncio.sleep(random.uniform(0, 5))
        regime, self._start = random.choice(("enforcement", "mortgage", "voluntary")), random.choice(PRICES)
        await self._say(
            "az.eherrac.lot.announced.v1",
            title="Mənzil",
            address="Bakı",
            regime=regime,
            claimant="999101",
            startingPrice=self._start,
            auctionAt=(self._clock() + timedelta(days=1)).isoformat(),
            caseNumber="5-1/2026" if regime == "enforcement" else None,
        )
        bidders = [await self._bidder(number) for number in range(random.choice((0, 0, 1, 1, 2)))]
        await self._close([bidder for bidder in bidders if bidder is not None])

    async def _bidder(self, number: int) -> str | None:
        """Registered; its id, if it has secured its place in time."""
        random, id = self._random, f"B{number}"
        money = random.random() < 0.8
        form: dict[str, Any] = {"depositForm": "guarantee", "guarantor": "999202", "guaranteeReference": f"G-{number}"}
        if money:
            account = {"holder": BIDDER_ACCOUNT.holder, "iban": BIDDER_ACCOUNT.iban, "bic": BIDDER_ACCOUNT.bic}
            form = {"depositForm": "money", "refundAccount": account}
        paying = random.random() < 0.85
        tax_id = PAYING if paying else NEVER_PAYING
        await self._say("az.eherrac.bidder.registered.v1", bidderId=id, name=f"Alıcı {number}", taxId=tax_id, **form)
        try:
            async with asyncio.timeout(self._patience_s):
                if money:
                    await self._platform.wait_for("collection.state", f"{self._lot}.deposit.{id}", "paid")
                await self._platform.wait_for("collection.state", f"{self._lot}.participation-fee.{id}", "paid")
        except TimeoutError:
            return None
        return id

    async def _close(self, admitted: list[str]) -> None:
        random, closed = self._random, "az.eherrac.auction.closed.v1"
        if random.random() < 0.1:
            await self._say("az.eherrac.auction.cancelled.v1", reason="ləğv")
        elif admitted and random.random() < 0.6:
            price = max(random.choice(PRICES[:4]), self._start, key=float)
            await self._say(closed, result="sold", heldAt=self._clock().isoformat(), winnerId=admitted[0], price=price)
        else:
            await self._say(closed, result="unsold", heldAt=self._clock().isoformat(), reason="heç kim")

    async def _say(self, type: str, **data: Any) -> None:
        said = await self._platform.publish(self._event(type, data))
        if isinstance(said, PublicationRefused):
            raise AssertionError(f"the gateway refused what is by the rules: {said}")

    def _event(self, type: str, data: dict[str, Any]) -> PlatformEvent:
        self._number += 1
        return read_event(
            {
                "specversion": "1.0",
                "id": f"{self._lot}-{self._number:02d}",
                "source": "EHERRAC",
                "type": type,
                "time": self._clock().isoformat(),
                "subject": self._lot,
                "datacontenttype": "application/json",
                "data": {name: value for name, value in data.items() if value is not None},
            }
        )
