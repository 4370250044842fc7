"""`python -m bench.signatures`: CPU to verify and to sign one SOAP envelope, ours beside xmlsec and Apache Santuario.

The same envelope, the same key, one core, the same run. Ours does more: the whole numbered plan, the certificate's
path (remembered) and the Body read anew; on signing the header built and the signature checked. The others do the
signature alone, over elements they are told. Each figure is the best of several passes, in CPU time.
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
from pathlib import Path

import xmlsec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from lxml import etree
from xmlsec import constants

from certs.algorithms import XMLDSIG, signature_method
from certs.authority import Authority
from certs.keystore import Credential
from certs.trust import TrustStore
from certs.wss import WSU, WSU_ID, sign_envelope, verify_envelope
from contracts.fields import make_iban
from contracts.soap import model
from contracts.soap.codec import write
from contracts.soap.envelope import to_bytes, wrap
from contracts.soap.names import SoapVersion
from contracts.xml import parse_xml

_PASSES, _TIMES = 7, 200
_SANTUARIO = Path.home() / ".m2/repository/org/apache/santuario/xmlsec/4.0.3/xmlsec-4.0.3.jar"
_JAVA_MAX_S = 120
_METHODS = {"rsa": constants.TransformRsaSha256, "p256": constants.TransformEcdsaSha256}
_SIGNATURE = f"{{{XMLDSIG}}}Signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU microseconds of one library."""

    verify_us: float
    sign_us: float


def main() -> None:
    """Measure and print a table; Santuario only where Java and its archive are."""
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; CPU a SOAP envelope on one core, and how many a second\n")
    print("| key | library | verified, µs | a second | signed, µs | a second |\n|---|---|---:|---:|---:|---:|")
    for kind, label in (("rsa", "RSA-2048"), ("p256", "P-256")):
        for library, cost in _measure(kind).items():
            rates = [f"{us:.0f} | {1_000_000 / us:.0f}" for us in (cost.verify_us, cost.sign_us)]
            print(f"| {label} | {library} | {rates[0]} | {rates[1]} |")


def _measure(kind: str) -> dict[str, Cost]:
    now = datetime.now(UTC)
    authority = Authority.create(now - timedelta(days=1))
    credential = authority.issue("999101", "Xəzər Nümunə Bankı", key=kind, now=now - timedelta(hours=1))
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(now)]
    )
    unsigned = wrap(SoapVersion.V11, write(_message()))
    signed = deepcopy(unsigned)
    sign_envelope(signed, credential, now=now)
    octets = to_bytes(signed)
    costs = {"ours": _ours(octets, unsigned, credential, trust, now), "xmlsec, bare": _xmlsec(octets, credential, kind)}
    theirs = _santuario(octets, credential)
    return costs if theirs is None else costs | {"Apache Santuario 4.0.3": theirs}


def _message() -> model.DecideOffer:
    payer = model.Account(holder="Xəzər Nümunə Bankı", iban=make_iban("XZRN", "1234567890"), bic="XZRNAZ22")
    return model.DecideOffer(
        message_id="b-1", offer_id="L1.offer", decision=model.Decision.ACCEPT, decided_by="Ə. Ğ.", payer=payer
    )


def _ours(octets: bytes, unsigned: etree._Element, credential: Credential, trust: TrustStore, now: datetime) -> Cost:
    tree = parse_xml(octets)
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
        security.append(made)
        context(private).sign(made)
        security.remove(made)

    return Cost(verify_us=verify_us, sign_us=_cpu_us(sign))


def _santuario(octets: bytes, credential: Credential) -> Cost | None:
    java = shutil.which("java")
    key = credential.private_key
    if java is None or not _SANTUARIO.is_file() or not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        return None
    with tempfile.TemporaryDirectory(prefix="eherrac-bench-") as folder:
        envelope, keys = Path(folder) / "envelope.xml", Path(folder) / "key.p12"
        envelope.write_bytes(octets)
        locked = BestAvailableEncryption(b"x")
        keys.write_bytes(serialize_key_and_certificates(b"key", key, credential.certificate, None, locked))
        method = signature_method(credential.public_key)
        program = str(Path(__file__).with_name("Santuario.java"))
        words = [java, "-XX:+UseSerialGC", "-cp", str(_SANTUARIO), program, str(envelope), str(keys), method]
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
