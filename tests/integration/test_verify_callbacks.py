"""`verify rest|soap` on what a bank's own log has of our callbacks: the octets that came over its socket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.banks.adapter import BankEndpoint, BanksAdapter, Transport
from certs.authority import Authority
from certs.trust import TrustStore
from contracts.soap.names import SoapVersion
from gateway.cli.main import app
from gateway.domain.dispatches import Channel, Notice, NoticeKind
from gateway.domain.money import Money
from gateway.ports import Dispatch, Unknown
from gateway.wire.identity import Identity

BANK = "999101"
OVER: Mapping[str, tuple[Transport, SoapVersion]] = {
    "rest": (Transport.REST, SoapVersion.V11),
    "soap 1.1": (Transport.SOAP, SoapVersion.V11),
    "soap 1.2": (Transport.SOAP, SoapVersion.V12),
}


async def logged(authority: Authority, transport: Transport, version: SoapVersion) -> bytes:
    """The request that our adapter sends for a notice, as it came: head and body."""
    now = datetime.now(UTC)
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(now)]
    )
    identity = Identity(authority.issue("GATEWAY", "Qapı", key="p256", now=now - timedelta(minutes=1)), trust)
    came: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        came.append(head + await reader.readexactly(int(length.split(b":")[1])))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    endpoint = BankEndpoint(
        code=BANK,
        transport=transport,
        callback_url=f"http://127.0.0.1:{port}/callback",
        soap_version=version,
    )
    adapter = BanksAdapter([endpoint], lambda: identity, clock=lambda: datetime.now(UTC))
    notice = Notice(
        kind=NoticeKind.OFFER_OPENED,
        lot_id="LOT-1",
        subject_id="LOT-1.offer",
        state="open",
        occurred_at=now,
        amount=Money(150_050),
    )
    dispatch = Dispatch(
        id="n-1", channel=Channel.BANKS, recipient=BANK, body=notice, attempt=1, created_at=now, sequence=1
    )
    try:
        assert isinstance(await adapter.send(dispatch), Unknown)  # a log signs no answers
    finally:
        await adapter.close()
        server.close()
        await server.wait_closed()
    return came[0]


def verdict(folder: Path, kind: str, content: bytes) -> int:
    (folder / "logged").write_bytes(content)
    believed = ["--trust", str(folder / "ca.pem"), "--crl", str(folder / "crl.pem"), "--participants"]
    try:
        app(["verify", kind, str(folder / "logged"), *believed, "--language", "en"], result_action="return_value")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize("over", OVER)
async def test_a_callback_of_ours_verifies_offline_from_the_bank_s_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], over: str
) -> None:
    authority = Authority.create(datetime.now(UTC) - timedelta(days=1))
    kind = over.partition(" ")[0]
    octets = await logged(authority, *OVER[over])
    (tmp_path / "ca.pem").write_bytes(authority.anchors_pem + authority.intermediates_pem)
    (tmp_path / "crl.pem").write_bytes(authority.crl(datetime.now(UTC)))
    content = octets if kind == "rest" else octets.partition(b"\r\n\r\n")[2]
    assert verdict(tmp_path, kind, content) == 0
    assert "Signed by participant: GATEWAY" in capsys.readouterr().out
    assert verdict(tmp_path, kind, content.replace(b"1500.50", b"9500.50")) == 3
    assert "DIGEST_MISMATCH" in capsys.readouterr().out
