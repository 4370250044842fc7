"""The whole gateway in this process on real sockets, with keys for everybody and hands to speak as anybody."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from lxml import etree
from waiting import PATIENCE_S, until

from certs.keystore import Credential
from certs.trust import TrustStore
from certs.wss import sign_envelope, verify_envelope
from contracts.soap.codec import write
from contracts.soap.envelope import only_child, to_bytes, wrap
from contracts.soap.names import SoapVersion
from contracts.xml import parse_xml
from gateway.bootstrap import System, start
from gateway.cli.pki import create_world, load_authority, save_authority
from gateway.cli.stage import PARTICIPANTS
from gateway.cli.world import packaged
from gateway.config import load_config
from gateway.keys import KeyFolder
from gateway.store.rows import JournalRow
from gateway.wire.client import SignedAnswer, SignedClient
from gateway.wire.identity import Identity

CLOSED = "http://127.0.0.1:9"  # nobody listens there: what is sent stays in the outbox
BODY_MAX_BYTES = 262_144
# Senders and gateway share a loop here: how late it is says nothing of the gateway. Shares have tests of their own.
UNHURRIED = {"EHERRAC__INTAKE__LATE_MAX_S": "10", "EHERRAC__INTAKE__WAIT_MAX_S": "60"}
STRANGER = "999303"  # certified, and not registered with the gateway
PAYER = {"holder": "Xəzər Nümunə Bankı", "iban": "AZ85XZRN38010000000000090001", "bic": "XZRNAZ22"}


@cache
def world_keys() -> Path:
    """Everybody's keys, made once per process; a town works on a copy."""
    folder = tempfile.TemporaryDirectory(prefix="eherrac-keys-")
    atexit.register(folder.cleanup)
    create_world(Path(folder.name) / "keys", PARTICIPANTS | {STRANGER: ("Yad Bank (nümunə)", "p256")})
    return Path(folder.name) / "keys"


class Town:
    """A gateway and its neighbours' keys. `offset` moves everybody's clock."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.offset = folder, timedelta()
        self.system: System
        self._clients: list[SignedClient] = []
        self._serial = 0

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    async def open(self, **overrides: str) -> Town:
        if not (self.folder / "keys").exists():
            shutil.copytree(world_keys(), self.folder / "keys")
        text = packaged("demo.toml").replace('directory = "keys"', 'directory = "keys/GATEWAY"')
        (self.folder / "gateway.toml").write_text(text)
        environ = (
            UNHURRIED
            | {
                "EHERRAC__HTTP__PORT": "0",
                "EHERRAC__CONSOLE__PORT": "0",
                "EHERRAC__HTTP__BODY_MAX_BYTES": str(BODY_MAX_BYTES),
                "EHERRAC__KEYS__RELOAD_S": "1",
                "EHERRAC__STORE__URL": f"sqlite:///{self.folder / 'eherrac.db'}",
                "EHERRAC__AOS__URL": CLOSED,
                "EHERRAC__ASAN_PAY__URL": CLOSED,
                "EHERRAC__PLATFORM__CALLBACK_URL": CLOSED,
            }
            | overrides
        )
        await self.start_gateway(environ)
        return self

    async def start_gateway(self, environ: dict[str, str]) -> None:
        """In this process."""
        self.config = load_config(self.folder / "gateway.toml", environ)
        self.system = await start(self.config, clock=self.now)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        await self.system.close()

    async def travel(self, time: timedelta) -> None:
        """Let time pass for everybody, with the authority publishing fresh lists as it would."""
        self.offset += time
        save_authority(self.folder / "keys", load_authority(self.folder / "keys"), self.now())
        await asyncio.sleep(1.1)  # the gateway looks at its key folder every second here

    def identity(self, code: str) -> Identity:
        return KeyFolder(directory=self.folder / "keys" / code).identity()

    def keys(self, code: str) -> Callable[[], Identity]:
        """As a program takes them; read once."""
        identity = self.identity(code)
        return lambda: identity

    def client(self, code: str) -> SignedClient:
        client = SignedClient(self.keys(code), timeout_s=PATIENCE_S, clock=self.now)
        self._clients.append(client)
        return client

    def next_id(self) -> str:
        self._serial += 1
        return f"m-{os.getpid()}-{self._serial}"

    async def rest(self, code: str, method: str, path: str, body: Any = None, **options: Any) -> SignedAnswer:
        """A signed REST request; `body` is JSON-able or bytes; `key` the idempotency key."""
        content = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        headers = {"Idempotency-Key": options["key"]} if "key" in options else {}
        return await self.client(code).request(
            method,
            self.system.address + path,
            body=content,
            content_type=options.get("content_type", "application/json") if content else None,
            headers=headers,
            expected_participant="GATEWAY",
            sign=options.get("sign", True),
        )

    async def publish(self, type: str, subject: str, data: dict[str, Any], **changes: Any) -> SignedAnswer:
        """A platform event."""
        event = {
            "specversion": "1.0",
            "id": self.next_id(),
            "source": "EHERRAC",
            "type": f"az.eherrac.{type}.v1",
            "subject": subject,
            "time": self.now().isoformat(),
            "datacontenttype": "application/json",
            "data": data,
        } | {key: value for key, value in changes.items() if key != "by"}
        return await self.rest(
            changes.get("by", "EHERRAC"), "POST", "/v1/events", event, content_type="application/cloudevents+json"
        )

    async def announce(self, lot: str = "L1", **changes: Any) -> SignedAnswer:
        data = {
            "title": "Mənzil (nümunə)",
            "address": "Bakı",
            "regime": "enforcement",
            "claimant": "999101",
            "startingPrice": "20000.00",
            "auctionAt": (self.now() + timedelta(days=1)).isoformat(),
            "caseNumber": "5-1/2026",
        } | changes
        return await self.publish("lot.announced", lot, {k: v for k, v in data.items() if v is not None})

    async def unsold(self, lot: str = "L1") -> SignedAnswer:
        data = {"result": "unsold", "heldAt": self.now().isoformat(), "reason": "heç kim"}
        return await self.publish("auction.closed", lot, data)

    async def decide(self, code: str, offer: str = "L1.offer", **options: Any) -> SignedAnswer:
        decision = options.pop("decision", {"decision": "accept", "payer": PAYER})
        options.setdefault("key", self.next_id())
        return await self.rest(code, "POST", f"/v1/offers/{offer}/decision", decision, **options)

    async def soap(self, code: str, message: Any, **options: Any) -> tuple[int, etree._Element]:
        """A SOAP 1.1 call; the answer's verified Body child. `tamper` changes the envelope's bytes after signing."""
        envelope = wrap(SoapVersion.V11, write(message))
        credential: Credential = self.identity(code).credential
        if options.get("sign", True):
            sign_envelope(envelope, credential, now=self.now())
        raw = options.get("tamper", bytes)(to_bytes(envelope))
        return await self.soap_bytes(code, raw)

    async def soap_bytes(self, code: str, raw: bytes) -> tuple[int, etree._Element]:
        answer = await self.client(code).request(
            "POST",
            self.system.address + "/soap/v1",
            body=raw,
            content_type="text/xml; charset=utf-8",
            headers={"SOAPAction": '""'},
            expected_participant=None,
            sign=False,
            verify=False,
        )
        trust: TrustStore = self.identity(code).trust
        verified = verify_envelope(parse_xml(answer.body), trust, at=self.now())
        assert verified.verified.signer.participant == "GATEWAY"
        return answer.status, only_child(verified.body)

    async def refusals(self, source: str = "anonymous") -> list[JournalRow]:
        """The journal lines of what was refused of a sender."""
        return await self.system.store.read(lambda reader: reader.journal_of("door", source))

    async def noun(self, noun: str, id: str) -> Any:
        return await self.system.store.read(lambda reader: reader.noun(noun, id))

    async def until(self, condition: Callable[[], Awaitable[bool] | bool]) -> None:
        """Wait until it is so."""
        await until(condition)

    async def until_state(self, noun: str, id: str, state: str) -> None:
        async def reached() -> bool:
            row = await self.noun(noun, id)
            return row is not None and row.state == state

        await self.until(reached)

    async def counts(self) -> dict[tuple[str, str], int]:
        rows = await self.system.store.read(lambda reader: reader.count_nouns())
        return {(row.noun, row.state): row.count for row in rows if row.noun not in ("door", "recipient")}
