"""`eherrac-gateway demo`: four lots at once, every message over a real socket with a real signature.

Ten programs: the gateway with its embedded broker, AÖS, Asan Pay, two banks, three ministries, the auction platform,
and this one, which only watches. It ends with the counts, and with 0 only if they are what the scenario says.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from gateway.cli.console import fail, say
from gateway.cli.outcome import EXPECTED, LOTS, Picture, broken_chains, picture, write_documents
from gateway.cli.pki import renew_lists
from gateway.cli.serve import stop_signals
from gateway.cli.stage import PARTICIPANTS, Stage, StageError, Troupe, build_stage
from gateway.config import load_config
from gateway.keys import KeyFolder
from gateway.store import Reader, Store, open_store
from gateway.store.rows import JournalRow
from gateway.timeline import Language, line

_LOOK_S = 0.1
_RENEW_LISTS_S = 3600.0
_MINISTRIES = ("ECONOMY", "JUSTICE", "INTERIOR")
Played = Literal["999101", "999202", "ECONOMY", "JUSTICE", "INTERIOR"]
_QUIET = ("DeliveryAcknowledged", "DeliveryTakenOver")


def demo(
    *,
    out: Path = Path("demo-out"),
    keep: bool = False,
    verbose: bool = False,
    language: Annotated[Language, Parameter(help="Language of the timeline.")] = "az",
    timeout_s: float = 60.0,
    folder: Path | None = None,
    yours: Played | None = None,
) -> None:
    """Play the demonstration.

    Settings of the gateway may be given in the environment, for example EHERRAC__STORE__URL=postgresql://… and
    EHERRAC__KAFKA__BOOTSTRAP=host:9092, to play it on PostgreSQL and Apache Kafka.

    Parameters
    ----------
    out
        Where protocols (PDF and ASiC-E) are written.
    keep
        Leave everything running afterwards, with the addresses printed, until interrupted.
    verbose
        Show every acknowledged delivery too.
    timeout_s
        How long to wait for the outcome, seconds.
    folder
        Working folder for keys, configuration, database and logs; a temporary one without.
    yours
        The bank or ministry that you play. A bank's notices go where your program listens, its offers wait for your
        decision; the sandbox keeps only its accounts and its side of AÖS. A ministry's protocols wait in its topic for
        your receipt. Everything stays running until interrupted.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="eherrac-demo-") as temporary:
        stage = build_stage((folder or Path(temporary) / "stage").resolve())
        wishes = _Wishes(
            out=out,
            keep=keep,
            verbose=verbose,
            language=language,
            timeout_s=timeout_s,
            started=started,
            yours=yours,
        )
        status = asyncio.run(_Demo(stage, wishes).run())
    if status:
        raise SystemExit(status)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wishes:
    out: Path
    keep: bool
    verbose: bool
    language: str
    timeout_s: float
    started: float  # of the monotonic clock
    yours: Played | None = None


class _Demo:
    def __init__(self, stage: Stage, wishes: _Wishes) -> None:
        self._stage, self._wishes = stage, wishes
        self._playing_since = wishes.started
        self._troupe = Troupe(stage)
        self._last_seq = dict.fromkeys(LOTS, 0)

    async def run(self) -> int:
        try:
            addresses = await self._raise_curtain()
            store = await open_store(load_config(self._stage.config, os.environ).store.url)
            try:
                return await self._watch(store, addresses)
            finally:
                await store.close()
        except StageError as error:
            fail(str(error), 1)
        finally:
            await self._troupe.stop()

    async def _raise_curtain(self) -> dict[str, str]:
        """Start everybody; the platform last, because it begins to play."""
        keys, world = str(self._stage.keys), str(self._stage.world)
        common = ("--keys", keys, "--world", world)
        start = self._troupe.start
        gateway, aos, asan_pay, soap_bank, rest_bank = await asyncio.gather(
            start("gateway", "serve", "--config", str(self._stage.config)),
            start("aos", "sandbox", "aos", *common),
            start("asan-pay", "sandbox", "asan-pay", *common),
            start("bank-999101", "sandbox", "bank", "999101", *common, *self._core_only("999101")),
            start("bank-999202", "sandbox", "bank", "999202", *common, *self._core_only("999202")),
        )
        ministries = await asyncio.gather(
            *(
                start(f"ministry-{code}", "sandbox", "ministry", code, *common, "--kafka", gateway["kafka"])
                for code in _MINISTRIES
                if code != self._wishes.yours
            )
        )
        self._playing_since = time.monotonic()
        platform = await start("platform", "sandbox", "platform", *common)
        parts = (aos, asan_pay, soap_bank, rest_bank, *ministries, platform)
        own = {"gateway": gateway["http"], "kafka": gateway["kafka"], "console": gateway["console"] or "not served"}
        return own | {part["sandbox"]: part["address"] for part in parts}

    def _core_only(self, code: str) -> tuple[str, ...]:
        return ("--core-only",) if self._wishes.yours == code else ()

    async def _watch(self, store: Store, addresses: dict[str, str]) -> int:
        say(f"{len(PARTICIPANTS)} participants, gateway at {addresses['gateway']}, broker at {addresses['kafka']}")
        if self._wishes.yours is not None:
            return await self._beside_you(store, addresses, self._wishes.yours)
        seen = await self._until_complete(store)
        status = await self._close(store, seen)
        if self._wishes.keep:
            self._say_where(addresses)
            await self._renew_lists_until(stop_signals())
        return status

    def _say_where(self, addresses: dict[str, str]) -> None:
        for name, address in addresses.items():
            say(f"  {name:<20} {address}")
        link = f"eherrac-gateway console link --person NAME --role operator --config {self._stage.config}"
        say(f"  sign in to console   {link}")
        say(f"  configuration        {self._stage.config}\nrunning until interrupted (Ctrl+C)")

    async def _beside_you(self, store: Store, addresses: dict[str, str], code: str) -> int:
        """Show what happens, to whose end there is no hurry: one of all these is a program of somebody else's."""
        config = load_config(self._stage.config, os.environ)
        places = {f"bank {bank.code}": f"{bank.transport}, notices to {bank.callback_url}" for bank in config.banks}
        kafka = addresses["kafka"]
        places |= {f"ministry {one.code}": f"protocols in kafka://{kafka}/{one.topic}" for one in config.ministries}
        name = next(name for name in places if name.endswith(code))
        self._say_where(addresses | {name: f"yours: {places[name]}"})
        say(f"  your keys            {self._stage.keys / code}")
        stop = stop_signals()
        renewing = asyncio.create_task(self._renew_lists_until(stop))
        while not stop.is_set():
            await self._show_news(store)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_S)
        await renewing
        return 0

    async def _renew_lists_until(self, stop: asyncio.Event) -> None:
        """Revocation lists older than three hours are believed by nobody, so whoever stays longer needs fresh ones."""
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _RENEW_LISTS_S)
                return
            await asyncio.to_thread(renew_lists, self._stage.keys)

    async def _until_complete(self, store: Store) -> Picture:
        deadline = time.monotonic() + self._wishes.timeout_s
        while True:
            self._troupe.check()
            await self._show_news(store)
            seen = await store.read(picture)
            if seen.complete or time.monotonic() > deadline:
                await self._show_news(store)
                return seen
            await asyncio.sleep(_LOOK_S)

    async def _show_news(self, store: Store) -> None:
        news: list[JournalRow] = []
        for lot, last in self._last_seq.items():
            rows = await store.read(partial(_journal, lot, last))
            if rows:
                self._last_seq[lot] = rows[-1].seq
            news += rows
        for row in sorted(news, key=lambda row: row.seq):
            if self._wishes.verbose or row.event not in _QUIET:
                say(line(row, self._wishes.language))

    async def _close(self, store: Store, seen: Picture) -> int:
        trust = KeyFolder(directory=self._stage.keys / "GATEWAY").trust()
        written = await store.read(lambda reader: write_documents(reader, trust, self._wishes.out))
        for name in ("anchors.pem", "crl.pem"):  # with them, `verify` works on the files alone
            shutil.copyfile(self._stage.keys / "GATEWAY" / name, self._wishes.out / name)
        broken = await store.read(broken_chains)
        now = time.monotonic()
        say(f"{len(written)} files in {self._wishes.out}/: " + ", ".join(path.name for path in written))
        say(f"played in {now - self._playing_since:.1f} s, {now - self._wishes.started:.1f} s with starting everything")
        if broken:
            say("broken journal chains: " + ", ".join(broken))
        if not seen.complete:
            say(f"not what the scenario says: lots {seen.lots}, deliveries under way {seen.busy}, expected {EXPECTED}")
        say(str(seen.counts))
        return 0 if seen.complete and not broken else 1


def _journal(lot: str, after: int, reader: Reader) -> list[JournalRow]:
    return reader.journal_of_lot(lot, after=after)
