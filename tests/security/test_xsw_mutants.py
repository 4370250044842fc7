"""Thousands of seeded mutants of our own signed messages: whatever is accepted says what was signed, and nothing else.

Each mutant gets one to four changes of the kinds attackers use: wrap, move, duplicate, rename, delete, swap, change
ids, texts, attributes and namespaces, graft in parts of another honestly signed message. What a reader would process
is compared with the honest content by a reading of its own, independent of canonical form.
"""

import random
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime

import pytest
from lxml import etree

from certs.authority import Authority
from certs.trust import TrustStore
from certs.wss import SOAP_11, SOAP_12, WSU_ID, sign_envelope, verify_envelope
from certs.xmldsig import sign_enveloped, verify_enveloped
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.xml import XmlLimits, parse_xml

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
MUTANTS = 6_000
SEED = 20261122
COMMENTS_TOO = XmlLimits(comments_allowed=True)  # verification does not rely on the parser for them
SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"
ID_NAMES = ("Id", "ID", "id", WSU_ID, "{http://www.w3.org/XML/1998/namespace}id")

Change = Callable[[random.Random, etree._Element, list[etree._Element]], None]


# --- The kinds of changes ---------------------------------------------------------------------------------------------


def pick(rng: random.Random, root: etree._Element, *, below_root: bool = True) -> etree._Element:
    nodes = list(root.iter("*"))
    return rng.choice(nodes[1:] or nodes) if below_root else rng.choice(nodes)


def is_inside(node: etree._Element, other: etree._Element) -> bool:
    return other is node or other in list(node.iterancestors())


def move(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    node, target = pick(rng, root), pick(rng, root, below_root=False)
    if not is_inside(target, node) and node is not root:
        target.insert(rng.randint(0, len(target)), node)


def duplicate(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    target = pick(rng, root, below_root=False)
    target.insert(rng.randint(0, len(target)), deepcopy(pick(rng, root)))


def wrap(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    node = pick(rng, root)
    parent = node.getparent()
    if parent is None:
        return
    wrapper = etree.Element(rng.choice(["wrapper", parent.tag, node.tag, SIGNATURE]))
    parent.replace(node, wrapper)
    wrapper.append(node)


def wrap_beside_forgery(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    """The classic: the signed element goes into a wrapper, a forged copy takes its place."""
    node = pick(rng, root)
    parent = node.getparent()
    if parent is None:
        return
    forged = deepcopy(node)
    for part in forged.iter("*"):
        if len(part) == 0:
            part.text = "forged"
    if rng.random() < 0.5:
        for name in ID_NAMES:
            forged.attrib.pop(name, None)
    parent.replace(node, forged)
    shelter = etree.SubElement(pick(rng, root, below_root=False), rng.choice(["wrapper", "{urn:x}Object"]))
    shelter.append(node)


def rename(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    node = pick(rng, root, below_root=False)
    node.tag = rng.choice(["x", "{urn:x}y", pick(rng, root, below_root=False).tag])


def delete(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    node = pick(rng, root)
    if node.getparent() is not None:
        node.getparent().remove(node)


def swap(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    node = pick(rng, root)
    if node.getnext() is not None:
        node.addprevious(node.getnext())


def change_id(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    node = pick(rng, root, below_root=False)
    known = [value for part in root.iter("*") for name, value in part.attrib.items() if name.lower().endswith("id")]
    node.set(rng.choice(ID_NAMES), rng.choice([*known, "x", ""]))


def change_id_spelling(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    carriers = [(part, name) for part in root.iter("*") for name in ID_NAMES if name in part.attrib]
    if carriers:
        part, name = rng.choice(carriers)
        part.set(rng.choice(ID_NAMES), part.attrib.pop(name))


def change_text(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    node = pick(rng, root, below_root=False)
    if rng.random() < 0.5:
        node.text = rng.choice(["forged", "", " ", (node.text or "") + "0"])
    else:
        node.tail = rng.choice(["forged", "", " \n"])


def change_attribute(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    node = pick(rng, root, below_root=False)
    if node.attrib and rng.random() < 0.6:
        name = rng.choice(list(node.attrib))
        node.set(name, rng.choice(["", "#x", node.get(name) + "x", pick(rng, root).get("URI", "")]))
    else:
        node.set(rng.choice(["URI", "Type", "Algorithm", "Ccy", "{urn:x}a"]), "x")


def change_uri(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    references = [part for part in root.iter("*") if "URI" in part.attrib]
    known = [value for part in root.iter("*") for name, value in part.attrib.items() if name.lower().endswith("id")]
    if references:
        rng.choice(references).set("URI", rng.choice(["", "#x", "#xpointer(/)", *[f"#{value}" for value in known]]))


def comment(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    node = pick(rng, root, below_root=False)
    node.insert(0, rng.choice([etree.Comment("x"), etree.ProcessingInstruction("x", "y")]))


def graft(rng: random.Random, root: etree._Element, others: list[etree._Element]) -> None:
    """A part of another honest message, signed by another participant, in place of one of ours."""
    node = pick(rng, root)
    same = list(rng.choice(others).iter(node.tag))
    if same and node.getparent() is not None:
        node.getparent().replace(node, deepcopy(rng.choice(same)))


CHANGES: list[Change] = [
    move,
    duplicate,
    wrap,
    wrap_beside_forgery,
    wrap_beside_forgery,
    rename,
    delete,
    swap,
    change_id,
    change_id_spelling,
    change_text,
    change_attribute,
    change_uri,
    comment,
    graft,
    graft,
]


def mutants(data: bytes, others: list[bytes]) -> list[bytes]:
    rng = random.Random(SEED)
    donors = [parse_xml(other) for other in others]
    made = []
    for _ in range(MUTANTS):
        root = parse_xml(data)
        for change in rng.choices(CHANGES, k=rng.choice([1, 1, 2, 3, 4])):
            change(rng, root, donors)
        made.append(etree.tostring(root))
    return made


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


def run(messages: list[bytes], check: Callable[[bytes], None]) -> None:
    """The honest messages pass; of the mutants only those that change nothing signed do."""
    for message in messages:
        check(message)
    verdicts: Counter[ErrorCode | str] = Counter()
    for mutant in mutants(messages[0], messages[1:]):
        try:
            check(mutant)
            verdicts["accepted"] += 1
        except RefusedError as refused:
            verdicts[refused.refusal.code] += 1
    assert verdicts["accepted"] < MUTANTS * 0.1
    assert len(verdicts) > 6, verdicts  # the mutants reach deep, not only to the first step
