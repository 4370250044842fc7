"""Our seal, read by another implementation of XML signatures and XAdES (signxml)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from signxml import DigestAlgorithm, InvalidDigest, SignatureConfiguration, SignatureMethod
from signxml.xades import XAdESVerifier

from certs.asice import SIGNATURE_NAME, read_entries, seal
from certs.authority import Authority

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
FILES = {"protokol.xml": ("application/xml", b"<a/>"), "protokol.pdf": ("application/pdf", b"%PDF-1.7\x00\xff")}
METHODS = {"rsa": SignatureMethod.RSA_SHA256, "p256": SignatureMethod.ECDSA_SHA256}


@pytest.mark.parametrize("key", ["rsa", "p256"])
def test_another_implementation_verifies_our_seal_over_every_file(key: str) -> None:
    credential = Authority.create(NOW).issue("GATEWAY", "Qapı", key=key, now=NOW)
    entries = read_entries(seal(FILES, credential, now=NOW))
    expected = SignatureConfiguration(
        expect_references=3,
        signature_methods=frozenset({METHODS[key]}),
        digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
        location=".//",
        verification_time=NOW,
    )

    def verify(files: dict[str, bytes]) -> list[object]:
        return XAdESVerifier().verify(
            entries[SIGNATURE_NAME],
            x509_cert=credential.certificate,
            uri_resolver=files.__getitem__,
            expect_config=expected,
        )

    results = verify(entries)
    assert [result.signed_data for result in results[:2]] == [content for _, content in FILES.values()]  # type: ignore[attr-defined]
    with pytest.raises(InvalidDigest):
        verify(entries | {"protokol.pdf": b"other"})
