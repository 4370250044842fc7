"""Thousands of seeded mutants of our own signed messages: whatever is accepted says what was signed, and nothing else.

Each mutant gets one to four changes of the kinds attackers use: wrap, move, duplicate, rename, delete, swap, change
ids, texts, attributes and namespaces, graft in parts of another honestly signed message. What a reader would process
is compared with the honest content by a reading of its own, independent of canonical form.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from lxml import etree
from xml_changes import CHANGES, SIGNATURE, mutants

from certs.authority import Authority
from certs.trust import TrustStore
from certs.wss import SOAP_11, SOAP_12, sign_envelope, verify_envelope
from certs.xmldsig import sign_enveloped, verify_enveloped
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.iso20022 import BusinessHeader, CreditTransfer, Envelope, samples
from contracts.xml import XmlLimits, parse_xml
from gateway.wire.iso_envelope import open_signed, seal

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
MUTANTS = 6_000
SEED = 20261122
COMMENTS_TOO = XmlLimits(comments_allowed=True)  # verification does not rely on the parser for them

# --- What a reader reads ----------------------------------------------------------------------------------------------

Reading = tuple[object, ...]


def read(element: etree._Element) -> Reading:
    """Everything a reader of this element could process, but for signatures."""
    parts: list[object] = [element.tag, tuple(sorted(element.attrib.items())), element.text or ""]
    for child in element:
        if child.tag == SIGNATURE:
            parts[-1] = f"{parts[-1]}{child.tail or ''}"
        else:
            parts += [read(child), child.tail or ""]
    return tuple(parts)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create(NOW)


@pytest.fixture(scope="module")
def trust(authority: Authority) -> TrustStore:
    return TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )


def test_no_mutant_of_a_signed_envelope_is_accepted_with_other_content(authority: Authority, trust: TrustStore) -> None:
    honest: dict[Reading, str] = {}
    messages = []
    for code, soap, offer in [("999101", SOAP_11, "A"), ("999202", SOAP_11, "B"), ("999202", SOAP_12, "C")]:
        root = parse_xml(
            f'<s:Envelope xmlns:s="{soap}"><s:Header><Action xmlns="urn:a">decide</Action></s:Header><s:Body>'
            f'<Decide xmlns="urn:o"><Offer>{offer}</Offer><Amount Ccy="AZN">1500.50</Amount></Decide></s:Body>'
            "</s:Envelope>".encode()
        )
        sign_envelope(root, authority.issue(code, code, key="p256", now=NOW), now=NOW)
        messages.append(etree.tostring(root))
        honest[read(root[1])] = code

    def check(data: bytes) -> None:
        result = verify_envelope(parse_xml(data, limits=COMMENTS_TOO), trust, at=NOW)
        assert honest[read(result.body)] == result.verified.signer.participant, data

    run(messages, check)


def test_no_mutant_of_an_enveloped_message_is_accepted_with_other_content(
    authority: Authority, trust: TrustStore
) -> None:
    honest: dict[Reading, str] = {}
    messages = []
    for code, amount in [("999101", "1500.50"), ("999202", "7.00")]:
        root = parse_xml(
            f'<m:Envelope xmlns:m="urn:m" xmlns="urn:d"><m:Header><m:From>{code}</m:From><m:Sgntr/></m:Header>'
            f'<Document><Amt Ccy="AZN">{amount}</Amt><Nm id="n">Ə</Nm></Document></m:Envelope>'.encode()
        )
        sign_enveloped(root, authority.issue(code, code, key="p256", now=NOW), into=root[0][1])
        messages.append(etree.tostring(root))
        honest[read(root)] = code

    def check(data: bytes) -> None:
        root = parse_xml(data, limits=COMMENTS_TOO)
        place = "{urn:m}Header/{urn:m}Sgntr"
        verified = verify_enveloped(root, trust, at=NOW, signature_parent=place)
        assert honest[read(root)] == verified.signer.participant, data

    run(messages, check)


@pytest.mark.parametrize("wrapper", Envelope)
async def test_no_mutant_of_a_wrapped_iso_message_is_read_as_another(
    authority: Authority, trust: TrustStore, wrapper: Envelope
) -> None:
    """AOS-S1, AOS-S2: in either wrapper, the house's own opening and reading; parts of the other are grafted in."""
    honest: dict[tuple[BusinessHeader, CreditTransfer], str] = {}
    messages = []
    for code, amount, around in [
        ("999101", 150_050, wrapper),
        ("999202", 700, wrapper),
        ("999202", 9, _other(wrapper)),
    ]:
        transfer = replace(samples.TRANSFER, message_id=f"XZRNAZ22A001{amount:021d}", amount_minor=amount)
        credential = authority.issue(code, code, key="p256", now=NOW)
        data = await seal(transfer, from_bic="XZRNAZ22", to_bic="EHRNAZ22", credential=credential, wrapper=around)
        opened = open_signed(data, trust, at=NOW, participant_of=lambda _, code=code: code, wrapper=None)  # type: ignore[misc]
        messages.append(data)
        honest[opened.header, opened.read()] = code

    def check(data: bytes) -> None:
        opened = open_signed(data, trust, at=NOW, participant_of=lambda _: "999101", wrapper=wrapper)
        assert honest[opened.header, opened.read()] == opened.verified.signer.participant, data

    for stranger in messages[1:]:
        with pytest.raises(RefusedError):
            check(stranger)
    run(messages, check, count=1_500, honest=1)


def _other(wrapper: Envelope) -> Envelope:
    return next(row for row in Envelope if row is not wrapper)


def test_a_damaged_message_is_refused_and_never_breaks_the_reader(authority: Authority, trust: TrustStore) -> None:
    """Single bytes changed anywhere, the certificate's base64 included: a refusal each time, never another error."""
    root = parse_xml(f'<s:Envelope xmlns:s="{SOAP_11}"><s:Body><Offer>Ə</Offer></s:Body></s:Envelope>'.encode())
    sign_envelope(root, authority.issue("999101", "Xəzər", key="p256", now=NOW), now=NOW)
    message, honest = etree.tostring(root), read(root[1])
    rng = random.Random(SEED)
    for _ in range(MUTANTS):
        damaged = bytearray(message)
        for _ in range(rng.choice([1, 1, 2, 3])):
            damaged[rng.randrange(len(damaged))] = rng.choice(message)
        try:
            assert read(verify_envelope(parse_xml(bytes(damaged)), trust, at=NOW).body) == honest, damaged
        except RefusedError:
            continue


def run(messages: list[bytes], check: Callable[[bytes], None], *, count: int = MUTANTS, honest: int = 99) -> None:
    """The honest messages (the first so many) pass; of the mutants only those that change nothing signed do."""
    for message in messages[:honest]:
        check(message)
    verdicts: Counter[ErrorCode | str] = Counter()
    for mutant in mutants(SEED, count, messages[0], messages[1:], CHANGES):
        try:
            check(mutant)
            verdicts["accepted"] += 1
        except RefusedError as refused:
            verdicts[refused.refusal.code] += 1
    assert verdicts["accepted"] < count * 0.15
    assert len(verdicts) > 6, verdicts  # the mutants reach deep, not only to the first step
