"""The doors over TLS (AOS-S1): with the server's certificate, and only for clients whom the authority knows."""

from __future__ import annotations

import ssl as tls
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from town import Town, world_keys
from waiting import PATIENCE_S

from certs.authority import Authority
from certs.keystore import Credential
from gateway.cli.pki import load_authority
from gateway.errors import NotSentError, OutcomeUnknownError
from gateway.wire.client import SignedAnswer, SignedClient


def _write(folder: Path, name: str, credential: Credential) -> tuple[Path, Path]:
    """Certificate chain and key as PEM files."""
    chain, key = folder / f"{name}.crt", folder / f"{name}.key"
    key_pem, chain_pem = credential.to_pem()
    chain.write_bytes(chain_pem)
    key.write_bytes(key_pem)
    return chain, key


@pytest_asyncio.fixture
async def behind_tls(tmp_path: Path) -> AsyncIterator[Town]:
    town = Town(tmp_path)
    authority = load_authority(world_keys())
    chain, key = _write(tmp_path, "server", authority.issue_server("gateway", ["127.0.0.1"], now=town.now()))
    (tmp_path / "clients.pem").write_bytes(authority.anchors_pem + authority.intermediates_pem)
    await town.open(
        EHERRAC__HTTP__TLS_CERTIFICATE=str(chain),
        EHERRAC__HTTP__TLS_KEY=str(key),
        EHERRAC__HTTP__TLS_CLIENT_CA=str(tmp_path / "clients.pem"),
    )
    yield town
    await town.close()


def _context(town: Town, shown: Credential | None, *, trusting: bool = True) -> tls.SSLContext:
    """What a client brings: whom it trusts, and the certificate it shows."""
    roots = load_authority(world_keys()).anchors_pem.decode() if trusting else None
    context = tls.create_default_context(cadata=roots)
    if shown is not None:
        context.load_cert_chain(*_write(town.folder, "client", shown))
    return context


async def _ask(town: Town, context: tls.SSLContext, address: str | None = None) -> SignedAnswer:
    identity = town.identity("999101")
    client = SignedClient(lambda: identity, timeout_s=PATIENCE_S, clock=town.now, ssl=context)
    try:
        return await client.request(
            "GET", (address or town.system.address) + "/v1/offers", expected_participant="GATEWAY"
        )
    finally:
        await client.close()


async def test_a_client_with_a_certificate_of_the_authority_is_answered_over_tls(behind_tls: Town) -> None:
    """AOS-S1: encrypted, mutual, and signed besides."""
    assert behind_tls.system.address.startswith("https://")
    answer = await _ask(behind_tls, _context(behind_tls, behind_tls.identity("999101").credential))
    assert answer.status == 200
    assert answer.signer is not None
    assert answer.signer.participant == "GATEWAY"


async def test_a_client_without_a_certificate_is_not_answered(behind_tls: Town) -> None:
    """AOS-S1: TLS 1.3 tells it after the handshake, so the client cannot know whether it was heard."""
    with pytest.raises((NotSentError, OutcomeUnknownError)):
        await _ask(behind_tls, _context(behind_tls, None))
    assert await behind_tls.refusals() == []


async def test_a_client_of_another_authority_is_not_answered(behind_tls: Town) -> None:
    foreign = Authority.create(behind_tls.now()).issue("999101", "Yad", key="p256", now=behind_tls.now())
    with pytest.raises((NotSentError, OutcomeUnknownError)):
        await _ask(behind_tls, _context(behind_tls, foreign))
    assert await behind_tls.refusals() == []


async def test_plain_http_is_not_answered(behind_tls: Town) -> None:
    plain = behind_tls.system.address.replace("https:", "http:")
    with pytest.raises((NotSentError, OutcomeUnknownError)):
        await _ask(behind_tls, _context(behind_tls, None), plain)
    assert await behind_tls.refusals() == []


async def test_a_client_that_does_not_know_the_server_sends_nothing(behind_tls: Town) -> None:
    shown = behind_tls.identity("999101").credential
    with pytest.raises(NotSentError):
        await _ask(behind_tls, _context(behind_tls, shown, trusting=False))
