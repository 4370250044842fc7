"""Entity bombs, external entities and DTDs: refused at once, by name, without growing."""

import resource
import time
from pathlib import Path

import pytest

from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.xml import parse_xml

FOLDER = Path(__file__).parents[3] / "shared/testdata/xml-attacks/defusedxml"
LIMIT_S = 1.0
LIMIT_KIB = 50 * 1024

ATTACKS = {
    "cyclic.xml": "doctype",
    "dtd.xml": "doctype",
    "dtd_element.xml": "doctype",
    "external.xml": "doctype",
    "external_file.xml": "doctype",
    "quadratic.xml": "doctype",
    "xmlbomb.xml": "doctype",
    "xmlbomb2.xml": "doctype",
    "simple.xml": "comment",
    "simple-ns.xml": "comment",
}


@pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/testdata/xml-attacks is not there")
@pytest.mark.parametrize(("name", "what"), ATTACKS.items())
def test_a_known_attack_is_refused_quickly(name: str, what: str) -> None:
    refuse_within_limits((FOLDER / name).read_bytes(), what)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/testdata/xml-attacks is not there")
def test_no_attack_of_the_collection_is_forgotten() -> None:
    assert {file.name for file in FOLDER.glob("*.xml")} == ATTACKS.keys()


OVERSIZED = {
    "a million levels": (b"<a>" * 100_000, ErrorCode.XML_MALFORMED),
    "closed levels": (b"<a>" * 19_000 + b"</a>" * 19_000, ErrorCode.XML_MALFORMED),
    "elements": (b"<a>" + b"<b/>" * 100_000 + b"</a>", ErrorCode.XML_FORBIDDEN),
    "attributes": (b"<a " + b" ".join(b"b%d=''" % n for n in range(50_000)) + b"/>", ErrorCode.XML_FORBIDDEN),
    "namespaces": (b"<a " + b" ".join(b"xmlns:b%d='c'" % n for n in range(50_000)) + b"/>", ErrorCode.XML_FORBIDDEN),
    "text": (b"<a>" + b"x" * 2_000_000 + b"</a>", ErrorCode.BODY_TOO_LARGE),
    "character references": (b"<a>" + b"&#601;" * 170_000 + b"</b>", ErrorCode.XML_MALFORMED),
}


@pytest.mark.parametrize("name", OVERSIZED)
def test_an_oversized_message_is_refused_quickly(name: str) -> None:
    data, code = OVERSIZED[name]
    assert refuse_within_limits(data) is code


def refuse_within_limits(data: bytes, what: str | None = None) -> ErrorCode:
    before_kib, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(RefusedError) as caught:
        parse_xml(data)
    assert time.perf_counter() - started < LIMIT_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < LIMIT_KIB
    if what is not None:
        assert caught.value.refusal.facts["what"] == what
        assert caught.value.refusal.code is ErrorCode.XML_FORBIDDEN
    return caught.value.refusal.code
