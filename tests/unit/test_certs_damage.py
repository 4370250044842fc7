"""A damaged certificate is refused; it never breaks the reader and never passes for another one."""

import random
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from certs.algorithms import is_affordable_key, load_certificate
from certs.authority import Authority
from certs.trust import TrustStore
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
MUTANTS = 8_000
SEED = 20261122


def test_damaged_certificates_are_refused_and_never_break_the_reader() -> None:
    authority = Authority.create(NOW)
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )
    whole = authority.issue("999101", "Xəzər", key="p256", now=NOW).certificate
    der = whole.public_bytes(Encoding.DER)
    rng = random.Random(SEED)
    for _ in range(MUTANTS):
        damaged = bytearray(der)
        for _ in range(rng.choice([1, 1, 2, 3])):
            damaged[rng.randrange(len(damaged))] = rng.choice([rng.randrange(256), rng.choice(der)])
        try:
            signer = trust.judge(load_certificate(bytes(damaged)), (), NOW)
        except RefusedError:
            continue
        assert signer.certificate.tbs_certificate_bytes == whole.tbs_certificate_bytes


@pytest.mark.parametrize(
    "der", [b"", b"\x30", b"not a certificate", b"\x30\x82\xff\xff" + b"\x00" * 100, b"\x30" * 20_000]
)
def test_what_is_no_certificate_is_malformed(der: bytes) -> None:
    with pytest.raises(RefusedError) as caught:
        load_certificate(der)
    assert caught.value.refusal.code is ErrorCode.CERTIFICATE_MALFORMED


@pytest.mark.parametrize(
    ("bits", "exponent", "affordable"),
    [(2048, 65_537, True), (4096, 3, True), (4104, 65_537, False), (2048, 2**32 + 1, False)],
)
def test_a_strangers_key_is_tried_only_if_trying_is_cheap(bits: int, exponent: int, affordable: bool) -> None:
    key = rsa.RSAPublicNumbers(exponent, 2 ** (bits - 1) + 1).public_key()
    assert is_affordable_key(key) is affordable
