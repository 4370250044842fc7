"""The index of an evidence file: its published schema is its model's, instants keep their microseconds."""

from __future__ import annotations

import io
import json
import zipfile
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import resources

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.asice import MEDIA_TYPE
from certs.authority import Authority
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.evidence.model import Index, Item, index_schema, read_index, write_index
from gateway.evidence import verify_evidence

AT = datetime(2026, 11, 22, 9, 30, 0, 123_456, tzinfo=UTC)
ITEM = Item(
    number=1, at=AT, kind="message", file="00001.in.AOS.http", media_type="message/http", sha256="0" * 64, noun="lot",
    noun_id="L1", direction="in", source="AOS", message_id="m-1", signer="AOS"
)  # fmt: skip
INDEX = Index(lot_id="L1", exported_at=AT, exported_by="GATEWAY", items=(ITEM,), nouns=(), supplements=())


def test_the_published_schema_is_the_model_s() -> None:
    published = resources.files("contracts.evidence").joinpath("index-1.schema.json").read_text("utf-8")
    assert json.loads(published) == index_schema()


def test_an_index_is_read_as_it_was_written_to_the_microsecond() -> None:
    assert read_index(write_index(INDEX)) == INDEX


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"unknown": 1},
        {"items": [{}]},
        {"items": [ITEM.model_dump(mode="json") | {"file": "../etc/passwd"}]},
        {"items": [ITEM.model_dump(mode="json") | {"sha256": "A" * 64}]},
        {"exportedAt": "2026-11-22T09:30:00"},
    ],
)
def test_another_shape_is_refused(change: dict[str, object]) -> None:
    document = json.loads(write_index(INDEX)) | change
    with pytest.raises(RefusedError):
        read_index(json.dumps(document).encode())


VERSION_3 = b"\xa0\x03\x02\x01\x02"
ODD_CERTIFICATES: dict[str, Callable[[bytes], bytes]] = {
    "of another version": lambda der: der.replace(VERSION_3, VERSION_3[:-1] + b"\x5d", 1),
    "without its parts": lambda _: b"\x30\x00",
}


@pytest.mark.parametrize("odd", ODD_CERTIFICATES)
def test_certificates_that_nobody_can_read_are_a_finding_and_no_failure(odd: str) -> None:
    """They are read before anything of a file is believed: whoever packed it chose them."""
    authority = Authority.create(AT)
    (leaf,) = x509.load_pem_x509_certificates(authority.anchors_pem)
    body = b64(ODD_CERTIFICATES[odd](leaf.public_bytes(Encoding.DER)))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("mimetype", MEDIA_TYPE)
        archive.writestr("certificates.pem", f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    report = verify_evidence(packed.getvalue(), authority.anchors_pem)
    assert [finding.refusal and finding.refusal.code for finding in report.findings] == [
        ErrorCode.CERTIFICATE_MALFORMED
    ]


def b64(octets: bytes) -> str:
    text = b64encode(octets).decode()
    return "\n".join(text[place : place + 64] for place in range(0, len(text), 64))
