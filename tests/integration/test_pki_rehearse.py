"""`pki rehearse` as a program: the next key of a configuration, also at a counterparty's own door."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from gateway.cli.pki import create_world, issue, load_authority
from gateway.cli.stage import packaged
from gateway.keys import KeyFolder, WatchedKeys
from gateway.wire.server import serve_app, signed_http


async def rehearse(folder: Path, *words: str) -> tuple[int, str]:
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway.cli", "pki", "rehearse", "--config", str(folder / "gateway.toml"), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await program.communicate()
    return program.returncode or 0, said.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    participants = dict.fromkeys(("GATEWAY", "999101"), ("Nümunə", "p256"))
    create_world(tmp_path / "keys", participants)
    text = packaged("demo.toml").replace('directory = "keys"', 'directory = "keys/GATEWAY"')
    (tmp_path / "gateway.toml").write_text(text, encoding="utf-8")
    return tmp_path


async def test_without_a_next_key_there_is_nothing_to_rehearse(folder: Path) -> None:
    status, said = await rehearse(folder)
    assert (status, "chain.next.pem" in said) == (2, True)


async def test_the_next_key_holds_here_and_at_the_counterparty(folder: Path) -> None:
    issue("GATEWAY", "Nümunə", key="rsa", following=True, dir=folder / "keys")
    bank = WatchedKeys(KeyFolder(directory=folder / "keys" / "999101"), reload_s=60)
    app = web.Application(middlewares=[signed_http(bank, clock=lambda: datetime.now(UTC))])
    running = await serve_app(app, "127.0.0.1", 0)
    try:
        status, said = await rehearse(folder, "--counterpart", f"{running.address}/ping", "--participant", "999101")
    finally:
        await running.close()
    assert status == 0, said
    assert said.count("holds") == 8


async def test_a_revoked_next_key_ends_with_three(folder: Path) -> None:
    issue("GATEWAY", "Nümunə", following=True, dir=folder / "keys")
    authority = load_authority(folder / "keys")
    authority.revoke(authority.register[-1].serial, datetime.now(UTC))
    (folder / "keys" / "GATEWAY" / "crl.pem").write_bytes(authority.crl(datetime.now(UTC)))
    status, said = await rehearse(folder)
    assert status == 3
    assert "revoked" in said
