"""The town with its neighbours at work: AÖS, Asan Pay, both banks, the ministries and the platform in this process."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ports import free_port
from town import Town, world_keys
from waiting import PATIENCE_S, until

from adapters.aos.delivery import DeliverySettings
from adapters.aos.faults import Fault
from adapters.aos.sandbox import AosSandbox, AosSandboxSettings, OperatingRules, Participant
from adapters.asan_pay.sandbox import AsanPaySandbox, AsanPaySandboxSettings
from adapters.banks.adapter import Transport
from adapters.banks.sandbox.program import BankSandbox
from adapters.banks.sandbox.settings import BankSandboxSettings, Behaviour, CustomerAccount
from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.sandbox import Answering, MinistrySandbox, MinistrySandboxSettings
from adapters.platform.sandbox import NOTICES_PATH, PlatformSandbox, PlatformSandboxSettings
from gateway.cli.world import BankPart, read_world
from gateway.domain.nouns import TABLES
from gateway.engine import codec
from gateway.engine.journal import first_break
from gateway.store.interface import Reader
from gateway.store.rows import JournalRow

OWN_BIC = "EHRNAZ22"
PAYER_IBAN = "AZ85XZRN38010000000000090001"  # of bank 999101, with enough money
QUICK = {
    "EHERRAC__AOS__ANSWER_TIMEOUT_S": "1",
    "EHERRAC__AOS__ENQUIRY_INTERVAL_S": "1",
    "EHERRAC__DISPATCHER__RETRY_S": "[0.2, 0.2, 0.5, 0.5, 1, 1, 2, 2, 5]",
    "EHERRAC__DISPATCHER__POLL_S": "0.05",
}


class City(Town):
    """A town whose neighbours answer. Faults are said at the opening, or set on the sandboxes later."""

    aos: AosSandbox
    asan_pay: AsanPaySandbox
    platform: PlatformSandbox
    operating: dict[str, Any] = {  # AÖS waits longer for an agent than any test for AÖS: a slow machine is no silence
        "confirmation_interval_s": PATIENCE_S + 30,
        "request_interval_s": PATIENCE_S + 30,
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.world = read_world(None)
        self.banks: dict[str, BankSandbox] = {}
        self.ministries: dict[str, MinistrySandbox] = {}
        self._started: list[Any] = []

    async def open(
        self,
        *,
        faults: Iterable[Fault] = (),
        aos_is_up: bool = True,
        answering: dict[str, Answering] | None = None,
        decisions: dict[str, Behaviour] | None = None,
        payers: dict[str, str] | None = None,
        publish_again_max_s: float = 10.0,
        publish_timeout_s: float = 2.0,
        accounts: Mapping[str, Mapping[str, Any]] | None = None,
        **overrides: str,
    ) -> City:
        if not (self.folder / "keys").exists():
            shutil.copytree(world_keys(), self.folder / "keys")
        for part in self.world.banks:
            self.banks[part.code] = await self._start(
                self._bank(part, {} if decisions is None else decisions, {} if payers is None else payers)
            )
        self.asan_pay = await self._start(
            AsanPaySandbox(
                AsanPaySandboxSettings(
                    identity=self.keys("ASANPAY"), pay_after_s=0.05, notify_again_s=0.1, notify_again_max_s=2.0
                ),
                clock=self.now,
            )
        )
        self.platform = await self._start(
            PlatformSandbox(
                PlatformSandboxSettings(
                    identity=self.keys("EHERRAC"),
                    publish_again_max_s=publish_again_max_s,
                    timeout_s=publish_timeout_s,
                ),
                clock=self.now,
            )
        )
        self.aos = self._aos(tuple(faults), accounts or {})
        if aos_is_up:
            await self.start_aos()
        await super().open(**QUICK | self._addresses() | overrides)
        self._connect()
        for part in self.world.ministries:
            how = (answering or {}).get(part.code, Answering.ONCE)
            self.ministries[part.code] = await self._start(self._ministry(part.code, how))
        return self

    async def close(self) -> None:
        for sandbox in reversed(self._started):
            await sandbox.close()
        await super().close()

    async def start_aos(self) -> None:
        """AÖS comes up on the port the gateway was told."""
        await self._start(self.aos)

    async def _start(self, sandbox: Any) -> Any:
        await sandbox.start()
        self._started.append(sandbox)
        return sandbox

    def _bank(self, part: BankPart, decisions: dict[str, Behaviour], payers: dict[str, str]) -> BankSandbox:
        settings = BankSandboxSettings(
            identity=self.keys(part.code),
            code=part.code,
            bic=part.bic,
            iso_address=part.iso_address,
            transport=Transport(part.transport),
            accounts=tuple(
                CustomerAccount(iban=row.iban, holder=row.holder, balance=row.balance, tax_id=row.tax_id)
                for row in part.accounts
            ),
            decisions=decisions,
            payers=payers,
            decide_after_s=0.05,
        )
        return BankSandbox(settings, clock=self.now)

    def _aos(self, faults: tuple[Fault, ...], accounts: Mapping[str, Mapping[str, Any]]) -> AosSandbox:
        self._aos_port = free_port()
        participants = tuple(
            Participant(
                bic=row.bic,
                code=row.code,
                name=row.name,
                clearing_account=row.clearing_account,
                opening_balance=row.opening_balance.minor,
            )
            for row in self.world.aos.participants
        )
        settings = AosSandboxSettings(
            identity=self.keys("AOS"),
            participants=tuple(replace(row, **accounts.get(row.bic, {})) for row in participants),
            rules=OperatingRules(max_amount=self.world.aos.max_amount.minor, **self.operating),
            port=self._aos_port,
            delivery=DeliverySettings(first_pause_s=0.1),
            faults=faults,
        )
        return AosSandbox(settings, clock=self.now)

    def _ministry(self, code: str, answering: Answering) -> MinistrySandbox:
        settings = MinistrySandboxSettings(
            identity=self.keys(code),
            kafka=KafkaSettings(bootstrap_servers=self.system.kafka, client_id=f"ministry-{code}"),
            folder=self.folder / "received" / code,
            answering=answering,
        )
        return MinistrySandbox(settings, clock=self.now)

    def _addresses(self) -> dict[str, str]:
        banks = {
            f"EHERRAC__BANKS__{number}__CALLBACK_URL": self.banks[part.code].callback_url
            for number, part in enumerate(self.world.banks)
        }
        return banks | {
            "EHERRAC__AOS__URL": f"http://127.0.0.1:{self._aos_port}",
            "EHERRAC__ASAN_PAY__URL": self.asan_pay.address,
            "EHERRAC__PLATFORM__CALLBACK_URL": self.platform.address + NOTICES_PATH,
        }

    def _connect(self) -> None:
        self.aos.connect(OWN_BIC, self.system.address)
        self.asan_pay.connect(self.system.address)
        self.platform.connect(self.system.address)
        for part in self.world.banks:
            bank = self.banks[part.code]
            bank.connect(self.system.address, f"http://127.0.0.1:{self._aos_port}")
            self.aos.connect(part.bic, bank.rail_address)

    # -- looking ------------------------------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], Awaitable[bool] | bool]) -> None:
        """Wait until it is so; with the lots' story where it does not become so."""
        try:
            await until(condition)
        except TimeoutError:
            raise AssertionError(f"it did not become so; {await self.states()}") from None

    async def until_quiet(self) -> None:
        """Nothing but timers and what waits for a person is in the outbox."""

        async def quiet() -> bool:
            rows = await self.system.store.read(lambda reader: reader.list_outbox(parked=False, limit=1000))
            return all(row.channel == "timer" for row in rows)

        await self.until(quiet)

    async def states(self) -> dict[str, str]:
        rows = [row for noun in TABLES for row in await self.system.store.read(lambda r, noun=noun: r.list_nouns(noun))]
        return {f"{row.noun} {row.id}": row.state for row in rows}

    async def data(self, noun: str, id: str) -> Any:
        """The noun itself."""
        row = await self.noun(noun, id)
        return codec.decode(TABLES[noun].data, row.data)

    async def journal(self, noun: str, id: str) -> list[JournalRow]:
        return await self.system.store.read(lambda reader: reader.journal_of(noun, id))

    async def events(self, noun: str, id: str) -> list[str]:
        """Names of what happened to it, in order, deliveries left out."""
        return [line.event for line in await self.journal(noun, id) if not line.event.startswith("Delivery")]

    async def deliveries(self, noun: str, id: str, event: str) -> list[JournalRow]:
        """The journal lines of this fate of deliveries."""
        return [line for line in await self.journal(noun, id) if line.event == event]

    async def assert_chains_hold(self) -> None:
        """Each chain is read with its noun at one moment: things may still be happening."""

        def broken(reader: Reader) -> list[str]:
            rows = [row for name in TABLES for row in reader.list_nouns(name)]
            return [row.id for row in rows if first_break(reader.journal_of(row.noun, row.id), row) is not None]

        assert await self.system.store.read(broken) == []
