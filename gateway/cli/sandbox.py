"""`eherrac-gateway sandbox …`: a counterparty as a program of its own, with its own keys and sockets.

Keys are read from DIR/CODE (see `pki`). Each prints one JSON line when it is ready and runs until SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from cyclopts import App, Parameter
from pydantic import BaseModel

from certs.keystore import Credential
from gateway.cli.console import fail, say
from gateway.cli.serve import stop_signals
from gateway.cli.world import World, read_world
from gateway.domain.money import Money
from gateway.errors import OurFaultError
from gateway.keys import KeyFolder, WatchedKeys
from gateway.logs import set_up

if TYPE_CHECKING:
    from adapters.banks.sandbox.settings import BankSandboxSettings

app = App(name="sandbox", help="Run a counterparty: aos, azips, asan-pay, bank, ministry, platform.")

Keys = Annotated[Path, Parameter(name="--keys", help="Folder with a key folder per participant (see `pki`).")]
WorldFile = Annotated[
    Path | None, Parameter(name="--world", help="TOML file of the counterparties; the demonstration's without.")
]
_KEYS = Path("keys")
_LOOK_AT_KEYS_S = 60.0


class Sandbox(Protocol):
    """What every sandbox can do."""

    async def start(self) -> None: ...
    async def close(self) -> None: ...


@app.command
def aos(*, keys: Keys = _KEYS, world: WorldFile = None) -> None:
    """The central bank's instant payment system: orders, returns, limits, statements, by its rule book; and faults."""
    from adapters.aos.sandbox import AosSandbox, AosSandboxSettings, Fault, OperatingRules, Participant

    part, host = read_world(world).aos, read_world(world).host
    said, schedule = _in_qepik(part), {field.name for field in fields(OperatingRules)}
    settings = AosSandboxSettings(
        identity=identity(keys, "AOS"),
        participants=tuple(Participant(**_in_qepik(row)) for row in part.participants),
        rules=OperatingRules(**{name: said[name] for name in schedule}),
        host=host,
        port=part.port,
        envelope=part.envelope,
        azips_participant=part.azips_participant,
        state_file=part.state_file,
        faults=tuple(Fault(**_in_qepik(row)) for row in part.faults),
        revoked=identity(keys, part.revoked_keys)().credential if part.revoked_keys else None,
    )
    run("aos", lambda: AosSandbox(settings))


@app.command
def azips(*, keys: Keys = _KEYS, world: WorldFile = None, always: bool = False) -> None:
    """AZIPS, real-time gross settlement: correspondent accounts, queue, operating window.

    Parameters
    ----------
    always
        Take documents day and night, for a try outside 09:20-17:00 of business days.
    """
    from adapters.azips.sandbox import AzipsSandbox, AzipsSandboxSettings, Correspondent

    part, host = read_world(world).azips, read_world(world).host
    settings = AzipsSandboxSettings(
        identity=identity(keys, "AZIPS"),
        correspondents=tuple(
            Correspondent(bic=row.bic, code=row.code, url=row.url, opening_balance=row.opening_balance.minor)
            for row in part.correspondents
        ),
        host=host,
        port=part.port,
        aos_url=part.aos_url,
    )
    if always:
        open_always = replace(settings, opens=time.min, closes=time.max)
        run("azips", lambda: AzipsSandbox(open_always, is_business_day=lambda _: True))
    else:
        run("azips", lambda: AzipsSandbox(settings))


@app.command(name="asan-pay")
def asan_pay(*, keys: Keys = _KEYS, world: WorldFile = None) -> None:
    """Asan Pay: takes invoices, its payers pay by themselves, notifies the gateway."""
    from adapters.asan_pay.sandbox import AsanPaySandbox, AsanPaySandboxSettings

    everybody = read_world(world)
    settings = AsanPaySandboxSettings(
        identity=identity(keys, "ASANPAY"),
        host=everybody.host,
        port=everybody.asan_pay.port,
        gateway_url=everybody.gateway.url,
        pay_after_s=everybody.asan_pay.pay_after_s,
    )
    run("asan-pay", lambda: AsanPaySandbox(settings))


@app.command
def bank(
    code: str,
    *,
    keys: Keys = _KEYS,
    world: WorldFile = None,
    core_only: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """A bank: callback endpoint, core with accounts, AÖS participant; decides offers by its settings.

    Parameters
    ----------
    code
        Six-digit code of the bank in the world, 999101 (SOAP) or 999202 (REST).
    core_only
        Only its accounts and its side of AÖS: somebody else takes its notices and decides.
    """
    everybody = read_world(world)
    try:
        settings = replace(_bank_settings(everybody, code, identity(keys, code)), core_only=core_only)
    except KeyError:
        fail(f"no bank {code} in the world; there are {', '.join(part.code for part in everybody.banks)}")
    from adapters.banks.sandbox.program import BankSandbox

    run(f"bank {code}", lambda: BankSandbox(settings))


def _bank_settings(everybody: World, code: str, own: WatchedKeys) -> BankSandboxSettings:
    from adapters.banks.adapter import Transport
    from adapters.banks.sandbox.settings import BankSandboxSettings, Behaviour, CustomerAccount

    part = everybody.bank(code)
    return BankSandboxSettings(
        identity=own,
        code=part.code,
        bic=part.bic,
        iso_address=part.iso_address,
        transport=Transport(part.transport),
        accounts=tuple(
            CustomerAccount(iban=row.iban, holder=row.holder, balance=row.balance, tax_id=row.tax_id)
            for row in part.accounts
        ),
        host=everybody.host,
        port=part.port,
        iso_port=part.iso_port,
        gateway_url=everybody.gateway.url,
        aos_url=f"http://{everybody.host}:{everybody.aos.port}",
        aos_envelope=everybody.aos.envelope,
        decisions={lot: Behaviour(decision) for lot, decision in part.decisions.items()},
        payers=part.payers,
        decide_after_s=part.decide_after_s,
        decide_for_s=part.decide_for_s,
    )


@app.command
def ministry(
    code: str, *, keys: Keys = _KEYS, world: WorldFile = None, kafka: str | None = None, folder: Path | None = None
) -> None:
    """A ministry: reads its topic, verifies every protocol, answers with a signed receipt.

    Parameters
    ----------
    code
        ECONOMY, JUSTICE or INTERIOR.
    kafka
        Bootstrap servers, instead of the world's.
    folder
        Where received containers are kept.
    """
    from adapters.ministries.kafka import KafkaSettings
    from adapters.ministries.sandbox import MinistrySandbox, MinistrySandboxSettings

    settings = MinistrySandboxSettings(
        identity=identity(keys, code),
        kafka=KafkaSettings(bootstrap_servers=kafka or read_world(world).gateway.kafka, client_id=f"ministry-{code}"),
        folder=folder,
    )
    run(f"ministry {code}", lambda: MinistrySandbox(settings))


@app.command
def tsa(*, keys: Keys = _KEYS, host: str = "127.0.0.1", port: int = 0) -> None:
    """An authority of time (RFC 3161) with the keys in DIR/TSA, made by `pki issue-tsa`."""
    from adapters.timestamping.sandbox import TsaSandbox, TsaSandboxSettings

    folder = keys / "TSA"
    try:
        credential = Credential.from_pem((folder / "key.pem").read_bytes(), (folder / "chain.pem").read_bytes())
    except (OSError, ValueError) as error:
        fail(f"keys of the authority of time: {error}")
    run("tsa", lambda: TsaSandbox(TsaSandboxSettings(credential=credential, host=host, port=port)))


@app.command
def platform(*, keys: Keys = _KEYS, world: WorldFile = None, play: bool = True) -> None:
    """The auction platform: publishes the four lots of the demonstration and takes the gateway's notices.

    Parameters
    ----------
    play
        Play the scenario after the start; `--no-play` only listens.
    """
    from adapters.platform.sandbox import PlatformSandbox, PlatformSandboxSettings
    from adapters.platform.scenario import demo_scenario

    everybody = read_world(world)
    settings = PlatformSandboxSettings(
        identity=identity(keys, "EHERRAC"),
        host=everybody.host,
        port=everybody.platform.port,
        gateway_url=everybody.gateway.url,
    )
    sandbox = PlatformSandbox(settings)

    async def scenario() -> None:
        await sandbox.play(demo_scenario())

    run("platform", lambda: sandbox, afterwards=scenario if play else None)


def _in_qepik(part: BaseModel) -> dict[str, Any]:
    """A part's fields by name, amounts as integers."""
    said = {name: getattr(part, name) for name in type(part).model_fields}
    if "amounts" in said:
        said["amounts"] = frozenset(amount.minor for amount in said["amounts"])
    return {name: value.minor if isinstance(value, Money) else value for name, value in said.items()}


def identity(keys: Path, code: str) -> WatchedKeys:
    """The keys of a participant, followed while it runs; ends the program if they are not there."""
    try:
        return WatchedKeys(KeyFolder(directory=keys / code), reload_s=_LOOK_AT_KEYS_S)
    except OurFaultError as error:
        fail(f"{error}\n  make them with: eherrac-gateway pki init --dir {keys}; pki issue {code} NAME --dir {keys}")


def run(name: str, make: Callable[[], Sandbox], afterwards: Callable[[], Awaitable[None]] | None = None) -> None:
    """Start a sandbox, say so, do what is to be done afterwards, stop at SIGTERM."""
    set_up("WARNING", json_lines=True)

    async def program() -> None:
        stop, sandbox = stop_signals(), make()
        try:
            await sandbox.start()
        except OSError as error:
            fail(f"sandbox {name} cannot start: {error}", 1)
        say(json.dumps({"ready": True, "sandbox": name, "address": getattr(sandbox, "address", None)}))
        try:
            await _until(stop, afterwards)
        finally:
            await sandbox.close()

    asyncio.run(program())


async def _until(stop: asyncio.Event, afterwards: Callable[[], Awaitable[None]] | None) -> None:
    """Wait to be stopped; what is done meanwhile may end, but if it fails the program ends with it."""
    stopping = asyncio.ensure_future(stop.wait())
    playing = asyncio.ensure_future(afterwards()) if afterwards else stopping
    await asyncio.wait({stopping, playing}, return_when=asyncio.FIRST_COMPLETED)
    if playing.done():
        await playing
        await stopping
    playing.cancel()
