"""Time-stamps over the journal of the whole gateway: proven in evidence, and never in the way of a message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from town import CLOSED, Town
from waiting import until

from adapters.timestamping.sandbox import TsaSandbox, TsaSandboxSettings
from certs.asice import open_sealed
from gateway.cli.evidence import exported
from gateway.cli.pki import create_world, load_authority
from gateway.cli.stage import PARTICIPANTS
from gateway.errors import TheirFaultError
from gateway.evidence import Report, gather, verify_evidence
from gateway.keys.keyring import key_folder, known_revocation
from gateway.store.rows import JournalRow

SEAL_WAIT = timedelta(minutes=1)


class Stamped:
    """A town with an authority of time."""

    town: Town
    tsa: TsaSandbox

    async def ready(self, status: int) -> dict[str, Any]:
        """What `/readyz` says once it answers so; what it has found it tells again for a while."""
        said: dict[str, Any] = {}

        async def answers() -> bool:
            async with aiohttp.ClientSession() as session, session.get(self.town.system.address + "/readyz") as answer:
                said.update(await answer.json())
                return answer.status == status

        await until(answers)
        return said

    @property
    def root(self) -> bytes:
        return (self.town.folder / "keys" / "GATEWAY" / "anchors.pem").read_bytes()

    async def report(self) -> Report:
        return verify_evidence(await self.file(), self.root)

    async def file(self) -> bytes:
        gathered = await self.town.system.store.read(lambda reader: gather(reader, "L1"))
        lists = await known_revocation(self.town.config, self.town.now)
        return exported(gathered, key_folder(self.town.config), lists, now=self.town.now())


@pytest_asyncio.fixture
async def stamped(tmp_path: Path) -> AsyncIterator[Stamped]:
    both = Stamped()
    both.town = Town(tmp_path)
    create_world(tmp_path / "keys", PARTICIPANTS)
    credential = load_authority(tmp_path / "keys").issue_time_stamper("Vaxt (nümunə)", key="p256", now=both.town.now())
    both.tsa = TsaSandbox(TsaSandboxSettings(credential=credential), clock=both.town.now)
    await both.tsa.start()
    await both.town.open(
        EHERRAC__TIME_STAMPS__URL=both.tsa.address,
        EHERRAC__TIME_STAMPS__INTERVAL_S="3600",
        EHERRAC__TIME_STAMPS__GRACE_S="7200",
        EHERRAC__TIME_STAMPS__SEAL_WAIT_S=str(SEAL_WAIT.total_seconds()),
        EHERRAC__BANKS__0__CALLBACK_URL=CLOSED,
    )
    yield both
    await both.town.close()
    await both.tsa.close()


def covered(report: Report) -> str:
    return next(finding.about for finding in report.findings if finding.what == "stamped")


async def test_every_line_is_stamped_and_proven_in_the_evidence(
    stamped: Stamped, recompute: Callable[[bytes, bytes], tuple[int, str]]
) -> None:
    town, stamping = stamped.town, stamped.town.system.stamping
    assert stamping is not None
    await town.announce()
    await town.unsold()
    assert covered(await stamped.report()).startswith("0 / ")
    await town.system.dispatcher.stop()  # nothing is under way that would be older when it is written
    town.offset += timedelta(seconds=15)
    assert await stamping.stamp() is False
    report = await stamped.report()
    assert [finding.what for finding in report.findings if not finding.holds] == []
    assert int(covered(report).split(" / ")[0]) >= 3  # and what was written since then will be
    status, told = recompute(await stamped.file(), stamped.root)
    assert (status, "of these lines (openssl ts)" in told) == (0, True), told
    asked = stamped.tsa.asked
    await stamping.stamp()
    assert stamped.tsa.asked == asked  # nothing new, nothing asked


async def test_while_the_authority_of_time_is_away_everything_goes_on_until_the_grace_ends(stamped: Stamped) -> None:
    town, stamping = stamped.town, stamped.town.system.stamping
    assert stamping is not None
    stamped.tsa.away = True
    await town.announce()
    town.offset += timedelta(minutes=30)
    with pytest.raises(TheirFaultError):
        await stamping.stamp()
    body = await stamped.ready(200)
    assert body["checks"]["timeStamps"] == "ok"
    assert 5300 < body["timeStamps"]["graceLeftSeconds"] < 5500
    assert (await town.unsold()).status == 202
    town.offset += timedelta(minutes=100)
    body = await stamped.ready(503)
    assert (body["checks"]["timeStamps"], body["timeStamps"]["graceLeftSeconds"]) == ("failed", 0)
    stamped.tsa.away = False
    await stamping.stamp()
    assert (await stamped.ready(200))["timeStamps"]["waitingSince"] is None


async def test_of_two_replicas_one_stamps_a_batch(stamped: Stamped) -> None:
    stamping, store = stamped.town.system.stamping, stamped.town.system.store
    assert stamping is not None
    await stamped.town.announce()
    await stamped.town.system.dispatcher.stop()
    stamped.town.offset += timedelta(seconds=15)
    await asyncio.gather(stamping.stamp(), stamping.stamp())
    rows = await store.read(lambda reader: reader.stamps_between(0, 10_000))
    assert len(rows) == 1
    assert await store.transact(lambda tx: tx.add_stamp(rows[0])) is False


async def declined(town: Town) -> None:
    """A lot that its claimant declines, so that a protocol of it is drawn up."""
    await town.announce()
    await town.unsold()
    assert (await town.decide("999101", decision={"decision": "refuse", "reason": "yox"})).status < 300


async def lines_of_protocol(town: Town) -> list[JournalRow]:
    return await town.system.store.read(lambda reader: reader.journal_of("protocol", "L1.protocol"))


async def sealed_protocol(town: Town) -> dict[str, Any]:
    """Its seal as the journal has it."""
    await town.until_state("protocol", "L1.protocol", "sealed")
    return next(orjson.loads(line.data) for line in await lines_of_protocol(town) if line.event == "Sealed")


async def test_a_protocol_is_sealed_with_the_time_proven(stamped: Stamped) -> None:
    await declined(stamped.town)
    told = await sealed_protocol(stamped.town)
    assert told["level"] == "B-T"
    row = await stamped.town.system.store.read(lambda reader: reader.document(str(told["document_id"])))
    assert row is not None
    sealed = open_sealed(row.content, stamped.town.identity("JUSTICE").trust)
    assert sealed.level == "B-T"
    assert [finding.what for finding in (await stamped.report()).findings if not finding.holds] == []


async def test_a_protocol_is_sealed_without_once_it_has_waited_enough_and_that_is_an_alarm(stamped: Stamped) -> None:
    """It is tried again before it is given up."""
    stamped.tsa.away, town = True, stamped.town
    await declined(town)

    async def is_deferred() -> bool:
        return [line.event for line in await lines_of_protocol(town)][:2] == ["DrawnUp", "DeliveryDeferred"]

    await town.until(is_deferred)
    town.offset += SEAL_WAIT
    told, lines = await sealed_protocol(town), [line.event for line in await lines_of_protocol(town)]
    assert (told["level"], told["proven_at"]) == ("B-B", None)
    assert "503" in str(told["unstamped"])
    assert "Alarm:SEAL_UNSTAMPED" in lines
