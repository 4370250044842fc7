"""Who is believed: each certificate here is built with one fault and refused for exactly that fault."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.authority import Authority
from certs.keystore import Credential, pem_bundle
from certs.revocation import load_lists
from certs.trust import Revocation, TrustPolicy, TrustStore
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import Refusal, RefusedError

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def authority() -> Authority:
    return Authority.create(NOW)


@pytest.fixture
def bank(authority: Authority) -> Credential:
    return authority.issue("999101", "Xəzər Nümunə Bankı", key="p256", now=NOW)


def store(authority: Authority, *, crls: Sequence[bytes] | None = None, **policy: object) -> TrustStore:
    return TrustStore.from_pem(
        anchors=authority.anchors_pem,
        intermediates=authority.intermediates_pem,
        crls=[authority.crl(NOW)] if crls is None else crls,
        policy=TrustPolicy(**policy),
    )


def refusal_of(trust: TrustStore, certificate: x509.Certificate, at: datetime = NOW) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        trust.judge(certificate, (), at)
    return caught.value.refusal


def test_a_participant_of_our_authority_is_believed(authority: Authority, bank: Credential) -> None:
    """AOS-S1: known by the registration code in the certificate."""
    signer = store(authority).judge(bank.certificate, (), NOW)
    assert signer.participant == "999101"
    assert signer.certificate_sha256 == bank.certificate.fingerprint(SHA256()).hex()
    assert signer.serial == authority.register[0].serial


def test_the_path_may_come_with_the_message(authority: Authority, bank: Credential) -> None:
    trust = TrustStore.from_pem(anchors=authority.anchors_pem, crls=[authority.crl(NOW)])
    assert refusal_of(trust, bank.certificate).code is ErrorCode.CERTIFICATE_UNTRUSTED
    assert trust.judge(bank.certificate, bank.chain, NOW).participant == "999101"


def test_another_authority_of_the_same_name_is_not_believed(authority: Authority, bank: Credential) -> None:
    assert refusal_of(store(Authority.create(NOW)), bank.certificate).code is ErrorCode.CERTIFICATE_UNTRUSTED


@pytest.mark.parametrize("moment", [NOW - DAY, NOW + 366 * DAY])
def test_outside_its_validity_a_certificate_is_expired(
    authority: Authority, bank: Credential, moment: datetime
) -> None:
    refusal = refusal_of(store(authority, revocation=Revocation.NONE), bank.certificate, moment)
    assert refusal.code is ErrorCode.CERTIFICATE_EXPIRED
    assert refusal.facts["not_after"] == bank.certificate.not_valid_after_utc.isoformat()


def test_a_remembered_judgement_ends_with_the_certificate(authority: Authority, bank: Credential) -> None:
    trust = store(authority, revocation=Revocation.NONE)
    trust.judge(bank.certificate, (), NOW)
    assert refusal_of(trust, bank.certificate, NOW + 366 * DAY).code is ErrorCode.CERTIFICATE_EXPIRED


def test_a_naive_moment_is_refused(authority: Authority, bank: Credential) -> None:
    with pytest.raises(ValueError, match="aware"):
        store(authority).judge(bank.certificate, (), datetime(2026, 11, 22))


# --- Revocation -------------------------------------------------------------------------------------------------------


def test_a_revoked_certificate_counts_until_its_revocation_and_not_after(
    authority: Authority, bank: Credential
) -> None:
    authority.revoke(authority.register[0].serial, NOW + HOUR)
    trust = store(authority)
    assert trust.judge(bank.certificate, (), NOW).participant == "999101"
    assert trust.judge(bank.certificate, (), NOW + HOUR - timedelta(seconds=1)).participant == "999101"
    refusal = refusal_of(trust, bank.certificate, NOW + HOUR)
    assert refusal.code is ErrorCode.CERTIFICATE_REVOKED
    assert refusal.facts["revoked_at"] == (NOW + HOUR).isoformat()


def test_without_any_list_revocation_is_unknown_and_refused(authority: Authority, bank: Credential) -> None:
    assert refusal_of(store(authority, crls=[]), bank.certificate).code is ErrorCode.REVOCATION_UNKNOWN


@pytest.mark.parametrize("missing", ["issuing", "root"])
def test_the_lists_of_both_authorities_are_needed(authority: Authority, bank: Credential, missing: str) -> None:
    both = load_lists([authority.crl(NOW)])
    kept = both[1] if missing == "issuing" else both[0]
    trust = store(authority, crls=[kept.public_bytes(Encoding.DER)])
    assert refusal_of(trust, bank.certificate).code is ErrorCode.REVOCATION_UNKNOWN


def test_a_stale_list_is_no_list_even_for_a_remembered_certificate(authority: Authority, bank: Credential) -> None:
    trust = store(authority)
    trust.judge(bank.certificate, (), NOW + 24 * HOUR)
    refusal = refusal_of(trust, bank.certificate, NOW + 24 * HOUR + timedelta(seconds=1))
    assert refusal.code is ErrorCode.REVOCATION_UNKNOWN


def test_how_long_a_list_is_believed_past_its_end_is_policy(authority: Authority, bank: Credential) -> None:
    trust = store(authority, revocation_grace_s=3600)
    assert trust.judge(bank.certificate, (), NOW + 25 * HOUR).participant == "999101"
    assert refusal_of(trust, bank.certificate, NOW + 26 * HOUR).code is ErrorCode.REVOCATION_UNKNOWN


def test_the_newest_list_counts(authority: Authority, bank: Credential) -> None:
    before = authority.crl(NOW)
    authority.revoke(authority.register[0].serial, NOW)
    after = authority.crl(NOW)
    for crls in ([before, after], [after, before]):
        assert refusal_of(store(authority, crls=crls), bank.certificate).code is ErrorCode.CERTIFICATE_REVOKED


def test_a_list_signed_by_somebody_else_is_not_believed(authority: Authority, bank: Credential) -> None:
    forged = Authority.create(NOW).crl(NOW)  # same names, other keys
    assert refusal_of(store(authority, crls=[forged]), bank.certificate).code is ErrorCode.REVOCATION_UNKNOWN


@pytest.mark.parametrize(
    "extension",
    [
        x509.DeltaCRLIndicator(1),
        x509.IssuingDistributionPoint(
            full_name=None,
            relative_name=None,
            only_contains_user_certs=False,
            only_contains_ca_certs=True,
            only_some_reasons=None,
            indirect_crl=False,
            only_contains_attribute_certs=False,
        ),
    ],
)
def test_a_partial_list_is_not_taken_for_a_complete_one(
    authority: Authority, bank: Credential, extension: x509.ExtensionType
) -> None:
    files = authority.to_files()
    issuing = x509.load_pem_x509_certificate(files["issuing.pem"])
    partial = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuing.subject)
        .last_update(NOW)
        .next_update(NOW + DAY)
        .add_extension(extension, critical=True)
        .sign(load_pem_private_key(files["issuing.key.pem"], None), SHA256())
    )
    root_list = load_lists([authority.crl(NOW)])[1].public_bytes(Encoding.DER)
    trust = store(authority, crls=[root_list, partial.public_bytes(Encoding.DER)])
    assert refusal_of(trust, bank.certificate).code is ErrorCode.REVOCATION_UNKNOWN


def test_a_revoked_issuing_authority_takes_its_leaves_with_it(authority: Authority, bank: Credential) -> None:
    files = authority.to_files()
    root = x509.load_pem_x509_certificate(files["root.pem"])
    entry = x509.RevokedCertificateBuilder().serial_number(bank.chain[0].serial_number).revocation_date(NOW).build()
    root_list = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(NOW)
        .next_update(NOW + DAY)
        .add_revoked_certificate(entry)
        .sign(load_pem_private_key(files["root.key.pem"], None), SHA256())
    )
    issuing_list = load_lists([authority.crl(NOW)])[0]
    trust = store(authority, crls=[item.public_bytes(Encoding.DER) for item in (root_list, issuing_list)])
    assert refusal_of(trust, bank.certificate).code is ErrorCode.CERTIFICATE_REVOKED


def test_anchors_without_lists_can_be_declared(authority: Authority, bank: Credential) -> None:
    trust = store(authority, crls=[], revocation=Revocation.NONE)
    assert trust.judge(bank.certificate, (), NOW).participant == "999101"


# --- Certificates with one fault --------------------------------------------------------------------------------------

Change = Callable[[x509.CertificateBuilder], x509.CertificateBuilder]

USAGE = {
    "digital_signature": True,
    "content_commitment": True,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}


def build(
    authority: Authority,
    *,
    codes: Sequence[str] = ("999101",),
    key: object = KEY,
    usage: dict[str, bool] | None = USAGE,
    ca: bool = False,
    extended: Sequence[x509.ObjectIdentifier] = (),
    unknown_critical: bool = False,
    not_after: datetime = NOW + DAY,
) -> x509.Certificate:
    """A leaf of the issuing CA; one argument makes its one fault."""
    files = authority.to_files()
    issuer = x509.load_pem_x509_certificate(files["issuing.pem"])
    names = [x509.NameAttribute(NameOID.COMMON_NAME, "Bank")]
    names += [x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, code) for code in codes]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())  # type: ignore[attr-defined]
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - HOUR)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False)
    )
    if usage is not None:
        builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    if unknown_critical:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
        builder = builder.add_extension(unknown, critical=True)
    return builder.sign(load_pem_private_key(files["issuing.key.pem"], None), SHA256())


def _with_exponent(exponent: int) -> SimpleNamespace:
    """A key as a stranger may make it up: trying its signature costs us what the exponent's length costs."""
    modulus = rsa.generate_private_key(65537, 2048).public_key().public_numbers().n
    return SimpleNamespace(public_key=rsa.RSAPublicNumbers(exponent, modulus).public_key)


FAULTS = [
    ("no participant code", {"codes": ()}, ErrorCode.CERTIFICATE_USAGE, "organizationIdentifier"),
    ("two participant codes", {"codes": ("999101", "AOS")}, ErrorCode.CERTIFICATE_USAGE, "organizationIdentifier"),
    ("code with a blank", {"codes": ("999101 ",)}, ErrorCode.CERTIFICATE_USAGE, "organizationIdentifier"),
    ("no key usage", {"usage": None}, ErrorCode.CERTIFICATE_USAGE, "keyUsage"),
    (
        "encryption only",
        {"usage": {**USAGE, "digital_signature": False, "key_encipherment": True}},
        ErrorCode.CERTIFICATE_USAGE,
        "keyUsage",
    ),
    ("a CA", {"ca": True}, ErrorCode.CERTIFICATE_USAGE, "basicConstraints"),
    ("servers only", {"extended": [ExtendedKeyUsageOID.SERVER_AUTH]}, ErrorCode.CERTIFICATE_USAGE, "extendedKeyUsage"),
    ("short RSA", {"key": rsa.generate_private_key(65537, 1024)}, ErrorCode.CERTIFICATE_USAGE, "key"),
    ("costly exponent", {"key": _with_exponent(2**33 + 1)}, ErrorCode.CERTIFICATE_USAGE, "key"),
    ("P-384", {"key": ec.generate_private_key(ec.SECP384R1())}, ErrorCode.CERTIFICATE_USAGE, "key"),
    ("Ed25519", {"key": ed25519.Ed25519PrivateKey.generate()}, ErrorCode.CERTIFICATE_USAGE, "key"),
    ("unknown critical extension", {"unknown_critical": True}, ErrorCode.CERTIFICATE_UNTRUSTED, None),
]


@pytest.mark.parametrize(("name", "fault", "code", "what"), FAULTS, ids=[row[0] for row in FAULTS])
def test_a_certificate_with_one_fault_is_refused_for_it(
    authority: Authority, name: str, fault: dict[str, object], code: ErrorCode, what: str | None
) -> None:
    refusal = refusal_of(store(authority), build(authority, **fault))
    assert (refusal.code, refusal.facts.get("what")) == (code, what)


@pytest.mark.parametrize(
    ("fault", "is_met"), [({}, True), ({"codes": ()}, False), ({"usage": None}, False), ({"ca": True}, False)]
)
def test_of_those_that_have_ended_only_who_could_have_signed_is_met(
    authority: Authority, fault: dict[str, object], is_met: bool
) -> None:
    """AOS-S1: an authority of the whole country has customers enough to push everybody we know out of the memory."""
    trust, ended = store(authority), build(authority, **fault)
    assert refusal_of(trust, ended, NOW + 2 * DAY).code is ErrorCode.CERTIFICATE_EXPIRED
    assert (ended in [certificate for certificate, _ in trust.seen]) is is_met


def test_the_same_certificate_without_a_fault_is_believed(authority: Authority) -> None:
    assert store(authority).judge(build(authority), (), NOW).participant == "999101"
    allowed = build(authority, extended=[ExtendedKeyUsageOID.EMAIL_PROTECTION])
    assert store(authority).judge(allowed, (), NOW).participant == "999101"


def test_a_leaf_does_not_outlive_its_issuing_authority(authority: Authority) -> None:
    trust = store(authority, revocation=Revocation.NONE)
    old = build(authority, not_after=NOW + 20 * 365 * DAY)
    assert trust.judge(old, (), NOW).participant == "999101"
    assert refusal_of(trust, old, NOW + 6 * 365 * DAY).code is ErrorCode.CERTIFICATE_EXPIRED


def test_a_leaf_cannot_issue(authority: Authority, bank: Credential) -> None:
    """A participant's key signs a certificate for another code; the path must not pass through a leaf."""
    forged = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, "AOS")]))
        .issuer_name(bank.certificate.subject)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(NOW - HOUR)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.KeyUsage(**USAGE), critical=True)
        .sign(bank.private_key, SHA256())
    )
    with pytest.raises(RefusedError) as caught:
        store(authority).judge(forged, (bank.certificate, *bank.chain), NOW)
    assert caught.value.refusal.code is ErrorCode.CERTIFICATE_UNTRUSTED


def test_a_message_cannot_bring_a_heap_of_certificates(authority: Authority, bank: Credential) -> None:
    with pytest.raises(RefusedError) as caught:
        store(authority).judge(bank.certificate, [bank.certificate] * 9, NOW)
    assert caught.value.refusal.code is ErrorCode.CERTIFICATE_UNTRUSTED


def test_several_anchors_stand_side_by_side(authority: Authority, bank: Credential) -> None:
    other = Authority.create(NOW)
    trust = TrustStore.from_pem(
        anchors=other.anchors_pem + authority.anchors_pem,
        intermediates=other.intermediates_pem + pem_bundle(bank.chain),
        crls=[other.crl(NOW), authority.crl(NOW)],
    )
    assert trust.judge(bank.certificate, (), NOW).participant == "999101"
    assert trust.judge(other.issue("AOS", "AÖS", key="p256", now=NOW).certificate, (), NOW).participant == "AOS"
