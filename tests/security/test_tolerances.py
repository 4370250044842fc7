"""Named tolerances: off, refused by name; on, accepted of that counterparty only; wrapped ones never (AOS-S2).

The messages are those of the clients: node-soap without options, WCF (Timestamp first) and WSS4J (Signature second).
"""

from collections import Counter
from datetime import UTC, datetime

import pytest
from lxml import etree
from xml_changes import DS, SIGNATURE, deep_mutants

from certs.algorithms import ENVELOPED, EXCLUSIVE_C14N, sha256_b64
from certs.authority import Authority
from certs.expectations import Expectations, Expected
from certs.keystore import Credential
from certs.signed_xml import Reference, canonical, write_signature
from certs.tolerance import Tolerance
from certs.trust import TrustStore
from certs.wss import SECURITY, SOAP_11, TIMESTAMP, TOKEN, WSU_ID, sign_envelope, verify_envelope
from contracts.errors.catalogue import describe
from contracts.errors.causes import Cause
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import Refusal, RefusedError
from contracts.xml import XmlLimits, parse_xml

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
MUTANTS = 5_000
SEED = 20261123
COMMENTS_TOO = XmlLimits(comments_allowed=True)  # verification does not rely on the parser for them
EVERYTHING = Expected(house=Expectations(tolerances=frozenset(Tolerance)))
SHA1 = {
    "digest": ("2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1"),
    "signature": ("2001/04/xmldsig-more#ecdsa-sha256", "2000/09/xmldsig#rsa-sha1"),
}


def granted(participant: str, *tolerances: Tolerance) -> Expected:
    return Expected(own={participant: Expectations(tolerances=frozenset(tolerances))})


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create(NOW)


@pytest.fixture(scope="module")
def bank(authority: Authority) -> Credential:
    return authority.issue("999101", "Xəzər Nümunə Bankı", key="p256", now=NOW)


@pytest.fixture(scope="module")
def trust(authority: Authority) -> TrustStore:
    return TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )


def envelope(offer: str = "A") -> etree._Element:
    return parse_xml(
        f'<s:Envelope xmlns:s="{SOAP_11}"><s:Header/><s:Body><Decide xmlns="urn:o"><Offer>{offer}</Offer>'
        '<Amount Ccy="AZN">1500.50</Amount></Decide></s:Body></s:Envelope>'.encode()
    )


# --- Messages as the clients write them -------------------------------------------------------------------------------


def as_node_soap(
    credential: Credential,
    offer: str = "A",
    *,
    plain: tuple[bool, bool] = (True, True),
    transforms: tuple[str, ...] = (ENVELOPED, EXCLUSIVE_C14N),
    signed: int = 2,
    token_too: bool = False,
) -> bytes:
    """Body and Timestamp by plain ids and through the enveloped transform; the rest are ways to do it differently."""
    root = envelope(offer)
    sign_envelope(root, credential, now=NOW)
    security = root[0].find(SECURITY)
    parts = [root[1], security.find(TIMESTAMP)]
    for number, part in enumerate(parts):
        if plain[number]:
            del part.attrib[WSU_ID]
            part.set("Id", f"_{number}")
    if token_too:
        parts.append(security.find(TOKEN))
    references = [
        Reference(
            uri=f"#{part.get('Id') or part.get(WSU_ID)}", transforms=transforms, digest=sha256_b64(canonical(part))
        )
        for part in (parts if token_too else parts[:signed])
    ]
    ours = security.find(SIGNATURE)
    pointer = etree.tostring(ours.find(f"{DS}KeyInfo")[0]).decode()
    security.replace(ours, write_signature(credential, references, pointer))
    return etree.tostring(root)


def in_order(credential: Credential, *tags: str, offer: str = "A") -> bytes:
    root = envelope(offer)
    sign_envelope(root, credential, now=NOW)
    security = root[0].find(SECURITY)
    security[:] = [security.find(tag) for tag in tags]
    return etree.tostring(root)


def as_wcf(credential: Credential, offer: str = "A") -> bytes:
    return in_order(credential, TIMESTAMP, TOKEN, SIGNATURE, offer=offer)


def refusal_of(data: bytes, trust: TrustStore, expected: Expected) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        verify_envelope(parse_xml(data), trust, at=NOW, expected=expected)
    return caught.value.refusal


# --- Off and on -------------------------------------------------------------------------------------------------------

WRITTEN = {
    "node_soap": (as_node_soap, Tolerance.NODE_SOAP, "6 references", Cause.NODE_SOAP_DEFAULTS),
    "wcf_order": (as_wcf, Tolerance.WCF_ORDER, "3 security header", Cause.SECURITY_ORDER),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_not_tolerated_is_refused_and_the_tolerance_named(
    bank: Credential, trust: TrustStore, name: str
) -> None:
    write, tolerance, step, cause = WRITTEN[name]
    others = granted("999101", *(set(Tolerance) - {tolerance}))
    for expected in (Expected(), granted("999202", *Tolerance), others):
        refusal = refusal_of(write(bank), trust, expected)
        assert refusal.code is ErrorCode.SIGNATURE_MALFORMED
        assert (refusal.facts["step"], refusal.facts["cause"]) == (step, cause)
        assert refusal.facts["tolerance"] == name
        assert all(name in describe(refusal, language).remedy for language in ("az", "en", "ru"))


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_tolerated_of_a_counterparty_is_accepted(bank: Credential, trust: TrustStore, name: str) -> None:
    write, tolerance, _, _ = WRITTEN[name]
    result = verify_envelope(parse_xml(write(bank)), trust, at=NOW, expected=granted("999101", tolerance))
    assert result.verified.signer.participant == "999101"
    assert result.body.findtext("{urn:o}Decide/{urn:o}Offer") == "A"


def test_with_its_algorithm_named_node_soap_canonicalises_only(bank: Credential, trust: TrustStore) -> None:
    """`signatureAlgorithm` given: plain ids still, but no enveloped transform over the Body."""
    data = as_node_soap(bank, transforms=(EXCLUSIVE_C14N,))
    verify_envelope(parse_xml(data), trust, at=NOW, expected=granted("999101", Tolerance.NODE_SOAP))


def test_wss4js_order_and_ours_need_no_tolerance(bank: Credential, trust: TrustStore) -> None:
    for tags in ((TOKEN, SIGNATURE, TIMESTAMP), (TOKEN, TIMESTAMP, SIGNATURE)):
        verify_envelope(parse_xml(in_order(bank, *tags)), trust, at=NOW)


# --- No wider than the client -----------------------------------------------------------------------------------------

OTHERWISE = {
    "the Timestamp unsigned": ({"signed": 1}, ErrorCode.SIGNATURE_INCOMPLETE),
    "the token signed too": ({"token_too": True}, ErrorCode.SIGNATURE_MALFORMED),
    "only the Body's id plain": ({"plain": (True, False)}, ErrorCode.SIGNATURE_MALFORMED),
    "only the Timestamp's id plain": ({"plain": (False, True)}, ErrorCode.SIGNATURE_MALFORMED),
    "the transform alone": ({"plain": (False, False)}, ErrorCode.SIGNATURE_MALFORMED),
    "the transforms turned round": ({"transforms": (EXCLUSIVE_C14N, ENVELOPED)}, ErrorCode.ALGORITHM_NOT_ALLOWED),
    "enveloped alone": ({"transforms": (ENVELOPED,)}, ErrorCode.ALGORITHM_NOT_ALLOWED),
    "enveloped twice": ({"transforms": (ENVELOPED, ENVELOPED, EXCLUSIVE_C14N)}, ErrorCode.SIGNATURE_MALFORMED),
    "another before": (
        {"transforms": ("http://www.w3.org/TR/1999/REC-xslt-19991116", EXCLUSIVE_C14N)},
        ErrorCode.SIGNATURE_MALFORMED,
    ),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_tolerance_covers_that_shape_and_nothing_else(bank: Credential, trust: TrustStore, name: str) -> None:
    options, code = OTHERWISE[name]
    assert refusal_of(as_node_soap(bank, **options), trust, EVERYTHING).code is code


@pytest.mark.parametrize("name", SHA1)
@pytest.mark.parametrize("write", [as_node_soap, as_wcf])
def test_sha1_stays_refused_whatever_is_tolerated(bank: Credential, trust: TrustStore, name: str, write) -> None:
    """AOS-S2"""
    data = write(bank).decode().replace(*SHA1[name]).encode()
    refusal = refusal_of(data, trust, EVERYTHING)
    assert (refusal.code, refusal.facts["cause"]) == (ErrorCode.ALGORITHM_NOT_ALLOWED, Cause.SHA1)


def test_parts_doubled_or_added_stay_refused_whatever_is_tolerated(bank: Credential, trust: TrustStore) -> None:
    for tags in ((TIMESTAMP, TOKEN), (TIMESTAMP, SIGNATURE), (TOKEN, SIGNATURE)):
        assert refusal_of(in_order(bank, *tags), trust, EVERYTHING).code in (
            ErrorCode.SIGNATURE_MISSING,
            ErrorCode.SIGNATURE_MALFORMED,
            ErrorCode.SIGNATURE_AGE,
        )
    data = as_wcf(bank).replace(b"</wsse:Security>", b"<x/></wsse:Security>")
    assert refusal_of(data, trust, EVERYTHING).code is ErrorCode.SIGNATURE_MALFORMED


# --- Attacks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [as_node_soap, as_wcf])
def test_no_mutant_is_accepted_with_other_content_though_everything_is_tolerated(
    authority: Authority, trust: TrustStore, write
) -> None:
    """AOS-S2: the generator's changes, those that know signatures too, over messages as the clients write them."""
    messages, honest = [], {}
    for code, offer in (("999101", "A"), ("999202", "B")):
        data = write(authority.issue(code, code, key="p256", now=NOW), offer)
        messages.append(data)
        honest[read(parse_xml(data)[1])] = code
    verdicts: Counter[ErrorCode | str] = Counter()
    for mutant in [*messages, *deep_mutants(SEED, MUTANTS, messages[0], messages[1:])]:
        try:
            root = parse_xml(mutant, limits=COMMENTS_TOO)
            result = verify_envelope(root, trust, at=NOW, expected=EVERYTHING)
        except RefusedError as refused:
            verdicts[refused.refusal.code] += 1
        else:
            assert honest[read(result.body)] == result.verified.signer.participant, mutant
            verdicts["accepted"] += 1
    assert 2 <= verdicts["accepted"] < MUTANTS * 0.1, verdicts
    assert len(verdicts) > 6, verdicts  # the mutants reach deep, not only to the first step


def read(element: etree._Element) -> tuple[object, ...]:
    """Everything a reader of this element could process."""
    inner = [(read(child), child.tail or "") for child in element]
    return element.tag, tuple(sorted(element.attrib.items())), element.text or "", tuple(inner)


@pytest.mark.parametrize("shelter", ["Header", "Security", "Signature", "Body", "after"])
def test_a_plain_id_elsewhere_is_never_looked_up(bank: Credential, trust: TrustStore, shelter: str) -> None:
    """The classic against node-soap: the signed Body sheltered elsewhere, a forged one at its place."""
    for forged_id in ("_0", "_9", None):
        root = parse_xml(as_node_soap(bank))
        signed, security = root[1], root[0].find(SECURITY)
        forged = etree.fromstring(etree.tostring(signed).replace(b"1500.50", b"9500.50"))
        forged.attrib.pop("Id")
        if forged_id:
            forged.set("Id", forged_id)
        root.replace(signed, forged)
        places = {
            "Header": root[0],
            "Security": security,
            "Signature": security.find(SIGNATURE),
            "Body": forged,
            "after": root,
        }
        etree.SubElement(places[shelter], "wrapper").append(signed)
        assert refusal_of(etree.tostring(root), trust, EVERYTHING).code in (
            ErrorCode.SIGNATURE_MALFORMED,
            ErrorCode.SIGNATURE_INCOMPLETE,
        )
