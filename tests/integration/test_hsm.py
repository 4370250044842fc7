"""Keys inside a PKCS#11 device: what we sign is signed there and verifies like any other."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree
from waiting import PATIENCE_S

from certs import asice
from certs.algorithms import verify_bytes
from certs.authority import Authority
from certs.http_signature import HttpRequestParts, sign_request, verify_request
from certs.keystore import Credential, pem_bundle
from certs.trust import TrustStore
from certs.wss import SOAP_11, sign_envelope, verify_envelope
from certs.xmldsig import sign_enveloped, verify_enveloped
from contracts.xml import parse_xml
from gateway.errors import OurFaultError
from gateway.keys import KeyFolder
from gateway.keys.hsm import DevicePlace, Pkcs11Key
from gateway.wire.client import SignedClient
from gateway.wire.identity import Identity
from gateway.wire.server import serve_app, signed_http

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
PIN, TOKEN = "1234", "eherrac-test"


@dataclass(frozen=True)
class Device:
    module: Path
    chains: dict[str, bytes]
    trust: TrustStore
    folder: Path

    def place(self, kind: str, *, pin: str = PIN, label: str | None = None) -> DevicePlace:
        return DevicePlace(module=self.module, token=TOKEN, label=label or kind, pin=pin)


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory, softhsm: Path) -> Iterator[Device]:
    """A token with an RSA and a P-256 key, which were made outside and imported, as a migration would."""
    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    util("--init-token", "--free", "--label", TOKEN, "--so-pin", "5678", "--pin", PIN)
    authority = Authority.create(NOW)
    chains = {kind: put(folder, authority, kind, number) for number, kind in enumerate(("rsa", "p256"), 1)}
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )
    (folder / "anchors.pem").write_bytes(authority.anchors_pem)
    (folder / "intermediates.pem").write_bytes(authority.intermediates_pem)
    (folder / "crl.pem").write_bytes(authority.crl(NOW))
    yield Device(softhsm, chains, trust, folder)
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


def put(folder: Path, authority: Authority, kind: str, number: int) -> bytes:
    credential = authority.issue("GATEWAY", "Nümunə", key=kind, now=NOW)
    file = folder / f"{kind}.key.pem"
    file.write_bytes(credential.file_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    util("--import", str(file), "--token", TOKEN, "--label", kind, "--id", f"{number:02d}", "--pin", PIN)
    file.unlink()
    return pem_bundle((credential.certificate, *credential.chain))


def util(*arguments: str) -> None:
    subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True)


@pytest.fixture(params=["rsa", "p256"])
def credential(request: pytest.FixtureRequest, device: Device) -> Iterator[Credential]:
    key = Pkcs11Key(device.place(request.param))
    yield Credential.in_device(key, device.chains[request.param])
    key.close()


def test_an_http_signature_made_in_the_device_verifies(credential: Credential, device: Device) -> None:
    parts = HttpRequestParts(method="GET", authority="a", path="/", headers=(("Host", "a"),))
    signed = parts.with_headers(sign_request(parts, credential, now=NOW, nonce="n"))
    assert verify_request(signed, device.trust, at=NOW).signer.participant == "GATEWAY"


def test_a_soap_envelope_signed_in_the_device_verifies(credential: Credential, device: Device) -> None:
    root = parse_xml(f'<s:Envelope xmlns:s="{SOAP_11}"><s:Body><a xmlns="urn:a"/></s:Body></s:Envelope>'.encode())
    sign_envelope(root, credential, now=NOW)
    assert verify_envelope(parse_xml(etree.tostring(root)), device.trust, at=NOW).verified.signer


def test_an_iso_message_and_a_container_signed_in_the_device_verify(credential: Credential, device: Device) -> None:
    root = parse_xml(b"<m:M xmlns:m='urn:m'><m:S/></m:M>")
    sign_enveloped(root, credential, into=root[0])
    assert verify_enveloped(root, device.trust, at=NOW, signature_parent="{urn:m}S").signer
    container = asice.seal({"a.txt": ("text/plain", b"a")}, credential, now=NOW)
    assert asice.open_sealed(container, device.trust).verified.signer.participant == "GATEWAY"


def test_several_threads_sign_at_once(credential: Credential) -> None:
    with ThreadPoolExecutor(6) as threads:
        signatures = list(threads.map(credential.sign, [str(number).encode() for number in range(40)]))
    assert len(signatures) == 40


def test_the_private_key_does_not_come_out(credential: Credential) -> None:
    with pytest.raises(ValueError, match="never leaves"):
        credential.to_pem()
    assert PIN not in repr(credential)


def test_a_key_of_another_certificate_is_refused_at_start(device: Device) -> None:
    key = Pkcs11Key(device.place("p256"))
    with pytest.raises(ValueError, match="does not belong"):
        Credential.in_device(key, device.chains["rsa"])
    key.close()


@pytest.mark.parametrize(("pin", "label"), [("9999", "p256"), (PIN, "absent")])
def test_a_wrong_pin_or_label_is_our_fault_and_shows_no_pin(device: Device, pin: str, label: str) -> None:
    with pytest.raises(OurFaultError) as caught:
        Pkcs11Key(device.place("p256", pin=pin, label=label))
    assert pin not in str(caught.value)


def test_a_key_folder_takes_its_key_from_the_device(device: Device) -> None:
    key = Pkcs11Key(device.place("p256"))
    (device.folder / "chain.pem").write_bytes(device.chains["p256"])
    folder = KeyFolder(directory=device.folder, device=key)
    assert folder.identity().credential.participant == "GATEWAY"
    assert [name for name, *_ in folder.changes()]
    key.close()


def test_a_session_that_broke_is_opened_again(device: Device) -> None:
    key = Pkcs11Key(device.place("p256"))
    credential = Credential.in_device(key, device.chains["p256"])
    key.close()  # as when the device was restarted
    assert len(credential.sign(b"again")) == 64
    key.close()


@pytest.mark.parametrize("open_then", [True, False], ids=["session open", "session closed"])
def test_a_token_taken_out_and_put_back_signs_again(device: Device, open_then: bool) -> None:
    """PSP-7.1.5: without a restart; while it is out, every signature is our fault and none is made."""
    key = Pkcs11Key(device.place("p256"))
    credential = Credential.in_device(key, device.chains["p256"])
    if not open_then:
        key.close()
    tokens, away = device.folder / "tokens", device.folder / "away"
    tokens.rename(away)
    tokens.mkdir()
    try:
        for _ in range(2):
            with pytest.raises(OurFaultError, match=TOKEN):
                credential.sign(b"out")
    finally:
        tokens.rmdir()
        away.rename(tokens)
    verify_bytes(credential.public_key, credential.sign(b"back"), b"back")
    key.close()


async def test_clients_and_doors_sign_with_the_device(device: Device) -> None:
    key = Pkcs11Key(device.place("p256"))
    identity = Identity(Credential.in_device(key, device.chains["p256"]), device.trust)

    async def hello(_: web.Request) -> web.Response:
        return web.Response(body=b"salam", content_type="text/plain")

    app = web.Application(middlewares=[signed_http(lambda: identity, clock=lambda: NOW)])
    app.add_routes([web.post("/x", hello)])
    running = await serve_app(app, "127.0.0.1", 0)
    client = SignedClient(lambda: identity, timeout_s=PATIENCE_S, clock=lambda: NOW)
    try:
        answers = await asyncio.gather(
            *(
                client.request(
                    "POST", f"{running.address}/x", body=b"a", content_type="text/plain", expected_participant="GATEWAY"
                )
                for _ in range(8)
            )
        )
    finally:
        await client.close()
        await running.close()
        key.close()
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"salam")}
