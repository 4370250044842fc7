"""The development authority issues what the trust floor asks for, and its files bring it back."""

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from certs.authority import Authority
from certs.keystore import Credential
from certs.revocation import load_lists
from certs.trust import TrustStore
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError

NOW = datetime(2026, 11, 22, 9, 30, 15, 250_000, tzinfo=UTC)


@pytest.fixture
def authority() -> Authority:
    return Authority.create(NOW)


def test_a_participant_gets_its_code_and_its_name_with_azerbaijani_letters(authority: Authority) -> None:
    credential = authority.issue("999202", "Günəş Nümunə Bankı", key="p256", now=NOW)
    assert credential.participant == "999202"
    assert "Günəş Nümunə Bankı" in credential.certificate.subject.rfc4514_string()
    usage = credential.certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.content_commitment
    assert not usage.value.key_cert_sign


@pytest.mark.parametrize(("kind", "key_class"), [("rsa", rsa.RSAPrivateKey), ("p256", ec.EllipticCurvePrivateKey)])
def test_both_kinds_of_keys_are_issued_and_survive_pem(authority: Authority, kind: str, key_class: type) -> None:
    credential = authority.issue("AOS", "AÖS", key=kind, now=NOW)
    again = Credential.from_pem(*credential.to_pem())
    assert isinstance(again.private_key, key_class)
    assert again == credential
    assert [entry.subject for entry in again.chain] == [entry.subject for entry in credential.chain]


def test_a_key_of_somebody_else_is_not_taken_for_a_credential(authority: Authority) -> None:
    ours, theirs = (authority.issue(code, code, key="p256", now=NOW) for code in ("A", "B"))
    with pytest.raises(ValueError, match="does not belong"):
        Credential.from_pem(theirs.to_pem()[0], ours.to_pem()[1])


def test_a_locked_key_is_our_own_fault_and_says_so(authority: Authority) -> None:
    credential = authority.issue("A", "A", key="p256", now=NOW)
    locked = credential.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    with pytest.raises(ValueError, match="cannot be read"):
        Credential.from_pem(locked, credential.to_pem()[1])


def test_a_short_key_is_our_own_fault_and_says_so(authority: Authority) -> None:
    short = rsa.generate_private_key(65537, 1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match="neither RSA"):
        Credential.from_pem(short, authority.anchors_pem)


@pytest.mark.parametrize("bundle", [b"", b"-----BEGIN CERTIFICATE-----\n", b"not a list"])
def test_what_holds_no_list_is_not_taken_for_one(bundle: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        load_lists([bundle])


def test_a_credential_never_shows_its_key(authority: Authority) -> None:
    assert "private" not in repr(authority.issue("A", "A", key="p256", now=NOW))


def test_a_leaf_never_outlives_its_issuer(authority: Authority) -> None:
    credential = authority.issue("A", "A", key="p256", now=NOW, days=36_500)
    assert credential.certificate.not_valid_after_utc == credential.chain[0].not_valid_after_utc


def test_serials_are_random(authority: Authority) -> None:
    serials = {authority.issue("A", "A", key="p256", now=NOW).certificate.serial_number for _ in range(20)}
    assert len(serials) == 20
    assert min(serials).bit_length() > 100


def test_a_server_certificate_names_hosts_and_addresses_and_cannot_sign_messages(authority: Authority) -> None:
    server = authority.issue_server("localhost", ["localhost", "127.0.0.1"], now=NOW).certificate
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1")]
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )
    with pytest.raises(RefusedError) as caught:
        trust.judge(server, (), NOW)
    assert caught.value.refusal.code is ErrorCode.CERTIFICATE_USAGE


def test_both_authorities_publish_a_list_whose_number_grows(authority: Authority) -> None:
    first, second = load_lists([authority.crl(NOW)]), load_lists([authority.crl(NOW)])
    assert len(first) == len(second) == 2
    numbers = [entry.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for entry in (*first, *second)]
    assert numbers == [1, 1, 2, 2]
    assert {entry.next_update_utc - entry.last_update_utc for entry in first} == {timedelta(hours=24)}
    assert len({entry.issuer for entry in first}) == 2


def test_an_authority_goes_on_from_its_files(authority: Authority) -> None:
    credential = authority.issue("A", "Ə", key="p256", now=NOW)
    serial = authority.register[0].serial
    authority.revoke(serial, NOW)
    authority.crl(NOW)
    again = Authority.from_files(authority.to_files())
    assert again.register == authority.register
    lists = load_lists([again.crl(NOW)])
    assert lists[0].get_revoked_certificate_by_serial_number(credential.certificate.serial_number) is not None
    assert lists[0].extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 2


def test_the_first_revocation_stays(authority: Authority) -> None:
    authority.issue("A", "A", key="p256", now=NOW)
    serial = authority.register[0].serial
    authority.revoke(serial, NOW)
    authority.revoke(serial, NOW + timedelta(days=1))
    assert authority.register[0].revoked_at == NOW.replace(microsecond=0)


def test_what_was_never_issued_cannot_be_revoked(authority: Authority) -> None:
    with pytest.raises(KeyError):
        authority.revoke("abc", NOW)


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        Authority.create(datetime(2026, 1, 1))


def _request(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, said: str = "whoever"
) -> x509.CertificateSigningRequest:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, said)])
    return x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, SHA256())


def test_a_request_gets_a_certificate_for_its_own_key_and_our_name_for_it(authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    path = authority.issue_requested(_request(key).public_bytes(Encoding.PEM), "999202", "Günəş Nümunə Bankı", now=NOW)
    credential = Credential(path[0], path[1:], key)
    assert credential.participant == "999202"
    assert "whoever" not in path[0].subject.rfc4514_string()
    assert path[0].public_key() == key.public_key()
    assert [line.participant for line in authority.register] == ["999202"]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda der: der[:-1] + bytes((der[-1] ^ 1,)), "not signed by its own key"),
        (lambda _: _request(ec.generate_private_key(ec.SECP384R1())).public_bytes(Encoding.DER), "neither RSA"),
        (lambda _: b"nothing", "."),
    ],
)
def test_a_request_that_proves_no_usable_key_gets_nothing(
    authority: Authority, spoil: Callable[[bytes], bytes], why: str
) -> None:
    der = _request(ec.generate_private_key(ec.SECP256R1())).public_bytes(Encoding.DER)
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\n" + b64encode(spoil(der)) + b"\n-----END CERTIFICATE REQUEST-----\n"
    with pytest.raises(ValueError, match=why):
        authority.issue_requested(pem, "999202", "Bank", now=NOW)
    assert authority.register == ()
