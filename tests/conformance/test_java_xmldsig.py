"""The JDK's own XMLDSig, which most banks' systems build on, verifies our signatures and makes ones that we accept.

One Java program, run once for all cases: the machine needs a JDK (17 or later) and nothing else.
"""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    pkcs12,
)
from lxml import etree

from certs.authority import Authority
from certs.keystore import Credential
from certs.trust import TrustStore
from certs.wss import SOAP_12, sign_envelope
from certs.xmldsig import sign_enveloped, verify_enveloped
from contracts.xml import parse_xml

pytestmark = pytest.mark.skipif(shutil.which("javac") is None, reason="no JDK here")

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
PAYLOAD = '<Pay xmlns="urn:p"><Amt Ccy="AZN">1500.50</Amt><Nm>Günəş &amp; Ş</Nm></Pay>'
PROGRAM = """
import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.util.*;
import javax.xml.crypto.dsig.*;
import javax.xml.crypto.dsig.dom.*;
import javax.xml.crypto.dsig.keyinfo.*;
import javax.xml.crypto.dsig.spec.*;
import javax.xml.parsers.*;
import javax.xml.transform.*;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.w3c.dom.*;

public class Peer {
    static final String WSU =
        "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
    static final XMLSignatureFactory FACTORY = XMLSignatureFactory.getInstance("DOM");

    public static void main(String[] files) throws Exception {
        Path folder = Path.of(files[0]);
        for (String kind : List.of("rsa", "p256")) {
            X509Certificate certificate = (X509Certificate) CertificateFactory.getInstance("X.509")
                .generateCertificate(new FileInputStream(folder.resolve(kind + ".crt").toFile()));
            for (String form : List.of("soap", "enveloped", "tampered"))
                System.out.println(kind + " " + form + " "
                    + verify(parse(folder.resolve(kind + "-" + form + ".xml")), certificate.getPublicKey()));
            sign(folder, kind, certificate);
        }
    }

    static Document parse(Path file) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        return factory.newDocumentBuilder().parse(file.toFile());
    }

    static boolean verify(Document document, PublicKey key) throws Exception {
        Node signature = document.getElementsByTagNameNS(XMLSignature.XMLNS, "Signature").item(0);
        DOMValidateContext context = new DOMValidateContext(key, signature);
        context.setProperty("org.jcp.xml.dsig.secureValidation", Boolean.TRUE);
        NodeList all = document.getElementsByTagName("*");
        for (int i = 0; i < all.getLength(); i++) {
            Element element = (Element) all.item(i);
            if (element.hasAttributeNS(WSU, "Id")) context.setIdAttributeNS(element, WSU, "Id");
        }
        return FACTORY.unmarshalXMLSignature(context).validate(context);
    }

    static void sign(Path folder, String kind, X509Certificate certificate) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(new FileInputStream(folder.resolve(kind + ".p12").toFile()), "x".toCharArray());
        Key key = store.getKey("key", "x".toCharArray());
        Document document = parse(folder.resolve("plain.xml"));
        String method = kind.equals("rsa") ? "rsa-sha256" : "ecdsa-sha256";
        Reference reference = FACTORY.newReference("",
            FACTORY.newDigestMethod(DigestMethod.SHA256, null),
            List.of(FACTORY.newTransform(Transform.ENVELOPED, (TransformParameterSpec) null),
                    FACTORY.newTransform(CanonicalizationMethod.EXCLUSIVE, (TransformParameterSpec) null)), null, null);
        SignedInfo info = FACTORY.newSignedInfo(
            FACTORY.newCanonicalizationMethod(CanonicalizationMethod.EXCLUSIVE, (C14NMethodParameterSpec) null),
            FACTORY.newSignatureMethod("http://www.w3.org/2001/04/xmldsig-more#" + method, null), List.of(reference));
        KeyInfoFactory keys = FACTORY.getKeyInfoFactory();
        KeyInfo keyInfo = keys.newKeyInfo(List.of(keys.newX509Data(List.of(certificate))));
        FACTORY.newXMLSignature(info, keyInfo).sign(new DOMSignContext(key, document.getDocumentElement()));
        TransformerFactory.newInstance().newTransformer().transform(
            new DOMSource(document), new StreamResult(folder.resolve(kind + "-java.xml").toFile()));
    }
}
"""


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create(NOW)


@pytest.fixture(scope="module")
def exchange(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder both sides wrote to, and what Java said of our messages."""
    folder = tmp_path_factory.mktemp("java")
    (folder / "Peer.java").write_text(PROGRAM)
    (folder / "plain.xml").write_text(f"<M>{PAYLOAD}</M>", "utf-8")
    for kind in ("rsa", "p256"):
        write(folder, kind, authority.issue("999101", "Xəzər Nümunə Bankı", key=kind, now=NOW))
    command = ["java", "-Dfile.encoding=UTF-8", str(folder / "Peer.java"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line.rpartition(" ") for line in done.stdout.splitlines()]
    return folder, {name: verdict for name, _, verdict in lines}


def write(folder: Path, kind: str, credential: Credential) -> None:
    soap = parse_xml(f'<s:Envelope xmlns:s="{SOAP_12}"><s:Body>{PAYLOAD}</s:Body></s:Envelope>'.encode())
    sign_envelope(soap, credential, now=NOW)
    enveloped = parse_xml(f"<M><Head/>{PAYLOAD}</M>".encode())
    sign_enveloped(enveloped, credential, into=enveloped[0])
    (folder / f"{kind}-soap.xml").write_bytes(etree.tostring(soap))
    (folder / f"{kind}-enveloped.xml").write_bytes(etree.tostring(enveloped))
    (folder / f"{kind}-tampered.xml").write_bytes(etree.tostring(soap).replace(b"1500.50", b"9500.50"))
    (folder / f"{kind}.crt").write_bytes(credential.certificate.public_bytes(Encoding.DER))
    locked = BestAvailableEncryption(b"x")
    (folder / f"{kind}.p12").write_bytes(
        pkcs12.serialize_key_and_certificates(b"key", credential.private_key, credential.certificate, None, locked)
    )


@pytest.mark.parametrize("kind", ["rsa", "p256"])
@pytest.mark.parametrize(("form", "verdict"), [("soap", "true"), ("enveloped", "true"), ("tampered", "false")])
def test_java_judges_our_signatures_as_we_do(
    exchange: tuple[Path, dict[str, str]], kind: str, form: str, verdict: str
) -> None:
    assert exchange[1][f"{kind} {form}"] == verdict


@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_we_accept_a_document_signed_by_java(
    exchange: tuple[Path, dict[str, str]], authority: Authority, kind: str
) -> None:
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )
    root = parse_xml((exchange[0] / f"{kind}-java.xml").read_bytes())
    assert verify_enveloped(root, trust, at=NOW, signature_parent=".").signer.participant == "999101"
