"""What authorities sign, and what may be made of it: keys, names, lists, OCSP answers and time-stamps with one oddity.

Each is signed by whoever may sign it; only the plans of `certs.trust`, `certs.revocation`, `certs.ocsp` and
`certs.timestamp` can refuse it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asn1crypto import cms, tsp
from asn1crypto.core import BMPString
from asn1crypto.x509 import DirectoryString, Name, RDNSequence, RelativeDistinguishedName
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs import timestamp
from certs.algorithms import load_certificate, public_key_of
from certs.authority import Authority
from certs.ocsp import read_answer
from certs.trust import TrustPolicy, TrustStore
from contracts.errors import ErrorCode
from contracts.errors.refusal import Refusal, RefusedError

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HOUR, DAY, AGE = timedelta(hours=1), timedelta(days=1), timedelta(days=3650)
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Extensions = Sequence[tuple[x509.ExtensionType, bool]]
CODE = NameOID.ORGANIZATION_IDENTIFIER
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def usage(*wanted: str) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    names += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: name in wanted for name in names})


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def certificate(
    subject: x509.Name, key: Key, issuer: x509.Name, issuer_key: Key, extensions: Extensions, *, ended: bool = False
) -> x509.Certificate:
    """Ten years around now: the library dates OCSP answers by the clock on the wall."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - AGE)
        .not_valid_after(NOW - AGE + DAY if ended else NOW + AGE)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, SHA256())


def ca(name: str, key: Key) -> x509.Certificate:
    """An anchor."""
    extensions = [
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (usage("key_cert_sign", "crl_sign"), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ]
    return certificate(named(name), key, named(name), key, extensions)


def leaf(root: x509.Certificate, root_key: Key, subject: x509.Name, key: Key | None = None) -> x509.Certificate:
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    extensions = [(above, False), (usage("digital_signature"), True)]
    return certificate(subject, key or p256(), root.subject, root_key, extensions)


def crl(root: x509.Certificate, key: Key, extensions: Extensions = (), entry: Any = None) -> Any:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(NOW - HOUR)
        .next_update(NOW + DAY)
        .add_extension(x509.CRLNumber(1), critical=False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    if entry is not None:
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(key, SHA384() if key.key_size == 384 else SHA256())


KEY = p256()
ROOT = ca("Kök (nümunə)", KEY)
BANK = leaf(ROOT, KEY, x509.Name([x509.NameAttribute(CODE, "999101")]))


def store(
    *, root: x509.Certificate = ROOT, lists: Sequence[Any] = (), answers: Sequence[bytes] = (), **more: Any
) -> TrustStore:
    trust = TrustStore(anchors=[root], lists=lists, policy=TrustPolicy(), **({"intermediates": []} | more))
    return trust.with_revocation((), [read_answer(answer) for answer in answers])


def refusal_of(work: Callable[[], object]) -> Refusal | None:
    try:
        work()
    except RefusedError as error:
        return error.refusal
    return None


def code_of(work: Callable[[], object]) -> ErrorCode | None:
    refusal = refusal_of(work)
    return None if refusal is None else refusal.code


# --- Keys and names ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_an_authority_may_have_a_key_that_participants_may_not(curve: ec.EllipticCurve) -> None:
    """AOS-S1: its lists were refused, and the participant told that his own key is of the wrong kind."""
    key = ec.generate_private_key(curve)
    root = ca("Güclü kök (nümunə)", key)
    bank = leaf(root, key, x509.Name([x509.NameAttribute(CODE, "999101")]))
    trust = store(root=root, lists=[crl(root, key)])
    assert trust.believes_list(crl(root, key))
    assert trust.judge(bank, (), NOW).participant == "999101"
    forged = crl(root, ec.generate_private_key(curve))
    assert code_of(lambda: store(root=root, lists=[forged]).judge(bank, (), NOW)) is ErrorCode.REVOCATION_UNKNOWN


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.BrainpoolP256R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_another_curve_is_refused_and_named(curve: ec.EllipticCurve) -> None:
    odd = leaf(ROOT, KEY, x509.Name([x509.NameAttribute(CODE, "999101")]), ec.generate_private_key(curve))
    refusal = refusal_of(lambda: store(lists=[crl(ROOT, KEY)]).judge(odd, (), NOW))
    assert refusal is not None
    assert (refusal.code, refusal.facts["received"]) == (ErrorCode.CERTIFICATE_USAGE, curve.name)
    assert "secp256r1" in refusal.facts["expected"]


@pytest.mark.parametrize("exponent", [b"\x01", b"\x02", b"\x04"], ids=["one", "two", "even"])
def test_an_rsa_key_whose_signatures_anybody_could_make_is_no_key(exponent: bytes) -> None:
    """With the exponent one a signature is the padded digest itself."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    der = leaf(ROOT, KEY, x509.Name([x509.NameAttribute(CODE, "999101")]), key).public_bytes(Encoding.DER)
    honest = b"\x02\x03\x01\x00\x01"
    assert der.count(honest) == 1
    odd = _shortened(der, honest, b"\x02\x01" + exponent)
    refusal = refusal_of(lambda: public_key_of(load_certificate(odd)))
    assert refusal == Refusal(code=ErrorCode.CERTIFICATE_MALFORMED, facts={"what": "key"})
    assert public_key_of(load_certificate(_shortened(der, honest, b"\x02\x01\x03"))).key_size == 2048


def _shortened(der: bytes, old: bytes, new: bytes) -> bytes:
    """The key's number in its shortest form: every length around it two less."""
    place = der.index(old)
    made = bytearray(der[:place] + new + der[place + len(old) :])
    bits = der.rindex(b"\x03\x82\x01\x0f\x00\x30\x82\x01\x0a", 0, place)
    info = der.rindex(b"\x30\x82\x01\x22", 0, bits)
    for start in (0, 4, info, bits, bits + 5):  # certificate, its signed part, key info, bit string, key
        length = int.from_bytes(made[start + 2 : start + 4], "big") - 2
        made[start + 2 : start + 4] = length.to_bytes(2, "big")
    return bytes(made)


NAMES: dict[str, Sequence[x509.RelativeDistinguishedName | x509.NameAttribute]] = {
    "twice": [x509.NameAttribute(CODE, "999101"), x509.NameAttribute(CODE, "999101")],
    "two in one part": [
        x509.RelativeDistinguishedName([x509.NameAttribute(CODE, "999101"), x509.NameAttribute(CODE, "AOS")])
    ],
    "in two types of string": [
        x509.NameAttribute(CODE, "999101"),
        x509.NameAttribute(CODE, "999101", _ASN1Type.BMPString),
    ],
    "with NUL": [x509.NameAttribute(CODE, "999101\0.az")],
    "with a sign that nobody sees": [x509.NameAttribute(CODE, "999\u200b101")],
    "turned round": [x509.NameAttribute(CODE, "\u202e101999")],
    "in wide digits": [x509.NameAttribute(CODE, "９９９１０１")],
    "with a space": [x509.NameAttribute(CODE, "999101 AOS")],
    "with a line's end": [x509.NameAttribute(CODE, "999101\n")],
}


@pytest.mark.parametrize("name", NAMES)
def test_a_code_that_another_reader_would_read_otherwise_names_nobody(name: str) -> None:
    """AOS-S1."""
    parts = [
        part if isinstance(part, x509.RelativeDistinguishedName) else x509.RelativeDistinguishedName([part])
        for part in NAMES[name]
    ]
    odd = leaf(ROOT, KEY, x509.Name(parts))
    refusal = refusal_of(lambda: store(lists=[crl(ROOT, KEY)]).judge(odd, (), NOW))
    assert refusal is not None
    assert (refusal.code, refusal.facts["what"]) == (ErrorCode.CERTIFICATE_USAGE, "organizationIdentifier")
    assert refusal.facts["received"].isascii()


def test_who_need_be_no_participant_may_have_any_register_number() -> None:
    """PSP-7.7: German authorities of time write theirs with a space."""
    stamper = leaf(ROOT, KEY, x509.Name([x509.NameAttribute(CODE, "NTRDE-HRB 74346")]))
    trust = store(lists=[crl(ROOT, KEY)])
    anybody = trust.with_policy(replace(trust.policy, participant_required=False))
    assert anybody.judge(stamper, (), NOW).participant == ""


@pytest.mark.parametrize("kind", [_ASN1Type.BMPString, _ASN1Type.PrintableString, _ASN1Type.UniversalString])
def test_a_code_is_the_same_in_every_type_of_string(kind: _ASN1Type) -> None:
    bank = leaf(ROOT, KEY, x509.Name([x509.NameAttribute(CODE, "999101", kind)]))
    assert store(lists=[crl(ROOT, KEY)]).judge(bank, (), NOW).participant == "999101"


# --- Revocation lists -------------------------------------------------------------------------------------------------
def point(**said: Any) -> x509.IssuingDistributionPoint:
    nothing = {"full_name": None, "relative_name": None, "only_some_reasons": None, "indirect_crl": False}
    kinds = ("only_contains_user_certs", "only_contains_ca_certs", "only_contains_attribute_certs")
    return x509.IssuingDistributionPoint(**(nothing | dict.fromkeys(kinds, False) | said))


PARTIAL = {
    "of authorities": point(only_contains_ca_certs=True),
    "of users": point(only_contains_user_certs=True),
    "of attributes": point(only_contains_attribute_certs=True),
    "for some reasons": point(only_some_reasons=frozenset({x509.ReasonFlags.superseded})),
    "of others": point(indirect_crl=True),
    "of one point": point(full_name=[x509.UniformResourceIdentifier("http://lists.example/1.crl")]),
}


@pytest.mark.parametrize("critical", [True, False], ids=["critical", "not critical"])
@pytest.mark.parametrize("name", PARTIAL)
def test_a_partial_list_hides_nothing_however_it_is_marked(name: str, critical: bool) -> None:
    """AOS-S2: the newest list counts, so one of another kind in its place would take a revocation back."""
    partial = crl(ROOT, KEY, [(PARTIAL[name], critical)])
    assert code_of(lambda: store(lists=[partial]).judge(BANK, (), NOW)) is ErrorCode.REVOCATION_UNKNOWN


@pytest.mark.parametrize("reason", [reason for reason in x509.ReasonFlags if reason.name != "unspecified"])
def test_whatever_the_reason_a_listed_certificate_is_revoked(reason: x509.ReasonFlags) -> None:
    """AOS-S2: on hold, too."""
    entry = x509.RevokedCertificateBuilder().serial_number(BANK.serial_number).revocation_date(NOW - HOUR)
    entry = entry.add_extension(x509.CRLReason(reason), critical=False)
    refusal = refusal_of(lambda: store(lists=[crl(ROOT, KEY, entry=entry.build())]).judge(BANK, (), NOW))
    assert refusal is not None
    assert (refusal.code, refusal.facts["revoked_at"][:13]) == (ErrorCode.CERTIFICATE_REVOKED, "2026-11-22T08")


# --- OCSP -------------------------------------------------------------------------------------------------------------
def answer(
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    responder: tuple[x509.Certificate, Key] | None = None,
    issuer: x509.Certificate = ROOT,
    key: Key = KEY,
) -> bytes:
    revoked_at = NOW - DAY if status is ocsp.OCSPCertStatus.REVOKED else None
    builder = ocsp.OCSPResponseBuilder().add_response(BANK, issuer, SHA256(), status, NOW, NOW + HOUR, revoked_at, None)
    signer, signing = responder or (issuer, key)
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer)
    if responder is not None:
        builder = builder.certificates([signer])
    return builder.sign(signing, SHA256()).public_bytes(Encoding.DER)


def responder(*more: tuple[x509.ExtensionType, bool], key: Key | None = None, **said: Any) -> Callable[[], bytes]:
    def made() -> bytes:
        own = key or p256()
        extensions = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False), (x509.OCSPNoCheck(), False)]
        return answer(responder=(certificate(named("OCSP"), own, ROOT.subject, KEY, [*extensions, *more], **said), own))

    return made


RESPONDERS = {
    "one that says something critical that nobody knows": responder((UNKNOWN, True)),
    "one whose key does not sign": responder((usage("key_encipherment"), True)),
    "one with a weak key": responder(key=rsa.generate_private_key(public_exponent=65537, key_size=1024)),
    "one that has ended": responder(ended=True),
}


@pytest.mark.parametrize("name", RESPONDERS)
def test_a_responder_that_should_not_be_believed_is_not(name: str) -> None:
    """AOS-S2."""
    trust = store(answers=[RESPONDERS[name]()])
    assert code_of(lambda: trust.judge(BANK, (), NOW)) is ErrorCode.REVOCATION_UNKNOWN


@pytest.mark.parametrize("bit", ["digital_signature", "content_commitment"])
def test_an_honest_responder_is_believed(bit: str) -> None:
    """Whichever of the two key usages its authority gave it (RFC 5280, 4.2.1.12)."""
    honest = responder((usage(bit), True))()
    assert store(answers=[honest]).judge(BANK, (), NOW).participant == "999101"


def test_of_two_answers_of_one_second_the_one_that_says_revoked_counts() -> None:
    """AOS-S2: whoever stands on the line can give the older of the two once more."""
    good, revoked = answer(), answer(ocsp.OCSPCertStatus.REVOKED)
    for answers in ([good, revoked], [revoked, good]):
        trust = store(answers=answers)
        assert code_of(lambda trust=trust: trust.judge(BANK, (), NOW)) is ErrorCode.CERTIFICATE_REVOKED


def test_an_authority_of_the_same_name_vouches_for_nobody() -> None:
    """EHR-16: an evidence file brings its authorities along; whoever seals it can put one of his own among them."""
    key = p256()
    own = ca("Kök (nümunə)", key)
    trust = store(lists=[crl(ROOT, KEY)], intermediates=[own])
    forged = read_answer(answer(issuer=own, key=key))
    assert code_of(lambda: trust.vouched(BANK, [forged], NOW)) is ErrorCode.REVOCATION_UNKNOWN
    assert code_of(lambda: trust.vouched(BANK, [read_answer(answer())], NOW)) is None


# --- Time-stamps ------------------------------------------------------------------------------------------------------
DIGEST = hashlib.sha256(b"the root of a tree").digest()
_authority = Authority.create(NOW - DAY)
_clock = _authority.issue_time_stamper("Vaxt Mərkəzi (nümunə)", key="p256", now=NOW - HOUR)
_other = _authority.issue_time_stamper("Başqa Mərkəz (nümunə)", key="p256", now=NOW - HOUR)
_judging = TrustStore.from_pem(
    anchors=_authority.anchors_pem, intermediates=_authority.intermediates_pem, crls=[_authority.crl(NOW)]
)
_clocks = _judging.with_policy(timestamp.policy_of(_judging.policy))


def token(change: Callable[[cms.SignedData], None] = lambda _: None, **said: Any) -> bytes:
    """A token whose signature holds; `said` goes into what is signed, `change` touches what is not."""
    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": DIGEST}
    fields = {"version": "v1", "policy": "1.2.3", "message_imprint": imprint, "serial_number": 7, "gen_time": NOW}
    signed = timestamp._signed_data(tsp.TSTInfo(fields | said), _clock)
    change(signed)
    encoded: bytes = cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump()
    return encoded


def name_another(signed: cms.SignedData) -> None:
    other = timestamp._asn1(_other.certificate)
    named = cms.IssuerAndSerialNumber({"issuer": other.issuer, "serial_number": other.serial_number})
    signed["signer_infos"][0]["sid"] = cms.SignerIdentifier("issuer_and_serial_number", named)


def encode_the_name_anew(signed: cms.SignedData) -> None:
    """As BMPString, and only where RFC 5280 leaves the choice."""
    own, serial = timestamp._asn1(_clock.certificate).issuer, _clock.certificate.serial_number
    parts = [part for relative in own.chosen for part in relative]
    anew = [
        {"type": part["type"], "value": DirectoryString("bmp_string", BMPString(part.native["value"]))}
        for part in parts
    ]
    name = Name("", RDNSequence([RelativeDistinguishedName([part]) for part in anew]))
    named = cms.IssuerAndSerialNumber({"issuer": name, "serial_number": serial})
    signed["signer_infos"][0]["sid"] = cms.SignerIdentifier("issuer_and_serial_number", named)


def take_attributes(signed: cms.SignedData) -> None:
    del signed["signer_infos"][0]["signed_attrs"]


def take_certificates(signed: cms.SignedData) -> None:
    signed["certificates"] = []


def sign_twice(signed: cms.SignedData) -> None:
    signed["signer_infos"].append(signed["signer_infos"][0])


_CRITICAL = [{"extn_id": "1.2.3.4", "critical": True, "extn_value": b"\x05\x00"}]
_SHA1 = {"hash_algorithm": {"algorithm": "sha1"}, "hashed_message": DIGEST[:20]}

TOKENS: dict[str, Callable[[], bytes]] = {
    "a critical extension": lambda: token(extensions=_CRITICAL),
    "an imprint by SHA-1": lambda: token(message_imprint=_SHA1),
    "another signer named beside": lambda: token(name_another),
    "no signed attributes": lambda: token(take_attributes),
    "no certificate": lambda: token(take_certificates),
    "two signers": lambda: token(sign_twice),
    "octets behind": lambda: token() + b"\0",
}


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_with_one_oddity_is_refused(name: str) -> None:
    """PSP-7.7."""
    made = TOKENS[name]()
    assert code_of(lambda: timestamp.verify(made, DIGEST, _clocks)) is ErrorCode.SIGNATURE_MALFORMED


def test_a_token_may_say_how_exact_it_is_and_in_what_order() -> None:
    made = token(accuracy={"seconds": 1}, ordering=True, extensions=[_CRITICAL[0] | {"critical": False}])
    assert timestamp.verify(made, DIGEST, _clocks).at == NOW


def test_a_token_may_write_its_authoritys_name_in_other_octets() -> None:
    """RFC 5280, 7.1: written in another of its encodings a name is the same name."""
    assert timestamp.verify(token(encode_the_name_anew), DIGEST, _clocks).at == NOW
