"""Signatures by and for others: xmlsec, zeep, signxml and the official schemas agree with ours."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import xmlsec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml import DigestAlgorithm, SignatureConfiguration, SignatureMethod, XMLSigner, XMLVerifier
from signxml.algorithms import CanonicalizationMethod
from zeep.wsse.signature import BinarySignature, MemorySignature

from certs.authority import Authority
from certs.expectations import Expectations, Expected
from certs.keystore import Credential
from certs.signed_xml import canonical
from certs.tolerance import Tolerance
from certs.trust import TrustStore
from certs.wss import (
    SECURITY,
    SOAP_11,
    SOAP_12,
    TIMESTAMP,
    WSSE,
    WSU,
    WSU_ID,
    sign_envelope,
    verify_envelope,
)
from certs.xmldsig import sign_enveloped, verify_enveloped
from contracts.errors.causes import Cause
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.xml import parse_xml

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DS = "{http://www.w3.org/2000/09/xmldsig#}"
SCHEMAS = Path(__file__).parents[3] / "shared/testdata/soap-wss-xsd"
PAYLOAD = (
    '<o:Decide xmlns:o="urn:o" xmlns="urn:d">\n <Amount Ccy="AZN">1500.50</Amount>'
    "<o:Bank>Günəş &amp;</o:Bank></o:Decide>"
)
METHODS = {"rsa": xmlsec.Transform.RSA_SHA256, "p256": xmlsec.Transform.ECDSA_SHA256}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create(NOW)


@pytest.fixture(scope="module", params=["rsa", "p256"])
def credential(authority: Authority, request: pytest.FixtureRequest) -> Credential:
    return authority.issue("999101", "Xəzər Nümunə Bankı", key=request.param, now=NOW)


@pytest.fixture(scope="module")
def trust(authority: Authority) -> TrustStore:
    return TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )


def envelope(soap: str = SOAP_11) -> etree._Element:
    return parse_xml(f'<s:Envelope xmlns:s="{soap}" xmlns="urn:outer"><s:Body>{PAYLOAD}</s:Body></s:Envelope>'.encode())


def leaf_pem(credential: Credential) -> bytes:
    return credential.certificate.public_bytes(Encoding.PEM)


def kind_of(credential: Credential) -> str:
    return "rsa" if isinstance(credential.private_key, RSAPrivateKey) else "p256"


def xmlsec_verifies(
    root: etree._Element, credential: Credential, ids: list[tuple[etree._Element, str, str | None]]
) -> None:
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(leaf_pem(credential), xmlsec.KeyFormat.CERT_PEM)
    for element, name, namespace in ids:
        context.register_id(element, name, namespace)
    context.verify(root.find(f".//{DS}Signature"))


# --- Ours, read by others ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("soap", [SOAP_11, SOAP_12])
def test_xmlsec_verifies_our_envelope(credential: Credential, soap: str) -> None:
    root = envelope(soap)
    sign_envelope(root, credential, now=NOW)
    root = etree.fromstring(etree.tostring(root))
    signed = [element for element in root.iter() if WSU_ID in element.attrib]
    assert len(signed) == 3
    xmlsec_verifies(root, credential, [(element, "Id", WSU) for element in signed])
    root[1][0][0].text = "9500.50"
    with pytest.raises(xmlsec.Error):
        xmlsec_verifies(root, credential, [(element, "Id", WSU) for element in signed])


@pytest.mark.parametrize("soap", [SOAP_11, SOAP_12])
def test_zeep_verifies_our_envelope(credential: Credential, soap: str) -> None:
    root = envelope(soap)
    sign_envelope(root, credential, now=NOW)
    reader = MemorySignature(credential.to_pem()[0], leaf_pem(credential))
    reader.verify(etree.fromstring(etree.tostring(root)))


def test_xmlsec_verifies_our_enveloped_signature(credential: Credential) -> None:
    root = parse_xml(f"<M><Head/>{PAYLOAD}</M>".encode())
    sign_enveloped(root, credential, into=root[0])
    xmlsec_verifies(etree.fromstring(etree.tostring(root)), credential, [])


def test_signxml_verifies_our_enveloped_signature_with_its_path(
    authority: Authority, credential: Credential, tmp_path: Path
) -> None:
    root = parse_xml(f"<M><Head/>{PAYLOAD}</M>".encode())
    sign_enveloped(root, credential, into=root[0])
    expected = SignatureConfiguration(location=".//", require_x509=True, verification_time=NOW)
    result = XMLVerifier().verify(etree.tostring(root), x509_cert=leaf_pem(credential).decode(), expect_config=expected)
    assert result.signed_xml.findtext(".//{urn:d}Amount") == "1500.50"


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="../shared/testdata/soap-wss-xsd is not there")
@pytest.mark.parametrize(("soap", "file"), [(SOAP_11, "soap-1.1.xsd"), (SOAP_12, "soap-1.2.xsd")])
def test_our_envelope_follows_the_official_schemas(credential: Credential, soap: str, file: str) -> None:
    root = envelope(soap)
    sign_envelope(root, credential, now=NOW)
    official(file).assertValid(root)
    security = etree.fromstring(etree.tostring(root[0].find(SECURITY)))
    official("oasis-200401-wss-wssecurity-secext-1.0.xsd").assertValid(security)
    official("xmldsig-core-schema.xsd").assertValid(etree.fromstring(etree.tostring(security.find(f"{DS}Signature"))))


class ByName(etree.Resolver):
    """The official schemas import one another by addresses on the network: answer with the files of the folder."""

    def resolve(self, url, public_id, context):
        return self.resolve_filename(str(SCHEMAS / NAMES.get(url, url.rsplit("/", 1)[-1])), context)


NAMES = {"https://www.w3.org/2004/08/xop/include": "xop-include.xsd"}


def official(file: str) -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True, load_dtd=False, resolve_entities=False)
    parser.resolvers.add(ByName())
    return etree.XMLSchema(etree.parse(str(SCHEMAS / file), parser))


# --- Others', read by us ----------------------------------------------------------------------------------------------


def with_timestamp(root: etree._Element) -> etree._Element:
    """A security header as a zeep user would prepare it: zeep itself adds no Timestamp."""
    header = etree.Element(f"{{{etree.QName(root).namespace}}}Header")
    root.insert(0, header)
    timestamp = etree.SubElement(etree.SubElement(header, SECURITY, nsmap={"wsse": WSSE, "wsu": WSU}), TIMESTAMP)
    for name, moment in (("Created", NOW), ("Expires", NOW + timedelta(minutes=5))):
        etree.SubElement(timestamp, f"{{{WSU}}}{name}").text = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return root


@pytest.fixture
def zeep_signer(credential: Credential, tmp_path: Path) -> BinarySignature:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    key.write_bytes(credential.to_pem()[0])
    certificate.write_bytes(leaf_pem(credential))
    method = METHODS[kind_of(credential)]
    return BinarySignature(str(key), str(certificate), signature_method=method, digest_method=xmlsec.Transform.SHA256)


@pytest.mark.parametrize("soap", [SOAP_11, SOAP_12])
def test_we_accept_an_envelope_signed_by_zeep_where_its_order_is_tolerated(
    credential: Credential, zeep_signer: BinarySignature, trust: TrustStore, soap: str
) -> None:
    root, _ = zeep_signer.apply(with_timestamp(envelope(soap)), {})
    data = etree.tostring(root)
    with pytest.raises(RefusedError) as caught:
        verify_envelope(parse_xml(data), trust, at=NOW)
    assert caught.value.refusal.facts["cause"] == Cause.SECURITY_ORDER  # it puts its token behind the signature
    tolerant = Expected(own={credential.participant: Expectations(tolerances=frozenset({Tolerance.WCF_ORDER}))})
    result = verify_envelope(parse_xml(data), trust, at=NOW, expected=tolerant)
    assert result.verified.signer.participant == "999101"
    assert result.body.findtext(".//{urn:d}Amount") == "1500.50"


def test_zeeps_default_sha1_is_refused(credential: Credential, trust: TrustStore, zeep_signer: BinarySignature) -> None:
    zeep_signer.digest_method = None
    root, _ = zeep_signer.apply(with_timestamp(envelope()), {})
    with pytest.raises(RefusedError) as caught:
        verify_envelope(parse_xml(etree.tostring(root)), trust, at=NOW)
    assert caught.value.refusal.code is ErrorCode.ALGORITHM_NOT_ALLOWED


def test_we_accept_a_document_signed_by_signxml(credential: Credential, trust: TrustStore) -> None:
    algorithm = {"rsa": SignatureMethod.RSA_SHA256, "p256": SignatureMethod.ECDSA_SHA256}[kind_of(credential)]
    signer = XMLSigner(
        signature_algorithm=algorithm,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    key, chain = credential.to_pem()
    root = signer.sign(etree.fromstring(f"<M><Head/>{PAYLOAD}</M>"), key=key, cert=chain.decode())
    verified = verify_enveloped(parse_xml(etree.tostring(root)), trust, at=NOW, signature_parent=".")
    assert verified.signer.participant == "999101"


def xmlsec_signs(
    root: etree._Element,
    credential: Credential,
    uris: list[str],
    transforms: list[object],
    into: etree._Element,
    prefixes: list[str] | None = None,
) -> tuple[etree._Element, xmlsec.SignatureContext]:
    """A signature without KeyInfo in its place, and the context that will sign it."""
    signature = xmlsec.template.create(root, xmlsec.Transform.EXCL_C14N, METHODS[kind_of(credential)], ns="ds")
    for uri in uris:
        reference = xmlsec.template.add_reference(signature, xmlsec.Transform.SHA256, uri=uri)
        for transform in transforms:
            node = xmlsec.template.add_transform(reference, transform)
        if prefixes:
            xmlsec.template.transform_add_c14n_inclusive_namespaces(node, prefixes)
    if prefixes:
        method = signature.find(f"{DS}SignedInfo/{DS}CanonicalizationMethod")
        xmlsec.template.transform_add_c14n_inclusive_namespaces(method, prefixes)
    into.append(signature)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(credential.to_pem()[0], xmlsec.KeyFormat.PEM)
    for element in root.iter():
        if WSU_ID in element.attrib:
            context.register_id(element, "Id", WSU)
    return signature, context


def test_we_accept_a_document_signed_by_xmlsec(credential: Credential, trust: TrustStore) -> None:
    root = etree.fromstring(f"<M><Head/>{PAYLOAD}</M>")
    transforms = [xmlsec.Transform.ENVELOPED, xmlsec.Transform.EXCL_C14N]
    signature, context = xmlsec_signs(root, credential, [""], transforms, root[0])
    data = xmlsec.template.add_x509_data(xmlsec.template.ensure_key_info(signature))
    xmlsec.template.x509_data_add_certificate(data)
    context.key.load_cert_from_memory(leaf_pem(credential), xmlsec.KeyFormat.PEM)
    context.sign(signature)
    verified = verify_enveloped(parse_xml(etree.tostring(root)), trust, at=NOW, signature_parent="Head")
    assert verified.signer.participant == "999101"


def test_inclusive_prefixes_as_wss4j_writes_them_are_read_where_tolerated(
    credential: Credential, trust: TrustStore
) -> None:
    """WSS4J puts ec:InclusiveNamespaces into every canonicalisation unless told otherwise."""
    root = parse_xml(
        f'<s:Envelope xmlns:s="{SOAP_11}" xmlns:far="urn:far" xmlns:o="urn:o" xmlns="urn:outer">'
        f"<s:Body>{PAYLOAD}</s:Body></s:Envelope>".encode()
    )
    sign_envelope(root, credential, now=NOW)
    security = root[0].find(SECURITY)
    ours = security.find(f"{DS}Signature")
    uris = [reference.get("URI") for reference in ours.iter(f"{DS}Reference")]
    security.remove(ours)
    signature, context = xmlsec_signs(
        root, credential, uris, [xmlsec.Transform.EXCL_C14N], security, ["far", "o", "s", "wsu"]
    )
    signature.append(ours.find(f"{DS}KeyInfo"))
    context.sign(signature)
    root = parse_xml(etree.tostring(root))
    with pytest.raises(RefusedError) as caught:
        verify_envelope(root, trust, at=NOW)
    assert caught.value.refusal.code is ErrorCode.ALGORITHM_NOT_ALLOWED
    assert caught.value.refusal.facts["cause"] == Cause.INCLUSIVE_PREFIXES
    granted = frozenset({Tolerance.INCLUSIVE_NAMESPACES})
    other = Expected(own={"somebody else": Expectations(tolerances=granted)})
    with pytest.raises(RefusedError):
        verify_envelope(root, trust, at=NOW, expected=other)
    tolerant = Expected(own={credential.participant: Expectations(tolerances=granted)})
    assert verify_envelope(root, trust, at=NOW, expected=tolerant).body.findtext(".//{urn:d}Amount") == "1500.50"
    of_all = Expected(house=Expectations(tolerances=granted))
    result = verify_envelope(root, trust, at=NOW, expected=of_all)
    assert result.body.findtext(".//{urn:d}Amount") == "1500.50"


AWKWARD = [
    '<a xmlns="urn:1"><b xmlns=""><c xmlns="urn:1"/></b></a>',
    '<p:a xmlns:p="urn:1" p:z="1" a="2" xml:lang="az" xmlns:q="urn:q" q:b="3"><q:x/></p:a>',
    "<a>\r\n&#13;&#9;\t<b c='&#10;&#9;\"&lt;&amp;'/><![CDATA[<&>]]>&gt; ₼ &#x10FFFF;</a>",
    '<x:a xmlns:x="urn:1"><x:b xmlns:x="urn:2"><x:c xmlns:x="urn:1"/></x:b></x:a>',
]


@pytest.mark.parametrize("inner", AWKWARD)
def test_our_canonical_form_of_a_part_is_the_one_xmlsec_signs(
    credential: Credential, trust: TrustStore, inner: str
) -> None:
    """Namespaces undeclared and redeclared, line ends, characters at the edges: both sides must see the same octets."""
    root = parse_xml(
        f'<s:Envelope xmlns:s="{SOAP_11}" xmlns:p="urn:outer-p" xmlns="urn:outer" xml:space="preserve">'
        f"<s:Body>{inner}</s:Body></s:Envelope>".encode()
    )
    sign_envelope(root, credential, now=NOW)
    root = parse_xml(etree.tostring(root))
    xmlsec_verifies(root, credential, [(element, "Id", WSU) for element in root.iter() if WSU_ID in element.attrib])
    body = verify_envelope(root, trust, at=NOW).body
    assert canonical(body) == canonical(root[1])
