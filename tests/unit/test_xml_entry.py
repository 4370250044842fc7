"""The one XML entry refuses what an honest peer never sends, and says what it was."""

import pytest
from lxml import etree

from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import Refusal, RefusedError
from contracts.xml import CompiledSchema, XmlLimits, parse_xml, path_of


def refusal_of(data: bytes, **limits: int | bool) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        parse_xml(data, limits=XmlLimits(**limits))
    return caught.value.refusal


FORBIDDEN = [
    (b"<!DOCTYPE a><a/>", "doctype"),
    (b'<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "doctype"),
    (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "doctype"),
    (b'<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1/x.dtd"> %p;]><a/>', "doctype"),
    (b"<a><!-- c --></a>", "comment"),
    (b"<!-- before --><a/>", "comment"),
    (b"<a/><!-- after -->", "comment"),
    (b"<Amt>10<!-- -->00</Amt>", "comment"),
    (b"<a><?php x?></a>", "processing instruction"),
    (b"<?xml-stylesheet href='x'?><a/>", "processing instruction"),
    (b"<a/><?after?>", "processing instruction"),
    ('<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16"), "encoding"),
    ("<!DOCTYPE a><a/>".encode("utf-16-le"), "encoding"),
    (b'<?xml version="1.0" encoding="ISO-8859-9"?><a/>', "encoding"),
    (b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE a+AD4-', "encoding"),
    (b"<a><![CDATA[<!DOCTYPE x>]]></a>", "doctype"),
]


@pytest.mark.parametrize(("data", "what"), FORBIDDEN)
def test_what_an_honest_peer_never_sends_is_forbidden_by_name(data: bytes, what: str) -> None:
    refusal = refusal_of(data)
    assert (refusal.code, refusal.facts["what"]) == (ErrorCode.XML_FORBIDDEN, what)


MALFORMED = [
    b"",
    b"   ",
    b"text",
    b"<a>",
    b"<a></b>",
    b"<a/><b/>",
    b"<a b='1' b='2'/>",
    b"<a>&b;</a>",
    b"<p:a/>",
    b"<a>\xff\xfe</a>",
    b"<a>\x01</a>",
    b'<?xml version="1.1"?><a/>',
    b'<?xml version="1.0" encoding="UTF-8"><a/>',
    b"\xef\xbb\xbf\xef\xbb\xbf<a/>",
]


@pytest.mark.parametrize("data", MALFORMED)
def test_what_is_not_well_formed_is_malformed_and_never_recovered(data: bytes) -> None:
    refusal = refusal_of(data)
    assert refusal.code is ErrorCode.XML_MALFORMED
    assert refusal.facts["fault"]


LIMITS = [
    ("body", b"<a>" + b"x" * 100 + b"</a>", {"body_max_bytes": 106}, ErrorCode.BODY_TOO_LARGE),
    ("elements", b"<a>" + b"<b/>" * 10 + b"</a>", {"elements_max": 10}, ErrorCode.XML_FORBIDDEN),
    ("depth", b"<a>" * 11 + b"</a>" * 11, {"depth_max": 10}, ErrorCode.XML_FORBIDDEN),
    ("attributes", b"<a><b c='1' d='2' e='3'/></a>", {"attributes_max": 2}, ErrorCode.XML_FORBIDDEN),
    ("namespaces", b"<a xmlns='b' xmlns:c='d' xmlns:e='f'/>", {"namespaces_max": 2}, ErrorCode.XML_FORBIDDEN),
]


@pytest.mark.parametrize(("what", "data", "limit", "code"), LIMITS)
def test_one_more_than_the_limit_is_refused(what: str, data: bytes, limit: dict[str, int], code: ErrorCode) -> None:
    refusal = refusal_of(data, **limit)
    assert refusal.code is code
    assert refusal.facts.get("limit", refusal.facts.get("limit_bytes")) == str(next(iter(limit.values())))


@pytest.mark.parametrize(("what", "data", "limit", "code"), LIMITS)
def test_exactly_the_limit_is_accepted(what: str, data: bytes, limit: dict[str, int], code: ErrorCode) -> None:
    [(name, value)] = limit.items()
    parse_xml(data, limits=XmlLimits(**{name: value + 1}))


ACCEPTED = [
    (b"\xef\xbb\xbf<?xml version='1.0' encoding='utf-8' standalone='yes'?><a>\xc9\x99</a>", "ə"),
    ("<a>Xəzər ₼</a>".encode(), "Xəzər ₼"),
    (b"<a><![CDATA[<!-- not a comment --><?not a pi?>]]></a>", "<!-- not a comment --><?not a pi?>"),
    (b"<a>&lt;&amp;&#601;</a>", "<&ə"),
]


@pytest.mark.parametrize(("data", "text"), ACCEPTED)
def test_ordinary_messages_are_read(data: bytes, text: str) -> None:
    assert parse_xml(data).text == text


def test_comments_pass_where_the_caller_allows_them() -> None:
    assert parse_xml(b"<a><!-- c --></a>", limits=XmlLimits(comments_allowed=True)).tag == "a"


def test_a_path_counts_only_where_names_repeat() -> None:
    root = parse_xml(b"<a xmlns='n'><b/><c><d/></c><b><e/></b></a>")
    assert [path_of(node) for node in root.iter()] == ["/a", "/a/b[1]", "/a/c", "/a/c/d", "/a/b[2]", "/a/b[2]/e"]


MAIN = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:types" targetNamespace="urn:main"
    elementFormDefault="qualified">
  <xs:import namespace="urn:types" schemaLocation="{location}"/>
  <xs:element name="Order"><xs:complexType><xs:sequence>
    <xs:element name="Item" type="t:Amount" maxOccurs="9"/>
  </xs:sequence></xs:complexType></xs:element>
</xs:schema>"""
TYPES = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:types">
  <xs:simpleType name="Amount"><xs:restriction base="xs:decimal"><xs:fractionDigits value="2"/></xs:restriction>
  </xs:simpleType>
</xs:schema>"""


@pytest.fixture
def package(tmp_path, monkeypatch) -> str:
    """A package of two schemas, one importing the other."""
    folder = tmp_path / "schema_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "types.xsd").write_text(TYPES)
    (folder / "main.xsd").write_text(MAIN.format(location="types.xsd"))
    (folder / "greedy.xsd").write_text(MAIN.format(location="http://127.0.0.1:9/other.xsd"))
    monkeypatch.syspath_prepend(tmp_path)
    return "schema_package"


def test_a_schema_imports_from_its_own_package_and_accepts_what_follows_it(package: str) -> None:
    schema = CompiledSchema(package, "main.xsd")
    schema.validate(parse_xml(b"<Order xmlns='urn:main'><Item>1.50</Item><Item>2</Item></Order>"))


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b"<Order xmlns='urn:main'><Item>1</Item><Item>1.505</Item></Order>", "/Order/Item[2]"),
        (b"<o:Order xmlns:o='urn:main'><o:Item>NaN</o:Item></o:Order>", "/Order/Item"),
        (b"<Order xmlns='urn:main'/>", "/Order"),
        (b"<Other/>", "/Other"),
    ],
)
def test_a_schema_fault_is_told_by_the_path_of_elements(package: str, data: bytes, path: str) -> None:
    with pytest.raises(RefusedError) as caught:
        CompiledSchema(package, "main.xsd").validate(parse_xml(data))
    refusal = caught.value.refusal
    assert (refusal.code, refusal.facts["path"]) == (ErrorCode.SCHEMA_INVALID, path)
    assert "urn:main" not in refusal.facts["fault"]


def test_a_part_of_a_message_is_validated_with_the_path_from_that_part(package: str) -> None:
    whole = parse_xml(b"<e:E xmlns:e='env'><e:B><Order xmlns='urn:main'><Item>x</Item></Order></e:B></e:E>")
    with pytest.raises(RefusedError) as caught:
        CompiledSchema(package, "main.xsd").validate(whole[0][0])
    assert caught.value.refusal.facts["path"] == "/Order/Item"


def test_a_schema_never_imports_from_outside_its_package(package: str) -> None:
    with pytest.raises(etree.XMLSchemaParseError, match=r"other\.xsd"):
        CompiledSchema(package, "greedy.xsd")
