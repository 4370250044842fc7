"""The ministry of `examples/ministry`, which has nothing of ours in it: it must work as it stands."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from demonstration import Demonstration
from lxml import etree
from town import Town
from waiting import PATIENCE_S

from certs.xmldsig import sign_enveloped
from contracts.receipt.codec import Receipt, build_receipt
from contracts.soap import model as soap
from gateway.wire.identity import Identity

EXAMPLE = Path(__file__).parents[2] / "examples" / "ministry" / "ministry.py"
CODES = ("ECONOMY", "JUSTICE", "INTERIOR")  # JUSTICE has an RSA key, the others P-256


class Ministry:
    """The program at work; each line of it is a record of its topic."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def says(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE_S)
        assert line
        said: dict[str, Any] = json.loads(line)
        return said


@asynccontextmanager
async def at_work(kafka: str, folder: Path, code: str, *refusals: str) -> AsyncIterator[Ministry]:
    """The program over a town's broker, with the keys of its folder."""
    topic, keys, out = f"eherrac.protocols.{code.lower()}", folder / "keys" / code, folder / "kept" / code
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(EXAMPLE), kafka, topic, code, str(keys), str(out), *refusals),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Ministry(process)
    finally:
        process.kill()
        await process.wait()


@pytest.fixture
def programs(program: Callable[[str, str], str]) -> None:
    program("openssl", "openssl")
    program("xmlsec1", "xmlsec1")


async def _no_sale(town: Town) -> None:
    decision = soap.DecideOffer(
        message_id="decision-1", offer_id="L1.offer", decision=soap.Decision.REFUSE, reason="yox"
    )
    status, _ = await town.soap("999101", decision)
    assert status == 200


async def _first_record(town: Town, topic: str) -> Any:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=town.system.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        return await asyncio.wait_for(consumer.getone(), PATIENCE_S)
    finally:
        await consumer.stop()


@pytest.mark.usefixtures("programs")
async def test_three_ministries_receipt_what_holds_once_and_nothing_else(town: Town) -> None:
    """EHR-7."""
    await _no_sale(town)
    async with AsyncExitStack() as stack:
        ministries = {
            code: await stack.enter_async_context(at_work(town.system.kafka, town.folder, code)) for code in CODES
        }
        for code, ministry in ministries.items():
            said = await ministry.says()
            assert (said["protocol"].endswith("/L1"), said["result"]) == (True, "not_held"), (code, said)
            assert (town.folder / "kept" / code / "L1.protocol.pdf").read_bytes().startswith(b"%PDF")
        await town.until_state("protocol", "L1.protocol", "delivered")

        record = await _first_record(town, "eherrac.protocols.justice")
        producer = AIOKafkaProducer(bootstrap_servers=town.system.kafka)
        await producer.start()
        for value in (record.value, _rewritten(record.value), record.value):
            headers = [*dict(record.headers, ce_sha256=sha256(value).hexdigest().encode()).items()]
            await producer.send_and_wait(record.topic, value, key=record.key, headers=headers)
        await producer.stop()
        again = [await ministries["JUSTICE"].says() for _ in range(3)]
    assert ["refused" in line for line in again] == [False, True, False]
    assert again[1]["refused"].startswith("xmlsec1 says")
    assert again[0] == again[2]
    assert await town.refusals() == []


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(
    "town", [{"EHERRAC__MINISTRIES__0__REFUSALS_TOPIC": "eherrac.refusals.economy"}], indirect=True, ids=[""]
)
async def test_a_ministry_hears_signed_which_of_its_receipts_was_refused_and_why(town: Town) -> None:
    """One that it signed, for another container; then one that was changed after it was signed."""
    await _no_sale(town)
    async with at_work(town.system.kafka, town.folder, "ECONOMY", "eherrac.refusals.economy") as ministry:
        await ministry.says()
        record = await _first_record(town, "eherrac.receipts")
        signed = receipt_for("0" * 64, town.identity("ECONOMY"))
        producer = AIOKafkaProducer(bootstrap_servers=town.system.kafka)
        await producer.start()
        try:
            for value in (signed, signed.replace(b"<ReceiptId>", b"<ReceiptId>x")):
                await producer.send_and_wait(record.topic, value, key=record.key, headers=[*record.headers])
        finally:
            await producer.stop()
        told = [await ministry.says() for _ in range(2)]
    # Two refusals are sent side by side: which arrives first is nobody's promise.
    assert sorted((line["receipt_refused"] for line in told), key=itemgetter("Record")) == [
        {"Code": "DIGEST_MISMATCH", "Record": "eherrac.receipts/0/1", "SignatureHeld": "true"},
        {"Code": "DIGEST_MISMATCH", "Record": "eherrac.receipts/0/2", "SignatureHeld": "false"},
    ]
    assert all(line["remedy"] for line in told)


def receipt_for(sha256_hex: str, identity: Identity) -> bytes:
    """A receipt for a container that nobody sent."""
    root = build_receipt(
        Receipt(
            receipt_id="ECONOMY-wrong",
            protocol_number="2026/L1",
            protocol_id="L1.protocol",
            container_sha256=sha256_hex,
            authority="ECONOMY",
            received_at=datetime.now(UTC),
        )
    )
    sign_enveloped(root, identity.credential, into=root)
    document: bytes = etree.tostring(root)
    return document


def _rewritten(container: bytes) -> bytes:
    """The protocol rewritten, everything else as it was sealed."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(container)) as archive, zipfile.ZipFile(changed, "w") as other:
        for name in archive.namelist():
            content = archive.read(name)
            other.writestr(name, content.replace(b"L1", b"L2") if name == "protokol.xml" else content)
    return changed.getvalue()


@pytest.mark.usefixtures("programs")
async def test_whoever_plays_a_ministry_of_the_demonstration_has_the_last_receipt(tmp_path: Path) -> None:
    """docs/ministries.md: `demo --yours` leaves a ministry's topic to a program of somebody else's."""
    folder = tmp_path / "town"
    async with Demonstration.played(folder, yours="ECONOMY") as demo:
        await demo.until_said("your keys")
        async with at_work(demo.place("ministry ECONOMY"), folder, "ECONOMY") as ministry:
            results = {(await ministry.says())["result"] for _ in range(3)}
            assert results == {"sold", "claimant_acquired", "not_held"}
            await demo.until_said("LOT-A.protocol", "every authority has received the protocol")
