"""What is known about revocation: delta lists, the age of lists, OCSP answers, and how an issuer stands."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.authority import Authority
from certs.freshness import RevocationState
from certs.keystore import Credential
from certs.ocsp import build_request, read_answer
from certs.revocation import load_lists
from certs.trust import TrustPolicy, TrustStore
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RESPONDER_ENDS = datetime(2999, 12, 31, tzinfo=UTC)  # the library dates an answer on the day of the test
THREE_HOURS_S = 10_800


@dataclass(frozen=True)
class World:
    authority: Authority
    bank: Credential
    issuer: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    root_list: bytes

    def trust(self, lists: Sequence[bytes], answers: Sequence[bytes] = (), **policy: int) -> TrustStore:
        store = TrustStore.from_pem(
            anchors=self.authority.anchors_pem,
            intermediates=self.authority.intermediates_pem,
            crls=[self.root_list, *lists],
            policy=TrustPolicy(**policy),
        )
        return store.with_revocation((), [read_answer(answer) for answer in answers])

    def crl(
        self,
        number: int,
        *,
        base: int | None = None,
        entries: Sequence[tuple[int, x509.ReasonFlags | None]] = (),
        at: datetime = NOW,
        until: datetime | None = None,
    ) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.issuer.subject)
            .last_update(at)
            .next_update(until or at + DAY)
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        if base is not None:
            builder = builder.add_extension(x509.DeltaCRLIndicator(base), critical=True)
        for serial, reason in entries:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - HOUR)
            if reason is not None:
                entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.DER)

    def responder(
        self,
        *,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.OCSP_SIGNING,
        nocheck: bool = True,
        signed_by: ec.EllipticCurvePrivateKey | None = None,
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "OCSP")]))
            .issuer_name(self.issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - DAY)
            .not_valid_after(RESPONDER_ENDS)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if nocheck:
            builder = builder.add_extension(x509.OCSPNoCheck(), critical=False)
        return builder.sign(signed_by or self.key, SHA256()), key

    def answer(
        self,
        *,
        status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
        responder: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None,
        at: datetime = NOW,
        until: datetime | None = NOW + HOUR,
        revoked_at: datetime | None = None,
        about: x509.Certificate | None = None,
    ) -> bytes:
        signer, key = responder or (self.issuer, self.key)
        builder = ocsp.OCSPResponseBuilder().add_response(
            about or self.bank.certificate,
            self.issuer,
            SHA256(),
            status,
            at,
            until,
            revoked_at,
            None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer)
        if responder is not None:
            builder = builder.certificates([signer])
        return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def world() -> World:
    authority = Authority.create(NOW - DAY)
    files = authority.to_files()
    key = load_pem_private_key(files["issuing.key.pem"], None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return World(
        authority,
        authority.issue("999101", "Xəzər Nümunə Bankı", key="p256", now=NOW - DAY),
        x509.load_pem_x509_certificate(files["issuing.pem"]),
        key,
        load_lists([authority.crl(NOW)])[1].public_bytes(Encoding.DER),
    )


def verdict(world: World, trust: TrustStore, at: datetime = NOW) -> str:
    try:
        return trust.judge(world.bank.certificate, (), at).participant
    except RefusedError as error:
        return error.refusal.code


# --- Delta lists ------------------------------------------------------------------------------------------------------


def test_an_entry_of_a_delta_counts(world: World) -> None:
    serial = world.bank.certificate.serial_number
    delta = world.crl(6, base=5, entries=[(serial, None)])
    assert verdict(world, world.trust([world.crl(5)])) == "999101"
    assert verdict(world, world.trust([world.crl(5), delta])) == ErrorCode.CERTIFICATE_REVOKED


def test_an_entry_lifted_by_a_delta_is_lifted(world: World) -> None:
    serial = world.bank.certificate.serial_number
    held = world.crl(5, entries=[(serial, x509.ReasonFlags.certificate_hold)])
    lifted = world.crl(6, base=5, entries=[(serial, x509.ReasonFlags.remove_from_crl)])
    assert verdict(world, world.trust([held])) == ErrorCode.CERTIFICATE_REVOKED
    assert verdict(world, world.trust([held, lifted])) == "999101"


@pytest.mark.parametrize(("base", "number"), [(6, 7), (3, 5)])
def test_a_delta_on_a_newer_base_or_older_than_the_list_is_left_alone(world: World, base: int, number: int) -> None:
    delta = world.crl(number, base=base, entries=[(world.bank.certificate.serial_number, None)])
    assert verdict(world, world.trust([world.crl(5), delta])) == "999101"


def test_a_delta_alone_is_not_a_complete_list(world: World) -> None:
    assert verdict(world, world.trust([world.crl(6, base=5)])) == ErrorCode.REVOCATION_UNKNOWN


# --- Age --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "expected"), [(3 * HOUR, "999101"), (3 * HOUR + timedelta(seconds=1), ErrorCode.REVOCATION_UNKNOWN)]
)
def test_a_list_older_than_three_hours_is_stale_whatever_its_next_update(
    world: World, after: timedelta, expected: str
) -> None:
    trust = world.trust([world.crl(5)], revocation_max_age_s=THREE_HOURS_S)
    assert verdict(world, trust, NOW + after) == expected


def test_a_fresh_delta_keeps_an_older_complete_list_fresh(world: World) -> None:
    delta = world.crl(6, base=5, at=NOW + 4 * HOUR)
    trust = world.trust([world.crl(5), delta, *_root_later(world)], revocation_max_age_s=THREE_HOURS_S)
    assert verdict(world, trust, NOW + 6 * HOUR) == "999101"


def _root_later(world: World) -> list[bytes]:
    return [load_lists([world.authority.crl(NOW + 4 * HOUR)])[1].public_bytes(Encoding.DER)]


def test_an_issuer_goes_from_fresh_over_stale_to_closed(world: World) -> None:
    trust = world.trust([world.crl(5)], revocation_max_age_s=THREE_HOURS_S, revocation_grace_s=3600)
    told = [
        (standing.state, standing.grace_left_s)
        for moment in (NOW, NOW + 3 * HOUR + timedelta(minutes=20), NOW + 4 * HOUR + timedelta(seconds=1))
        for standing in trust.standings(moment)
        if "Buraxan" in standing.issuer
    ]
    assert told == [
        (RevocationState.FRESH, 3600),
        (RevocationState.STALE, 2400),
        (RevocationState.CLOSED, 0),
    ]
    assert verdict(world, trust, NOW + 4 * HOUR) == "999101"
    assert verdict(world, trust, NOW + 4 * HOUR + timedelta(seconds=1)) == ErrorCode.REVOCATION_UNKNOWN


def test_an_issuer_of_whom_nothing_is_known_is_closed(world: World) -> None:
    states = {standing.issuer: standing.state for standing in world.trust([]).standings(NOW)}
    assert sorted(states.values()) == [RevocationState.CLOSED, RevocationState.FRESH]


# --- OCSP -------------------------------------------------------------------------------------------------------------


def test_an_answer_of_the_issuer_or_of_its_responder_stands_for_a_list(world: World) -> None:
    for answer in (world.answer(), world.answer(responder=world.responder())):
        assert verdict(world, world.trust([], [answer])) == "999101"
        assert verdict(world, world.trust([], [answer]), NOW + 2 * HOUR) == ErrorCode.REVOCATION_UNKNOWN


def test_who_says_revoked_is_heard_against_the_other(world: World) -> None:
    revoked = world.answer(status=ocsp.OCSPCertStatus.REVOKED, revoked_at=NOW - HOUR)
    trust = world.trust([world.crl(5)], [revoked])
    assert verdict(world, trust) == ErrorCode.CERTIFICATE_REVOKED
    listed = world.crl(5, entries=[(world.bank.certificate.serial_number, None)])
    assert verdict(world, world.trust([listed], [world.answer()])) == ErrorCode.CERTIFICATE_REVOKED


def test_a_signature_made_before_the_revocation_still_counts(world: World) -> None:
    revoked = world.answer(status=ocsp.OCSPCertStatus.REVOKED, revoked_at=NOW - HOUR)
    assert verdict(world, world.trust([], [revoked]), NOW - 2 * HOUR) == "999101"


@pytest.mark.parametrize(
    "fault", ["usage", "nocheck", "stranger", "unknown", "no next update", "about another", "by the bank"]
)
def test_other_answers_are_not_believed(world: World, fault: str) -> None:
    answers = {
        "usage": lambda: world.answer(responder=world.responder(usage=ExtendedKeyUsageOID.CLIENT_AUTH)),
        "nocheck": lambda: world.answer(responder=world.responder(nocheck=False)),
        "stranger": lambda: world.answer(responder=world.responder(signed_by=ec.generate_private_key(ec.SECP256R1()))),
        "unknown": lambda: world.answer(status=ocsp.OCSPCertStatus.UNKNOWN),
        "no next update": lambda: world.answer(until=None),
        "about another": lambda: world.answer(about=world.issuer),
        "by the bank": lambda: world.answer(responder=(world.bank.certificate, world.bank.private_key)),
    }
    assert verdict(world, world.trust([], [answers[fault]()])) == ErrorCode.REVOCATION_UNKNOWN


def test_the_newest_answer_counts(world: World) -> None:
    older = world.answer(at=NOW - HOUR, until=NOW + DAY)
    newer = world.answer(status=ocsp.OCSPCertStatus.REVOKED, revoked_at=NOW - HOUR)
    for answers in ([older, newer], [newer, older]):
        assert verdict(world, world.trust([], answers)) == ErrorCode.CERTIFICATE_REVOKED


def test_a_request_names_the_certificate_and_carries_a_nonce_if_asked(world: World) -> None:
    plain = ocsp.load_der_ocsp_request(build_request(world.bank.certificate, world.issuer))
    assert plain.serial_number == world.bank.certificate.serial_number
    assert list(plain.extensions) == []
    asked = ocsp.load_der_ocsp_request(build_request(world.bank.certificate, world.issuer, b"n" * 16))
    assert asked.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"n" * 16


def test_what_the_responder_refuses_is_no_answer() -> None:
    sorry = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    with pytest.raises(ValueError, match="TRY_LATER"):
        read_answer(sorry.public_bytes(Encoding.DER))


ODD = {
    "another version": lambda der: der.replace(b"\x02\x01\x01", b"\x02\x01\x5d", 1),
    "a name of another kind": lambda der: der.replace(b"\x06\x03\x55\x04\x03\x0c", b"\x06\x03\x55\x04\x03\x03", 1),
    "no list at all": lambda _: b"\x30\x00",
}


@pytest.mark.parametrize("odd", ODD)
def test_a_list_that_cannot_be_read_is_said_to_be_unreadable_and_nothing_else(world: World, odd: str) -> None:
    """The library reads lazily, and raises what nobody expects long after it has loaded the list."""
    (entries,) = load_lists([world.crl(5)])
    with pytest.raises(ValueError, match="cannot be read"):
        load_lists([ODD[odd](entries.public_bytes(Encoding.DER))])


def test_an_answer_signed_in_a_way_that_nobody_knows_cannot_be_read(world: World) -> None:
    ecdsa, unheard_of = b"\x2a\x86\x48\xce\x3d\x04\x03\x02", b"\x2a\x86\x48\xce\x3d\x04\x07\x02"
    with pytest.raises(ValueError, match="cannot be read"):
        read_answer(world.answer().replace(ecdsa, unheard_of))


def test_a_bundle_of_beginnings_is_looked_through_once() -> None:
    """Half a megabyte of them took a minute, sixteen would have taken a day; lists come over a line without TLS."""
    began = time.process_time()
    with pytest.raises(ValueError, match="no revocation list"):
        load_lists([b"-----BEGIN X509 CRL-----" * 20_000])
    assert time.process_time() - began < 2.0


def test_those_who_were_judged_are_remembered_for_the_next_snapshot(world: World) -> None:
    trust = world.trust([])
    assert verdict(world, trust) == ErrorCode.REVOCATION_UNKNOWN
    assert (world.bank.certificate, world.issuer) in trust.seen
    grown = trust.with_revocation(load_lists([world.crl(5)]), ())
    assert grown.seen == trust.seen
    assert verdict(world, grown) == "999101"
