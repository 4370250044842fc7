"""RFC 3161 tokens: what an authority gives holds, by OpenSSL too; every change to it is refused."""

from __future__ import annotations

import hashlib
import random
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import which

import pytest

from certs.authority import Authority
from certs.keystore import Credential
from certs.timestamp import answer, policy_of, request, token_of, verify
from certs.trust import TrustStore
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
DATA = b"the root of a tree"
DIGEST = hashlib.sha256(DATA).digest()
NONCE = 0x1234567890


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create(NOW - timedelta(days=1))


def trust_of(authority: Authority, at: datetime = NOW) -> TrustStore:
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(at)]
    )
    return trust.with_policy(policy_of(trust.policy))


def stamped(credential: Credential, digest: bytes = DIGEST) -> bytes:
    return token_of(answer(request(digest, NONCE), credential, now=NOW, serial=7), NONCE)


def code_of(token: bytes, trust: TrustStore, digest: bytes = DIGEST) -> ErrorCode:
    with pytest.raises(RefusedError) as refused:
        verify(token, digest, trust)
    return refused.value.refusal.code


@pytest.mark.parametrize("key", ["rsa", "p256"])
def test_a_token_states_when_the_digest_existed_and_openssl_agrees(
    authority: Authority, key: str, tmp_path: Path
) -> None:
    credential = authority.issue_time_stamper("Vaxt Mərkəzi (nümunə)", key=key, now=NOW - timedelta(hours=1))
    reply = answer(request(DIGEST, NONCE), credential, now=NOW, serial=7)
    held = verify(token_of(reply, NONCE), DIGEST, trust_of(authority))
    assert (held.at, held.serial) == (NOW, 7)
    if which("openssl") is None:
        pytest.skip("no openssl here to agree")
    for name, content in (("data", DATA), ("reply", reply), ("root.pem", authority.anchors_pem)):
        (tmp_path / name).write_bytes(content)
    command = ["openssl", "ts", "-verify", "-data", "data", "-in", "reply", "-CAfile", "root.pem"]
    (tmp_path / "issuing.pem").write_bytes(authority.intermediates_pem)
    command += ["-untrusted", "issuing.pem"]
    at = ["-attime", str(int(NOW.timestamp()))]
    assert subprocess.run([*command, *at], cwd=tmp_path, capture_output=True, check=False).returncode == 0


def test_a_query_by_openssl_is_answered(authority: Authority, tmp_path: Path) -> None:
    if which("openssl") is None:
        pytest.skip("no openssl here to ask")
    (tmp_path / "data").write_bytes(DATA)
    subprocess.run(
        ["openssl", "ts", "-query", "-data", "data", "-sha256", "-cert", "-no_nonce", "-out", "query"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    credential = authority.issue_time_stamper("Vaxt", key="p256", now=NOW)
    reply = answer((tmp_path / "query").read_bytes(), credential, now=NOW, serial=1)
    with pytest.raises(RefusedError):
        token_of(reply, NONCE)  # another nonce than ours, none at all, is not our answer


def test_another_digest_is_refused(authority: Authority) -> None:
    token = stamped(authority.issue_time_stamper("Vaxt", key="p256", now=NOW))
    assert code_of(token, trust_of(authority), hashlib.sha256(b"other").digest()) is ErrorCode.DIGEST_MISMATCH


def test_one_changed_bit_anywhere_is_refused_or_changes_nothing(authority: Authority) -> None:
    """Issuers' certificates brought along are not signed: damage there may pass, and the statement is the same."""
    token, trust = stamped(authority.issue_time_stamper("Vaxt", key="p256", now=NOW)), trust_of(authority)
    expected, chance, passed = verify(token, DIGEST, trust), random.Random(5), 0
    for place in chance.sample(range(len(token)), 300):
        changed = bytearray(token)
        changed[place] ^= 1 << chance.randrange(8)
        try:
            assert verify(bytes(changed), DIGEST, trust) == expected
            passed += 1
        except RefusedError:
            continue
    assert passed < 130


def test_a_participant_s_certificate_stamps_nothing(authority: Authority) -> None:
    token = stamped(authority.issue("GATEWAY", "eHərrac şlüzü", key="p256", now=NOW))
    assert code_of(token, trust_of(authority)) is ErrorCode.CERTIFICATE_USAGE


def test_a_time_stamper_signs_no_messages(authority: Authority) -> None:
    credential = authority.issue_time_stamper("Vaxt", key="p256", now=NOW)
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )
    with pytest.raises(RefusedError) as refused:
        trust.judge(credential.certificate, credential.chain, NOW)
    assert refused.value.refusal.code is ErrorCode.CERTIFICATE_USAGE


def test_an_authority_of_time_is_one_that_ocsp_is_asked_about(authority: Authority) -> None:
    """Where no list tells of it, its first stamp is not believed, but the gateway learns whom to ask about."""
    credential = authority.issue_time_stamper("Vaxt", key="p256", now=NOW)
    trust = TrustStore.from_pem(anchors=authority.anchors_pem, intermediates=authority.intermediates_pem)
    assert code_of(stamped(credential), trust.with_policy(policy_of(trust.policy))) is ErrorCode.REVOCATION_UNKNOWN
    assert credential.certificate in [certificate for certificate, _ in trust.seen]


def test_another_authority_s_stamp_is_not_trusted(authority: Authority) -> None:
    other = Authority.create(NOW - timedelta(days=1))
    token = stamped(other.issue_time_stamper("Yad", key="p256", now=NOW))
    assert code_of(token, trust_of(authority)) is ErrorCode.CERTIFICATE_UNTRUSTED


def test_a_revoked_authority_s_stamp_is_refused_from_its_revocation_on(authority: Authority) -> None:
    credential = authority.issue_time_stamper("Vaxt", key="p256", now=NOW - timedelta(hours=2))
    token = stamped(credential)
    authority.revoke(format(credential.certificate.serial_number, "x"), NOW + timedelta(minutes=1))
    assert verify(token, DIGEST, trust_of(authority, NOW + timedelta(minutes=2))).at == NOW
    late = answer(request(DIGEST, NONCE), credential, now=NOW + timedelta(minutes=2), serial=8)
    trust = trust_of(authority, NOW + timedelta(minutes=2))
    assert code_of(token_of(late, NONCE), trust) is ErrorCode.CERTIFICATE_REVOKED


@pytest.mark.parametrize("octets", [b"", b"\x30\x00", b"not DER", b"\x30\x82\xff\xff" + b"\0" * 50])
def test_what_is_no_answer_is_refused_as_such(octets: bytes, authority: Authority) -> None:
    with pytest.raises(RefusedError):
        token_of(octets, NONCE)
    assert code_of(octets, trust_of(authority)) is ErrorCode.SIGNATURE_MALFORMED
    with pytest.raises(RefusedError):
        answer(octets, authority.issue_time_stamper("Vaxt", key="p256", now=NOW), now=NOW, serial=1)
