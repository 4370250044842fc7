"""The bank of `examples/rest-bank`, which is all that a developer gets to begin with: it must work as it stands."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from demonstration import Demonstration
from ports import free_port
from town import CLOSED, Town
from waiting import PATIENCE_S

from certs.http_signature import HttpRequestParts, sign_request
from gateway.doors import fairness
from gateway.doors.shares import Shares

EXAMPLE = Path(__file__).parents[2] / "examples" / "rest-bank" / "bank.mjs"
CALL = EXAMPLE.with_name("call.sh")
PAYERS = {
    "999101": {"holder": "Xəzər Nümunə Bankı", "iban": "AZ85XZRN38010000000000090001", "bic": "XZRNAZ22"},
    "999202": {"holder": "Günəş Nümunə Bankı", "iban": "AZ69GNSN38010000000000020202", "bic": "GNSNAZ22"},
}
OF_KIND = {"rsa": ("999101", 0), "p256": ("999202", 1)}  # whose key is of that kind, and its place in the settings


class Bank:
    """The program at work; what it says is read line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said: list[dict[str, Any]] = []

    async def until_said(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first line of which this is so; all are kept."""
        found = next((line for line in self.said if condition(line)), None)
        assert self._process.stdout is not None
        while found is None:
            raw = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE_S)
            assert raw, (await self._process.communicate())[1].decode()
            self.said.append(json.loads(raw))
            found = self.said[-1] if condition(self.said[-1]) else None
        return found

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A gateway that has an offer for a bank, and where it expects that bank."""

    town: Town
    bank: str
    port: int

    @asynccontextmanager
    async def played(self) -> AsyncIterator[Bank]:
        """The bank's program, from its start."""
        keys, payer = self.town.folder / "keys" / self.bank, json.dumps(PAYERS[self.bank])
        process = await asyncio.create_subprocess_exec(
            *("node", str(EXAMPLE), self.town.system.address, str(keys), str(self.port), payer),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        bank = Bank(process)
        try:
            yield bank
        finally:
            await bank.close()

    async def call(self, *words: str) -> str:
        """What the gateway answers to the example that has no program."""
        environ = os.environ | {"KEYS": str(self.town.folder / "keys" / self.bank), "ID": "call-1"}
        called = await asyncio.create_subprocess_exec(
            *("bash", str(CALL), self.town.system.address, *words),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environ,
        )
        said, fault = await asyncio.wait_for(called.communicate(), PATIENCE_S)
        assert called.returncode == 0, fault.decode()
        return said.decode()

    def callback(self, participant: str, *, age_s: int = 0) -> HttpRequestParts:
        """A notice, signed by anybody so long ago."""
        parts = HttpRequestParts.of(
            "POST",
            f"http://127.0.0.1:{self.port}/notices",
            {"content-type": "application/cloudevents+json", "webhook-id": "n-1", "webhook-timestamp": "1"},
            b'{"type":"az.eherrac.payment.state.v1","data":{"state":"settled"}}',
        )
        credential, now = self.town.identity(participant).credential, self.town.now() - timedelta(seconds=age_s)
        return parts.with_headers(sign_request(parts, credential, now=now, nonce=token_urlsafe(18)))

    async def bring(self, parts: HttpRequestParts) -> int:
        """What the bank says to a request as it stands."""
        async with (
            ClientSession(f"http://{parts.authority}", max_field_size=16_384) as session,
            session.request(parts.method, parts.path, data=parts.body, headers=dict(parts.headers)) as answer,
        ):
            return answer.status


@pytest_asyncio.fixture(params=OF_KIND)
async def scene(
    request: pytest.FixtureRequest, program: Callable[[str, str], str], tmp_path: Path
) -> AsyncIterator[Scene]:
    program("node", "nodejs")
    (bank, place), port = OF_KIND[request.param], free_port()
    settings = {"TRANSPORT": "rest", "CALLBACK_URL": f"http://127.0.0.1:{port}/notices"}
    town = await Town(tmp_path).open(**{f"EHERRAC__BANKS__{place}__{name}": it for name, it in settings.items()})
    await town.announce("L1", claimant=bank)
    await town.unsold("L1")
    yield Scene(town=town, bank=bank, port=port)
    await town.close()


async def test_the_bank_decides_once_and_takes_every_notice_of_it(scene: Scene) -> None:
    async with scene.played() as bank:
        decided = (await bank.until_said(lambda line: "decided" in line))["decided"]
        again = (await bank.until_said(lambda line: "again" in line))["again"]
        assert (decided["status"], decided["content"]["state"]) == (202, "accepted")
        assert again == decided
        await bank.until_said(lambda line: line.get("data", {}).get("state") == "accepted")

        async def all_acknowledged() -> bool:
            rows = await scene.town.system.store.read(lambda reader: reader.count_outbox())
            return not any(row.channel == "banks" for row in rows)

        await scene.town.until(all_acknowledged)
    notices = [line for line in bank.said if "notice" in line]
    assert len({line["id"] for line in notices}) == len(notices)
    assert not any("refused" in line for line in bank.said)
    assert (await scene.town.noun("offer", "L1.offer")).state == "accepted"


async def test_openssl_and_curl_alone_make_a_call_that_is_taken(scene: Scene, tmp_path: Path) -> None:
    """docs/banks.md: before a library is chosen."""
    refusal = tmp_path / "refusal.json"
    refusal.write_text('{"decision": "refuse", "reason": "Qiymət yüksəkdir"}')
    assert (await scene.call("GET", "/v1/offers?limit=1")).startswith("HTTP/1.1 200 OK")
    decided = [await scene.call("POST", "/v1/offers/L1.offer/decision", str(refusal)) for _ in range(2)]
    assert [answer.splitlines()[0] for answer in decided] == ["HTTP/1.1 202 Accepted"] * 2, decided
    assert (await scene.town.noun("offer", "L1.offer")).state == "declined"


def test_the_call_shows_every_line_of_a_certificate_whatever_it_says(tmp_path: Path) -> None:
    """Base64 may spell CERT, as the lines around it do."""
    subject, chain, base = "x".join(["\bDS" * 6] * 3), tmp_path / "chain.pem", tmp_path / "base"
    made = (
        f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {tmp_path}/key.pem -out {chain}".split()
    )
    subprocess.run(["openssl", *made, "-subj", f"/CN={subject}"], check=True, capture_output=True)
    lines = chain.read_text("ascii").splitlines()[1:-1]
    assert any("CERT" in line for line in lines)
    environ = os.environ | {"KEYS": str(tmp_path), "SHOW": str(base)}
    subprocess.run([CALL, CLOSED, "GET", "/v1/offers"], check=False, capture_output=True, env=environ)
    assert f'"signature-certificate": :{"".join(lines)}:\n' in base.read_text("ascii")


async def test_the_bank_comes_again_when_the_gateway_has_no_time(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is said unsigned, which is not to be taken for an answer of somebody else's."""
    refused = iter([True, False, True, True])
    monkeypatch.setattr(fairness, "PAUSE_S", 0.0)
    monkeypatch.setattr(fairness, "spread", lambda _: 1)
    monkeypatch.setattr(Shares, "admits", lambda *_: not next(refused, False))
    async with scene.played() as bank:
        decided = (await bank.until_said(lambda line: "decided" in line))["decided"]
        assert (decided["status"], decided["content"]["state"]) == (202, "accepted")
    assert next(refused, None) is None


def changed(parts: HttpRequestParts, **fields: str) -> HttpRequestParts:
    headers = tuple((name, fields.get(name.lower().replace("-", "_"), value)) for name, value in parts.headers)
    return replace(parts, headers=tuple((name, value) for name, value in headers if value))


BAD = {
    "another's": lambda scene: scene.callback("EHERRAC"),
    "too old": lambda scene: scene.callback("GATEWAY", age_s=1200),
    "another body": lambda scene: replace(scene.callback("GATEWAY"), body=b'{"type":"x","data":{"state":"failed"}}'),
    "another address": lambda scene: replace(scene.callback("GATEWAY"), path="/others"),
    "another question": lambda scene: replace(scene.callback("GATEWAY"), path="/notices?x=1"),
    "another id": lambda scene: changed(scene.callback("GATEWAY"), webhook_id="n-2"),
    "no signature": lambda scene: changed(scene.callback("GATEWAY"), signature=""),
    "no digest": lambda scene: changed(scene.callback("GATEWAY"), content_digest=""),
    "no certificate": lambda scene: changed(scene.callback("GATEWAY"), signature_certificate=""),
    "nothing signed": lambda scene: changed(scene.callback("GATEWAY"), signature_input="eherrac=();created=1"),
    "an id that is not signed": lambda scene: replace(
        scene.callback("GATEWAY"), headers=(*scene.callback("GATEWAY").headers, ("ce-id", "1"))
    ),
}


async def test_the_bank_takes_nothing_but_what_the_gateway_signed(scene: Scene) -> None:
    async with scene.played() as bank:
        await bank.until_said(lambda line: "again" in line)
        assert await scene.bring(scene.callback("GATEWAY")) == 204
        answers = {name: await scene.bring(make(scene)) for name, make in BAD.items()}
        assert answers == dict.fromkeys(BAD, 401)
        assert await scene.bring(scene.callback("GATEWAY")) == 204
        told = await bank.until_said(lambda line: line.get("repeated") is True)
        assert told["id"] == "n-1"
        assert sum("refused" in line for line in bank.said) == len(BAD)


async def test_whoever_plays_a_bank_of_the_demonstration_sells_its_lot(tmp_path: Path) -> None:
    """docs/banks.md: `demo --yours` leaves a bank's notices and decisions to a program of somebody else's."""
    folder = tmp_path / "town"
    async with Demonstration.played(folder, yours="999202") as demo:
        await demo.until_said("LOT-C.offer", "offered to the claimant bank")
        address, port = f"http://{demo.place('gateway')}", demo.place("bank 999202").rpartition(":")[2]
        program = ("node", str(EXAMPLE), address, str(folder / "keys" / "999202"), port, json.dumps(_ENOUGH))
        bank = Bank(await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE))
        try:
            await bank.until_said(lambda line: line.get("notice") == "az.eherrac.gateway.protocol.issued")
        finally:
            await bank.close()
        await demo.until_said("LOT-C.protocol", "every authority has received the protocol")


_ENOUGH = {"holder": "Günəş Nümunə Bankı", "iban": "AZ12GNSN38010000000000090001", "bic": "GNSNAZ22"}
