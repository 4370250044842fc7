"""`verify soap|rest|iso`: offline, exit 0 accepted or 3 refused, with the step, the cause and what to change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from certs.authority import Authority
from certs.http_signature import HttpRequestParts, HttpResponseParts, sign_request, sign_response
from certs.keystore import Credential
from certs.wss import SOAP_11, sign_envelope
from certs.xmldsig import sign_enveloped
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.iso20022 import envelope
from contracts.iso20022.samples import MOMENT, TRANSFER
from contracts.xml import parse_xml
from gateway.cli.main import app
from gateway.cli.world import packaged
from gateway.wire.octets import read_message, request_octets, response_octets

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
EXAMPLE = HttpRequestParts(
    method="POST",
    authority="gw.example",
    path="/v1/offers",
    query="a=1",
    headers=(("Host", "gw.example"), ("Content-Type", "application/json")),
    body=b'{"a":1}\n\n{}',
)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create(NOW - timedelta(days=1))


@pytest.fixture(scope="module")
def bank(authority: Authority) -> Credential:
    return authority.issue("999101", "Xəzər Nümunə Bankı", key="p256", now=NOW - timedelta(hours=1))


@pytest.fixture
def folder(tmp_path: Path, authority: Authority, bank: Credential) -> Path:
    (tmp_path / "ca.pem").write_bytes(authority.anchors_pem + authority.intermediates_pem)
    (tmp_path / "crl.pem").write_bytes(authority.crl(NOW))
    root = parse_xml(
        f'<s:Envelope xmlns:s="{SOAP_11}"><s:Body><a xmlns="urn:u"><b>1</b></a></s:Body></s:Envelope>'.encode()
    )
    sign_envelope(root, bank, now=NOW)
    data = etree.tostring(root)
    (tmp_path / "good.xml").write_bytes(data)
    (tmp_path / "bad.xml").write_bytes(data.replace(b"<b>", b"\n <b>"))
    return tmp_path


def run(folder: Path, *words: str, at: datetime = NOW, crl: bool = True) -> int:
    believed = ["--trust", str(folder / "ca.pem"), "--at", at.isoformat()]
    believed += [] if "--language" in words else ["--language", "en"]
    believed += ["--crl", str(folder / "crl.pem")] if crl else []
    files = [str(folder / word) if "." in word else word for word in words]
    try:
        app(["verify", *files, *believed], result_action="return_value")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_an_accepted_envelope_tells_signer_time_and_steps(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "soap", "good.xml") == 0
    said = capsys.readouterr().out
    assert "good.xml: accepted" in said
    assert "Signed by participant: 999101" in said
    assert "Signed at: 2026-11-22T09:00:00+00:00" in said
    assert "not judged" not in said


def test_a_refused_envelope_tells_step_reference_digests_cause_and_remedy(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "soap", "bad.xml") == 3
    said = capsys.readouterr().out
    for told in ("DIGEST_MISMATCH, at step 9 digests", "reference: #body-", "expected: ", "received: "):
        assert told in said
    assert "White space between elements was changed after signing" in said
    assert "Do not format or write the XML again" in said


def test_several_files_get_a_line_each_and_one_refusal_is_enough(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "soap", "good.xml", "bad.xml") == 3
    first, second = capsys.readouterr().out.splitlines()
    assert "good.xml: accepted" in first
    assert "bad.xml: refused: DIGEST_MISMATCH" in second


def test_age_is_judged_unless_widened_and_a_missing_list_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = NOW + timedelta(minutes=4)
    assert run(folder, "soap", "good.xml", at=late, crl=False) == 0
    assert "Revocation was not judged" in capsys.readouterr().out
    assert run(folder, "soap", "good.xml", "--max-age-s", "60", at=late) == 3
    assert "10 timestamp" in capsys.readouterr().out


def test_what_cannot_be_read_ends_with_two(folder: Path) -> None:
    assert run(folder, "soap", "absent.xml") == 2


def test_a_logged_request_and_its_answer_verify(folder: Path, bank: Credential) -> None:
    request = EXAMPLE.with_headers(sign_request(EXAMPLE, bank, now=NOW, nonce="n"))
    answer = HttpResponseParts(status=202, headers=(("Content-Type", "application/json"),), body=b"{}")
    answer = answer.with_headers(sign_response(answer, request, bank, now=NOW))
    (folder / "request.http").write_bytes(request_octets(request))
    (folder / "answer.http").write_bytes(response_octets(answer))
    assert run(folder, "rest", "request.http") == 0
    assert run(folder, "rest", "answer.http", "--request", str(folder / "request.http")) == 0
    assert run(folder, "rest", "answer.http") == 3
    (folder / "other.http").write_bytes(request_octets(replace(request, body=b'{"a": 1}')))
    assert run(folder, "rest", "other.http") == 3


def test_an_iso_message_verifies_by_its_header(
    folder: Path, bank: Credential, capsys: pytest.CaptureFixture[str]
) -> None:
    root = envelope.wrap(TRANSFER, from_bic="EHRNAZ22", to_bic="NABZAZ2CIPS")
    sign_enveloped(root, bank, into=envelope.signature_parent(root))
    (folder / "iso.xml").write_bytes(etree.tostring(root))
    at = MOMENT + timedelta(minutes=1)
    assert run(folder, "iso", "iso.xml", at=at) == 0
    assert run(folder, "iso", "iso.xml", "--max-age-s", "20", at=at) == 3
    (folder / "changed.xml").write_bytes(etree.tostring(root).replace(b"lot 7", b"lot 8"))
    assert run(folder, "iso", "changed.xml", at=at) == 3
    assert "8 digest" in capsys.readouterr().out


@pytest.mark.parametrize("form", [request_octets(EXAMPLE), request_octets(EXAMPLE).replace(b"\r\n", b"\n")])
def test_what_was_kept_is_read_back_to_the_octet(form: bytes) -> None:
    assert read_message(form) == EXAMPLE


@pytest.mark.parametrize("octets", [b"", b"GET", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\nbad\r\n\r\n", b"<xml/>\n\n"])
def test_other_octets_are_not_taken_for_http(octets: bytes) -> None:
    with pytest.raises(RefusedError) as caught:
        read_message(octets)
    assert caught.value.refusal.code is ErrorCode.CONTENT_TYPE


@pytest.mark.parametrize("spelling", ["wcf_order", "wcf-order"])
def test_what_the_operator_tolerates_is_tolerated_only_if_asked(
    folder: Path, capsys: pytest.CaptureFixture[str], spelling: str
) -> None:
    """As the doors: off unless granted, and the refusal names what would help."""
    root = parse_xml((folder / "good.xml").read_bytes())
    security = root[0][0]
    security.append(security[0])
    (folder / "turned.xml").write_bytes(etree.tostring(root))
    assert run(folder, "soap", "turned.xml") == 3
    assert "tolerance: wcf_order" in capsys.readouterr().out
    assert run(folder, "soap", "turned.xml", "--tolerate", spelling) == 0
    assert run(folder, "soap", "turned.xml", "--tolerate", "node_soap") == 3


# --- With what a gateway expects of a counterparty -------------------------------------------------------------------


@pytest.fixture
def configured(folder: Path) -> Path:
    """A gateway's configuration that expects more of this bank than of others."""
    text = packaged("demo.toml").replace('code = "999101"', 'code = "999101"\nexpects = { rsa_min_bits = 4096 EXPECTS}')
    (folder / "gateway.toml").write_text(text.replace(" EXPECTS", ', algorithms = ["rsa-sha256"], key_types = ["rsa"]'))
    (folder / "lax.toml").write_text(text.replace(" EXPECTS", ""))
    return folder


def test_a_file_is_judged_by_what_is_expected_of_its_sender(
    configured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """AOS-S2."""
    assert run(configured, "soap", "good.xml", "--config", "gateway.toml", "--as", "999101") == 3
    said = capsys.readouterr().out
    assert "CERTIFICATE_USAGE, at step 7 certificate" in said
    assert "key type, expected rsa, found p256" in said
    assert "tell the gateway's operator" in said
    assert run(configured, "soap", "good.xml", "--config", "lax.toml", "--as", "999101") == 0


def test_another_than_the_named_counterparty_is_told(configured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """AOS-S1."""
    assert run(configured, "soap", "good.xml", "--config", "lax.toml", "--as", "999202") == 3
    assert "PARTICIPANT_MISMATCH" in capsys.readouterr().out


def test_without_trust_the_configurations_key_folder_is_believed(
    configured: Path, authority: Authority, bank: Credential
) -> None:
    keys = configured / "keys"
    keys.mkdir()
    (keys / "anchors.pem").write_bytes(authority.anchors_pem)
    (keys / "intermediates.pem").write_bytes(authority.intermediates_pem)
    (keys / "crl.pem").write_bytes(authority.crl(NOW))
    words = ["soap", str(configured / "good.xml"), "--config", str(configured / "lax.toml"), "--at", NOW.isoformat()]
    app(["verify", *words], result_action="return_value")
    (keys / "anchors.pem").write_bytes(Authority.create(NOW).anchors_pem)
    with pytest.raises(SystemExit, match="3"):
        app(["verify", *words], result_action="return_value")


def test_it_is_told_in_russian_too(configured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("soap", "good.xml", "--config", "gateway.toml", "--as", "999101", "--language", "ru")
    assert run(configured, *words) == 3
    assert "ожидается: rsa, получено: p256" in capsys.readouterr().out
