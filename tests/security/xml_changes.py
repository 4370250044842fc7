"""The kinds of changes that attackers make to signed XML, seeded: in the tree, and below it in the bytes.

Each takes a source of chance, a tree to change in place, and other honest messages to take parts from. `mutants` draws
one to four of them at a time.
"""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Callable, Iterator
from copy import deepcopy

from lxml import etree

from certs.wss import WSU_ID
from contracts.xml import parse_xml

SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"
DS = "{http://www.w3.org/2000/09/xmldsig#}"
ID_NAMES = ("Id", "ID", "id", WSU_ID, "{http://www.w3.org/XML/1998/namespace}id")
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
TRANSFORMS = (
    "http://www.w3.org/TR/1999/REC-xslt-19991116",
    "http://www.w3.org/TR/1999/REC-xpath-19991116",
    "http://www.w3.org/2002/06/xmldsig-filter2",
    "http://www.w3.org/2000/09/xmldsig#base64",
    "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
    "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#STR-Transform",
)
ALGORITHMS = (
    "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
    "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
    "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
    "http://www.w3.org/2000/09/xmldsig#sha1",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "none",
    "",
)
ENTITIES = (
    '<!DOCTYPE a [<!ENTITY x "forged">]>',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">',
    '<!DOCTYPE a [<!ATTLIST a b CDATA "c">]>',
)

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


# --- Kinds that need to know XML signatures ---------------------------------------------------------------------------
def swap_transform(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    """Another transform in place of one, before it, or after it."""
    found = list(root.iter(DS + "Transform"))
    if not found:
        return
    transform = rng.choice(found)
    if rng.random() < 0.5:
        transform.set("Algorithm", rng.choice(TRANSFORMS))
        return
    added = etree.Element(DS + "Transform", {"Algorithm": rng.choice(TRANSFORMS)})
    etree.SubElement(added, DS + "XPath").text = "not(ancestor-or-self::Amount)"
    transform.addprevious(added) if rng.random() < 0.5 else transform.addnext(added)


def downgrade(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    """Weaker algorithms; with them an output length, where the algorithm knows one."""
    found = [
        *root.iter(DS + "SignatureMethod"),
        *root.iter(DS + "DigestMethod"),
        *root.iter(DS + "CanonicalizationMethod"),
    ]
    if found:
        chosen = rng.choice(found)
        chosen.set("Algorithm", rng.choice(ALGORITHMS))
        if rng.random() < 0.3:
            etree.SubElement(chosen, DS + "HMACOutputLength").text = rng.choice(["0", "1", "8"])


def swap_key_info(rng: random.Random, root: etree._Element, others: list[etree._Element]) -> None:
    """Another's KeyInfo, a bare key, a name, a way to fetch one."""
    for key_info in list(root.iter(DS + "KeyInfo"))[:1]:
        kind = rng.choice(["theirs", "KeyValue", "KeyName", "RetrievalMethod", "X509SubjectName"])
        theirs = [found for other in others for found in other.iter(DS + "KeyInfo")]
        if kind == "theirs" and theirs:
            key_info.getparent().replace(key_info, deepcopy(rng.choice(theirs)))
        else:
            added = etree.Element(DS + kind, {"URI": "http://127.0.0.1:9/key"} if kind == "RetrievalMethod" else {})
            added.text = b64encode(rng.randbytes(32)).decode()
            key_info.insert(rng.randint(0, len(key_info)), added)


def swap_token(rng: random.Random, root: etree._Element, others: list[etree._Element]) -> None:
    """The certificate of another participant in place of the signer's, or before it, or behind it."""
    names = ("BinarySecurityToken", "X509Certificate")
    found = [part for part in root.iter("*") if etree.QName(part).localname in names]
    theirs = [part for other in others for part in other.iter("*") if etree.QName(part).localname in names]
    if found and theirs:
        part, other = rng.choice(found), rng.choice(theirs)
        where = rng.choice(["instead", "before", "behind"])
        if where == "instead":
            part.text = other.text
        elif where == "before":
            part.addprevious(deepcopy(other))
        else:
            part.addnext(deepcopy(other))


def add_object(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    """An enveloping Object, or a Manifest, inside the signature: where wrapped content likes to hide."""
    for signature in list(root.iter(SIGNATURE))[:1]:
        held = etree.SubElement(signature, DS + "Object", {rng.choice(["Id", "ID"]): "held"})
        held.append(deepcopy(pick(rng, root)) if rng.random() < 0.6 else etree.Element(DS + "Manifest"))


def nest_document(rng: random.Random, root: etree._Element, others: list[etree._Element]) -> None:
    """A whole honest message inside this one."""
    pick(rng, root, below_root=False).append(deepcopy(rng.choice(others) if others and rng.random() < 0.5 else root))


def set_type(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    """xsi:type, xml:base, xml:space, xml:lang: attributes that other readers act upon."""
    name = rng.choice([XSI_TYPE, *(f"{{http://www.w3.org/XML/1998/namespace}}{x}" for x in ("base", "space", "lang"))])
    pick(rng, root, below_root=False).set(name, rng.choice(["x:y", "preserve", "http://127.0.0.1:9/"]))


def declare_prefix(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    """The same element under other prefixes, with declarations that nobody uses."""
    node = pick(rng, root)
    parent = node.getparent()
    if parent is None:
        return
    scope = {"p0": etree.QName(node).namespace or "urn:x", "xsi": XSI_TYPE[1:].partition("}")[0]}
    copy = etree.Element(node.tag, dict(node.attrib), nsmap=scope)
    copy.text, copy.tail = node.text, node.tail
    copy.extend(deepcopy(child) for child in node)
    parent.replace(node, copy)


def split_text(rng: random.Random, root: etree._Element, _: list[etree._Element]) -> None:
    """A value cut in two by a comment or an instruction: some readers see only its first half."""
    texts = [node for node in root.iter("*") if node.text and len(node.text) > 2 and not len(node)]
    if texts:
        node = rng.choice(texts)
        text = node.text or ""
        cut = rng.randrange(1, len(text))
        divider = rng.choice([etree.Comment("x"), etree.ProcessingInstruction("x", "y")])
        node.text, divider.tail = text[:cut], text[cut:]
        node.append(divider)


KNOWING: list[Change] = [
    swap_transform,
    downgrade,
    swap_key_info,
    swap_token,
    add_object,
    nest_document,
    set_type,
    declare_prefix,
    split_text,
]


# --- Below the tree ---------------------------------------------------------------------------------------------------
def change_bytes(rng: random.Random, data: bytes) -> bytes:
    """Changes that only bytes can carry: DTDs, entities, references, CDATA, encodings, line ends, a second document."""
    kind = rng.choice(["dtd", "reference", "cdata", "encoding", "newlines", "twice", "lead", "byte", "nul", "utf-16"])
    start = data.find(b"?>") + 2 if data.startswith(b"<?xml") else 0
    at = rng.randrange(start, len(data))
    match kind:
        case "dtd":
            return data[:start] + rng.choice(ENTITIES).encode() + data[start:].replace(b">A", b">&x;A", 1)
        case "reference":
            return data[:at] + rng.choice([b"&#x30;", b"&#48;", b"&x;", b"&lt;", b"&#0;"]) + data[at:]
        case "cdata":
            return data[:at] + b"<![CDATA[0]]>" + data[at:]
        case "encoding":
            return (
                b'<?xml version="1.0" encoding="' + rng.choice([b"utf-7", b"latin1", b"cp037"]) + b'"?>' + data[start:]
            )
        case "newlines":
            return data.replace(b">", rng.choice([b">\n", b">\r\n", b" >"]), rng.choice([1, 2, 500]))
        case "twice":
            return data + rng.choice([data[start:], b"<x/>", b"<!-- x -->", b"\x00"])
        case "lead":
            return rng.choice([b" ", b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf", b"<!-- x -->", b"x"]) + data
        case "byte":
            return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        case "nul":
            return data[:at] + b"\x00" + data[at:]
    return data[start:].decode().encode("utf-16")


def mutants(seed: int, count: int, data: bytes, others: list[bytes], changes: list[Change]) -> Iterator[bytes]:
    """`count` mutants of an honest message; parts of `others` are grafted in."""
    rng = random.Random(seed)
    donors = [parse_xml(other) for other in others]
    for _ in range(count):
        root = parse_xml(data)
        for change in rng.choices(changes, k=rng.choice([1, 1, 2, 3, 4])):
            change(rng, root, donors)
        yield etree.tostring(root)


def deep_mutants(seed: int, count: int, data: bytes, others: list[bytes]) -> Iterator[bytes]:
    """All kinds together; every fifth mutant is changed in its bytes, on top or alone."""
    rng = random.Random(seed)
    for number, mutant in enumerate(mutants(seed, count, data, others, CHANGES + KNOWING)):
        if number % 5:
            yield mutant
        else:
            yield change_bytes(rng, mutant if number % 2 else data)
