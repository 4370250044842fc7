"""The command line of the XML Security Library: it verifies what we sign, and shows why it may not be our judge."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from certs.authority import Authority
from certs.wss import sign_envelope
from certs.xmldsig import sign_enveloped
from contracts.iso20022 import envelope
from contracts.iso20022.samples import STATUS, SYSTEM_BIC
from contracts.soap import model
from contracts.soap.codec import write
from contracts.soap.envelope import wrap
from contracts.soap.names import SoapVersion

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
IDS = ("--id-attr:Id", "Body", "--id-attr:Id", "Timestamp", "--id-attr:Id", "BinarySecurityToken")
WRAPPED, TAKEN = 363, 218

Verifies = Callable[..., bool]


@pytest.fixture(scope="module")
def xmlsec1(program: Callable[[str, str], str]) -> Verifies:
    """Whether xmlsec1 verifies files, every one, by a certificate's key."""
    path = program("xmlsec1", "xmlsec1")

    def verifies(certificate: Path, *files: Path) -> bool:
        command = [path, "--verify", *IDS, "--pubkey-cert-pem", str(certificate), *map(str, files)]
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0

    return verifies


@pytest.mark.parametrize("key", ["rsa", "p256"])
def test_xmlsec1_verifies_our_envelopes_and_iso_messages(xmlsec1: Verifies, tmp_path: Path, key: str) -> None:
    credential = Authority.create(NOW).issue("GATEWAY", "Şlüz (nümunə)", key=key, now=NOW)
    certificate = tmp_path / "signer.pem"
    certificate.write_bytes(credential.certificate.public_bytes(Encoding.PEM))
    soap = {version.name: wrap(version, write(model.ListOffers(message_id="m-1"))) for version in SoapVersion}
    for root in soap.values():
        sign_envelope(root, credential, now=NOW)
    iso = envelope.wrap(STATUS, from_bic=SYSTEM_BIC, to_bic="EHRNAZ22")
    sign_enveloped(iso, credential, into=envelope.signature_parent(iso))
    for name, root in {**soap, "iso": iso}.items():
        file = tmp_path / f"{name}.xml"
        file.write_bytes(etree.tostring(root))
        assert xmlsec1(certificate, file), name
        file.write_bytes(etree.tostring(root).replace(b"m-1", b"m-2").replace(b"ACSC", b"RJCT"))
        assert not xmlsec1(certificate, file), name


def test_most_wrapped_envelopes_pass_xmlsec1_and_none_passes_us(xmlsec1: Verifies, shared_testdata: Path) -> None:
    """Why we verify ourselves (ADR 0008); that none passes us is `tests/security/test_xsw_corpus.py`."""
    folder = shared_testdata / "xsw-soap"
    listed = [
        (index.parent / name, taken == "yes")
        for index in folder.glob("soap1*_signed/INDEX.tsv")
        for name, taken, *_ in (line.split("\t") for line in index.read_text().splitlines()[1:])
    ]
    taken = [file for file, is_taken in listed if is_taken]
    assert (len(listed), len(taken)) == (WRAPPED, TAKEN)
    assert xmlsec1(folder / "signer.pem", *taken)
    for file in [file for file, is_taken in listed if not is_taken][::15]:
        assert not xmlsec1(folder / "signer.pem", file)
