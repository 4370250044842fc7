"""A development authority in the manner of BSXM: root, issuing CA, participants' and servers' certificates, CRLs.

For development, tests and the demonstration; production trusts the national one. Pure: time is an argument, files are
a mapping of relative names to bytes which the command line writes and reads. Private keys are unencrypted PEM.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.algorithms import PrivateKey, PublicKey, is_allowed_key
from certs.keystore import Credential, pem_bundle

RSA_BITS = 2048
ROOT_DAYS = 3650
ISSUING_DAYS = 1825
BACKDATED = timedelta(minutes=10)  # peers' clocks differ; a certificate is not to be "not yet valid" next door
LIST_HOURS = 24
OCSP_HOURS = 1
DEFAULT_LIST_URI = "http://crl.bsxm.example/issuing.crl"
CERTIFICATE_AUTHORITY = "BSXM (nümunə)"

_Validity = tuple[datetime, datetime]  # from, until

_KINDS: Mapping[str, Callable[[], PrivateKey]] = {
    "rsa": lambda: rsa.generate_private_key(65537, RSA_BITS),
    "rsa3072": lambda: rsa.generate_private_key(65537, 3072),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """One line of the register. `serial` is hexadecimal; `participant` is empty for a server's certificate."""

    serial: str
    participant: str
    name: str
    not_after: datetime
    revoked_at: datetime | None = None


class Authority:
    """Root and issuing CA with their register. `issue`, `issue_server`, `revoke` and `crl` change the register."""

    def __init__(
        self,
        *,
        root: Credential,
        issuing: Credential,
        register: Iterable[Issued] = (),
        list_number: int = 0,
        list_uri: str = DEFAULT_LIST_URI,
    ) -> None:
        self._root = root
        self._issuing = issuing
        self._register = {line.serial: line for line in register}
        self._list_number = list_number
        self._list_uri = list_uri

    @classmethod
    def create(cls, now: datetime, *, list_uri: str = DEFAULT_LIST_URI, key: str = "p256") -> Authority:
        """A new authority with keys of kind `key` for its two CAs."""
        root_key, issuing_key = _KINDS[key](), _KINDS[key]()
        root_name, issuing_name = _ca_name("Kök CA"), _ca_name("Buraxan CA")
        by_root = (root_name, root_key.public_key())
        root = _ca(root_name, root_key.public_key(), by_root, _validity(now, ROOT_DAYS), path_length=1)
        issuing = _ca(issuing_name, issuing_key.public_key(), by_root, _validity(now, ISSUING_DAYS), path_length=0)
        return cls(
            root=Credential(root.sign(root_key, SHA256()), (), root_key),
            issuing=Credential(issuing.sign(root_key, SHA256()), (), issuing_key),
            list_uri=list_uri,
        )

    def issue(
        self,
        participant: str,
        name: str,
        *,
        key: str = "rsa",
        now: datetime,
        days: int = 365,
        profile: Iterable[x509.ExtensionType] = (),
    ) -> Credential:
        """A signing credential: organizationIdentifier `participant`, O and CN `name`; `key` is "rsa" or "p256".

        `profile` are extensions besides, such as an extended usage or a policy.
        """
        private_key = _KINDS[key]()
        builder = self._signer(participant, name, private_key.public_key(), now, days)
        for extension in profile:
            builder = builder.add_extension(extension, critical=False)
        return self._register_and_sign(builder, private_key, participant, name)

    def issue_requested(
        self, request_pem: bytes, participant: str, name: str, *, now: datetime, days: int = 365
    ) -> tuple[x509.Certificate, ...]:
        """The path for the key of a certificate request (PKCS#10); of what the request says only the key is taken.

        Raises ValueError: not a request, not signed by its own key, or a key that no message may be signed with.
        """
        request = x509.load_pem_x509_csr(request_pem)
        if not is_allowed_key(request.public_key()):
            raise ValueError("the request's key is neither RSA of 2048 to 4096 bits nor P-256")
        key: PublicKey = request.public_key()  # type: ignore[assignment]  # narrowed by is_allowed_key
        if not request.is_signature_valid:
            raise ValueError("the request is not signed by its own key")
        certificate = self._register_signed(self._signer(participant, name, key, now, days), participant, name)
        return (certificate, self._issuing.certificate)

    def _signer(self, participant: str, name: str, key: PublicKey, now: datetime, days: int) -> x509.CertificateBuilder:
        subject = _name(
            (NameOID.COUNTRY_NAME, "AZ"),
            (NameOID.ORGANIZATION_NAME, name),
            (NameOID.ORGANIZATION_IDENTIFIER, participant),
            (NameOID.COMMON_NAME, name),
        )
        usage = _usage(digital_signature=True, content_commitment=True)
        return self._leaf(subject, key, now, days).add_extension(usage, critical=True)

    def issue_server(self, name: str, hosts: Iterable[str], *, now: datetime, days: int = 365) -> Credential:
        """A TLS server's credential for DNS names or addresses. It cannot sign messages: no participant code in it."""
        private_key = _KINDS["p256"]()
        builder = (
            self._leaf(_name((NameOID.COMMON_NAME, name)), private_key.public_key(), now, days)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        )
        return self._register_and_sign(builder, private_key, "", name)

    def issue_time_stamper(self, name: str, *, key: str = "rsa", now: datetime, days: int = 365) -> Credential:
        """The credential of an authority of time: it stamps (RFC 3161) and signs nothing else."""
        private_key = _KINDS[key]()
        subject = _name((NameOID.COUNTRY_NAME, "AZ"), (NameOID.ORGANIZATION_NAME, name), (NameOID.COMMON_NAME, name))
        builder = (
            self._leaf(subject, private_key.public_key(), now, days)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        )
        return self._register_and_sign(builder, private_key, "", name)

    def revoke(self, serial: str, now: datetime) -> None:
        """Revoke by hexadecimal serial. Raises KeyError if never issued; the first revocation's date stays."""
        line = self._register[serial]
        if line.revoked_at is None:
            self._register[serial] = _revoked(line, now)

    def crl(self, now: datetime) -> bytes:
        """A PEM bundle of both lists, the issuing CA's and the root's, valid for 24 hours, with the next number."""
        self._list_number += 1
        entries = [line for line in self._register.values() if line.revoked_at is not None]
        lists = [self._list(self._issuing, entries, now), self._list(self._root, (), now)]
        return b"".join(entry.public_bytes(Encoding.PEM) for entry in lists)

    def ocsp_answer(self, request: bytes, now: datetime) -> bytes:
        """The DER answer to a DER OCSP request, good for an hour. Raises ValueError for what is not a request."""
        asked = ocsp.load_der_ocsp_request(request)
        line = self._register.get(format(asked.serial_number, "x"))
        status, revoked_at = ocsp.OCSPCertStatus.UNKNOWN, None
        if line is not None:
            revoked_at = line.revoked_at
            status = ocsp.OCSPCertStatus.GOOD if revoked_at is None else ocsp.OCSPCertStatus.REVOKED
        issuer = self._issuing
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            asked.issuer_name_hash,
            asked.issuer_key_hash,
            asked.serial_number,
            asked.hash_algorithm,
            status,
            _second(now),
            _second(now) + timedelta(hours=OCSP_HOURS),
            revoked_at,
            None,
        )
        answer = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
        return answer.sign(issuer.file_key, SHA256()).public_bytes(Encoding.DER)

    @property
    def register(self) -> tuple[Issued, ...]:
        """Every certificate issued, in order."""
        return tuple(self._register.values())

    @property
    def anchors_pem(self) -> bytes:
        """The root's certificate."""
        return pem_bundle([self._root.certificate])

    @property
    def intermediates_pem(self) -> bytes:
        """The issuing CA's certificate."""
        return pem_bundle([self._issuing.certificate])

    def to_files(self) -> dict[str, bytes]:
        """Everything needed to go on later: relative file names to contents. Names ending `.key.pem` are secret."""
        root_key, root = self._root.to_pem()
        issuing_key, issuing = self._issuing.to_pem()
        state = {
            "list_number": self._list_number,
            "list_uri": self._list_uri,
            "register": [_line_to_json(line) for line in self._register.values()],
        }
        return {
            "root.key.pem": root_key,
            "root.pem": root,
            "issuing.key.pem": issuing_key,
            "issuing.pem": issuing,
            "register.json": json.dumps(state, ensure_ascii=False, indent=2).encode(),
        }

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Authority:
        """What `to_files` gave. Raises KeyError for a missing file, ValueError for a damaged one."""
        state = json.loads(files["register.json"])
        return cls(
            root=Credential.from_pem(files["root.key.pem"], files["root.pem"]),
            issuing=Credential.from_pem(files["issuing.key.pem"], files["issuing.pem"]),
            register=[_line_from_json(line) for line in state["register"]],
            list_number=state["list_number"],
            list_uri=state["list_uri"],
        )

    def _leaf(self, subject: x509.Name, key: PublicKey, now: datetime, days: int) -> x509.CertificateBuilder:
        issuer = self._issuing.certificate
        not_before, not_after = _validity(now, days)
        latest = issuer.not_valid_after_utc  # a leaf never outlives its issuer
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(self._list_uri)], None, None, None)
        return (
            _certificate(subject, key, issuer.subject, (not_before, min(not_after, latest)))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_authority_key(self._issuing.file_key), critical=False)
            .add_extension(x509.CRLDistributionPoints([point]), critical=False)
        )

    def _register_and_sign(
        self, builder: x509.CertificateBuilder, key: PrivateKey, participant: str, name: str
    ) -> Credential:
        return Credential(self._register_signed(builder, participant, name), (self._issuing.certificate,), key)

    def _register_signed(self, builder: x509.CertificateBuilder, participant: str, name: str) -> x509.Certificate:
        certificate = builder.sign(self._issuing.file_key, SHA256())
        line = Issued(
            serial=format(certificate.serial_number, "x"),
            participant=participant,
            name=name,
            not_after=certificate.not_valid_after_utc,
        )
        self._register[line.serial] = line
        return certificate

    def _list(self, issuer: Credential, entries: Iterable[Issued], now: datetime) -> x509.CertificateRevocationList:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.certificate.subject)
            .last_update(_second(now))
            .next_update(_second(now) + timedelta(hours=LIST_HOURS))
            .add_extension(x509.CRLNumber(self._list_number), critical=False)
            .add_extension(_authority_key(issuer.file_key), critical=False)
        )
        for line in entries:
            entry = x509.RevokedCertificateBuilder().serial_number(int(line.serial, 16))
            builder = builder.add_revoked_certificate(entry.revocation_date(_second(line.revoked_at or now)).build())
        return builder.sign(issuer.file_key, SHA256())


def _ca_name(role: str) -> x509.Name:
    return _name(
        (NameOID.COUNTRY_NAME, "AZ"),
        (NameOID.ORGANIZATION_NAME, CERTIFICATE_AUTHORITY),
        (NameOID.COMMON_NAME, f"{CERTIFICATE_AUTHORITY} {role}"),
    )


def _name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def _ca(
    subject: x509.Name, key: PublicKey, issuer: tuple[x509.Name, PublicKey], validity: _Validity, *, path_length: int
) -> x509.CertificateBuilder:
    issuer_name, issuer_key = issuer
    return (
        _certificate(subject, key, issuer_name, validity)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _certificate(subject: x509.Name, key: PublicKey, issuer: x509.Name, validity: _Validity) -> x509.CertificateBuilder:
    """The part common to all."""
    not_before, not_after = validity
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _validity(now: datetime, days: int) -> _Validity:
    return _second(now) - BACKDATED, _second(now) + timedelta(days=days)


def _usage(
    *,
    digital_signature: bool = False,
    content_commitment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=content_commitment,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_key(issuer_key: PrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _second(moment: datetime) -> datetime:
    """Certificates know whole seconds; a naive moment is refused."""
    if moment.tzinfo is None:
        raise ValueError("the authority needs an aware moment")
    return moment.astimezone(UTC).replace(microsecond=0)


def _revoked(line: Issued, now: datetime) -> Issued:
    return Issued(
        serial=line.serial,
        participant=line.participant,
        name=line.name,
        not_after=line.not_after,
        revoked_at=_second(now),
    )


def _line_to_json(line: Issued) -> dict[str, str | None]:
    return {
        "serial": line.serial,
        "participant": line.participant,
        "name": line.name,
        "not_after": line.not_after.isoformat(),
        "revoked_at": line.revoked_at.isoformat() if line.revoked_at else None,
    }


def _line_from_json(line: Mapping[str, str]) -> Issued:
    revoked_at = line["revoked_at"]
    return Issued(
        serial=line["serial"],
        participant=line["participant"],
        name=line["name"],
        not_after=datetime.fromisoformat(line["not_after"]),
        revoked_at=datetime.fromisoformat(revoked_at) if revoked_at else None,
    )
