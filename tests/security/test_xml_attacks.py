"""Entity bombs, external entities and DTDs: refused at once, by name, without growing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.xml import parse_xml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT.parent / "shared/testdata/xml-attacks/defusedxml"
LIMIT_S = 1.0

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


needs_attacks = pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/testdata/xml-attacks is not there")


@needs_attacks
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


EXPECTED = dict.fromkeys(ATTACKS, ErrorCode.XML_FORBIDDEN) | {name: code for name, (_, code) in OVERSIZED.items()}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What a process that may take no more than the limits says of every file; one that takes more is ended."""
    folder = tmp_path_factory.mktemp("oversized")
    for name, (data, _) in OVERSIZED.items():
        (folder / name).write_bytes(data)
    files = sorted(FOLDER.glob("*.xml")) + sorted(folder.iterdir())
    program = Path(__file__).with_name("xml_under_limits.py")
    done = subprocess.run(
        [sys.executable, str(program)],
        input="\n".join(map(str, files)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {Path(line["file"]).name: line for line in lines}


@pytest.mark.parametrize("name", EXPECTED)
def test_an_attack_is_refused_in_less_than_a_second_of_the_processor_and_50_megabytes(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    if name in ATTACKS and not FOLDER.is_dir():
        pytest.skip("../shared/testdata/xml-attacks is not there")
    assert told[name]["verdict"] == EXPECTED[name]
    assert told[name]["took_s"] < LIMIT_S


@needs_attacks
@pytest.mark.parametrize(("name", "what"), ATTACKS.items())
def test_a_known_attack_is_refused_by_name(name: str, what: str) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_xml((FOLDER / name).read_bytes())
    assert caught.value.refusal.facts["what"] == what
