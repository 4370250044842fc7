"""`python -m bench.signatures`: CPU to verify and to sign one message, ours beside xmlsec and Apache Santuario.

A SOAP envelope, an ISO 20022 message (enveloped) and an HTTP request, that beside bare cryptography: the same message,
the same key, one core, the same run. Ours does more: the whole numbered plan, the certificate's path (remembered) and
the Body read anew; on signing the header built and the signature checked. The others do the signature alone, over
elements they are told. Each figure is the best of several passes, in CPU time.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import xmlsec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from lxml import etree
from xmlsec import constants

from certs.algorithms import XMLDSIG, signature_method, verify_bytes
from certs.authority import Authority
from certs.http_signature import HttpRequestParts, sign_request, verify_request
from certs.keystore import Credential
from certs.trust import TrustStore
from certs.wss import WSU, WSU_ID, sign_envelope, verify_envelope
from certs.xmldsig import sign_enveloped, verify_enveloped
from contracts.fields import make_iban
from contracts.iso20022 import envelope, samples
from contracts.soap import model
from contracts.soap.codec import write
from contracts.soap.envelope import to_bytes, wrap
from contracts.soap.names import SoapVersion
from contracts.xml import parse_xml

_PASSES, _TIMES = 7, 200
_FORMS = ("SOAP", "ISO 20022", "HTTP")
_BODY = b'{"subject":"' + b"x" * 1500 + b'"}'
_BASE_BYTES = 3500  # the certificate's field is most of it
_JARS = Path(__file__).parents[1] / "scripts" / "jars.sh"
_JAVA_MAX_S = 120
_METHODS = {"rsa": constants.TransformRsaSha256, "p256": constants.TransformEcdsaSha256}
_SIGNATURE = f"{{{XMLDSIG}}}Signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU microseconds of one library."""

    verify_us: float
    sign_us: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Why a library was not measured: its row says so instead of missing."""

    reason: str


def main() -> None:
    """Measure and print a table; Santuario needs Java and its archive, and its rows say so where they are not."""
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; CPU a message on one core, and how many a second\n")
    print(
        "| key | what | library | verified, µs | a second | signed, µs | a second |\n|---|---|---|---:|---:|---:|---:|"
    )
    for kind, label in (("rsa", "RSA-2048"), ("p256", "P-256")):
        for (form, library), cost in _measure(kind).items():
            print(f"| {label} | {form} | {library} | {_figures(cost)} |")


def _figures(cost: Cost | Skipped) -> str:
    if isinstance(cost, Skipped):
        return f"skipped: {cost.reason} | | |"
    return " | ".join(f"{us:.0f} | {1_000_000 / us:.0f}" for us in (cost.verify_us, cost.sign_us))


def _measure(kind: str) -> dict[tuple[str, str], Cost | Skipped]:
    now = datetime.now(UTC)
    authority = Authority.create(now - timedelta(days=1))
    credential = authority.issue("999101", "Xəzər Nümunə Bankı", key=kind, now=now - timedelta(hours=1))
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(now)]
    )
    soap, iso = wrap(SoapVersion.V11, write(_message())), _iso()
    costs: dict[tuple[str, str], Cost | Skipped] = {
        ("SOAP", "ours"): _ours(soap, credential, trust, now),
        ("ISO 20022", "ours"): _ours_iso(iso, credential, trust, now),
    }
    for form, signed in (("SOAP", _signed(soap, credential, now)), ("ISO 20022", _signed_iso(iso, credential))):
        costs[form, "xmlsec, bare"] = _xmlsec(signed, credential, kind)
        costs[form, "Apache Santuario 4.0.3"] = _santuario(signed, credential)
    request = HttpRequestParts.of(
        "POST", "https://gateway.example/v1/events", {"Content-Type": "application/json"}, _BODY
    )
    costs["HTTP", "ours"] = _ours_http(request, credential, trust, now)
    costs["HTTP", "cryptography, bare"] = _cryptography(credential)
    return dict(sorted(costs.items(), key=lambda item: _FORMS.index(item[0][0])))


def _signed(unsigned: etree._Element, credential: Credential, now: datetime) -> bytes:
    root = deepcopy(unsigned)
    sign_envelope(root, credential, now=now)
    return to_bytes(root)


def _iso() -> etree._Element:
    root: etree._Element = envelope.wrap(samples.TRANSFER, from_bic=samples.OPERATOR_BIC, to_bic=samples.SYSTEM_BIC)
    return root


def _signed_iso(unsigned: etree._Element, credential: Credential) -> bytes:
    root = deepcopy(unsigned)
    sign_enveloped(root, credential, into=envelope.signature_parent(root))
    return etree.tostring(root)


def _ours_iso(unsigned: etree._Element, credential: Credential, trust: TrustStore, now: datetime) -> Cost:
    tree = parse_xml(_signed_iso(unsigned, credential))
    place = envelope.signature_parent
    return Cost(
        verify_us=_cpu_us(lambda: verify_enveloped(tree, trust, at=now, signature_parent=place)),
        sign_us=_cpu_us(lambda: _signed_iso(unsigned, credential)),
    )


def _ours_http(request: HttpRequestParts, credential: Credential, trust: TrustStore, now: datetime) -> Cost:
    signed = request.with_headers(sign_request(request, credential, now=now, nonce="n"))
    return Cost(
        verify_us=_cpu_us(lambda: verify_request(signed, trust, at=now)),
        sign_us=_cpu_us(lambda: sign_request(request, credential, now=now, nonce="n")),
    )


def _cryptography(credential: Credential) -> Cost:
    """The digest of the body and a signature over as many octets as a signature base has."""
    base = bytes(_BASE_BYTES)
    value = credential.sign(base)

    def verify() -> None:
        sha256(_BODY).digest()
        verify_bytes(credential.public_key, value, base)

    return Cost(
        verify_us=_cpu_us(verify),
        sign_us=_cpu_us(lambda: (sha256(_BODY).digest(), credential.sign(base))),
    )


def _message() -> model.DecideOffer:
    payer = model.Account(holder="Xəzər Nümunə Bankı", iban=make_iban("XZRN", "1234567890"), bic="XZRNAZ22")
    return model.DecideOffer(
        message_id="b-1", offer_id="L1.offer", decision=model.Decision.ACCEPT, decided_by="Ə. Ğ.", payer=payer
    )


def _ours(unsigned: etree._Element, credential: Credential, trust: TrustStore, now: datetime) -> Cost:
    tree = parse_xml(_signed(unsigned, credential, now))
    return Cost(
        verify_us=_cpu_us(lambda: verify_envelope(tree, trust, at=now)),
        sign_us=_cpu_us(lambda: sign_envelope(deepcopy(unsigned), credential, now=now)),
    )


def _xmlsec(octets: bytes, credential: Credential, kind: str) -> Cost:
    tree = parse_xml(octets)
    signature = next(tree.iter(_SIGNATURE))
    public = xmlsec.Key.from_memory(credential.certificate.public_bytes(Encoding.PEM), constants.KeyDataFormatCertPem)
    private = xmlsec.Key.from_memory(credential.to_pem()[0], constants.KeyDataFormatPem)
    named = [element for element in tree.iter() if WSU_ID in element.attrib]

    def context(key: xmlsec.Key) -> xmlsec.SignatureContext:
        made = xmlsec.SignatureContext()
        made.key = key
        for element in named:
            made.register_id(element, "Id", WSU)
        return made

    verify_us = _cpu_us(lambda: context(public).verify(signature))
    security = signature.getparent()
    assert security is not None
    security.remove(signature)

    def sign() -> None:
        made = xmlsec.template.create(tree, constants.TransformExclC14N, _METHODS[kind], ns="ds")
        for element in named:
            reference = xmlsec.template.add_reference(made, constants.TransformSha256, uri=f"#{element.get(WSU_ID)}")
            xmlsec.template.add_transform(reference, constants.TransformExclC14N)
        if not named:
            whole = xmlsec.template.add_reference(made, constants.TransformSha256, uri="")
            xmlsec.template.add_transform(whole, constants.TransformEnveloped)
            xmlsec.template.add_transform(whole, constants.TransformExclC14N)
        security.append(made)
        context(private).sign(made)
        security.remove(made)

    return Cost(verify_us=verify_us, sign_us=_cpu_us(sign))


def _santuario(octets: bytes, credential: Credential) -> Cost | Skipped:
    java, key = shutil.which("java"), credential.file_key
    if java is None:
        return Skipped(reason="no java")
    found = subprocess.run([_JARS, "folder", "santuario"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        return Skipped(reason=" ".join(found.stderr.split()) or "scripts/jars.sh finds no archive of it")
    with tempfile.TemporaryDirectory(prefix="eherrac-bench-") as folder:
        message, keys = Path(folder) / "message.xml", Path(folder) / "key.p12"
        message.write_bytes(octets)
        locked = BestAvailableEncryption(b"x")
        keys.write_bytes(serialize_key_and_certificates(b"key", key, credential.certificate, None, locked))
        method = signature_method(credential.public_key)
        program = str(Path(__file__).with_name("Santuario.java"))
        words = [java, "-XX:+UseSerialGC", "-cp", f"{found.stdout.strip()}/*", program, str(message), str(keys), method]
        done = subprocess.run(words, capture_output=True, text=True, timeout=_JAVA_MAX_S, check=True)
    verify_us, sign_us = map(float, done.stdout.split())
    return Cost(verify_us=verify_us, sign_us=sign_us)


def _cpu_us(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(_PASSES):
        started = time.process_time()
        for _ in range(_TIMES):
            work()
        best = min(best, (time.process_time() - started) / _TIMES)
    return best * 1_000_000


if __name__ == "__main__":
    main()
