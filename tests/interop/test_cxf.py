"""A bank whose developers took Apache CXF: classes from our WSDL, signatures by WSS4J, both ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from peer import built, keep, steps
from town import Town

pytestmark = pytest.mark.timeout(600)  # Maven fetches a hundred archives at the first time

SOAP = Path(__file__).parents[2] / "contracts" / "soap"
RSA = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"


@pytest.fixture(scope="module")
def bank(program: Callable[[str, str], str]) -> list[str]:
    """How the client is started; Maven fetches CXF and compiles the client, at the first time."""
    java, maven = program("java", "default-jdk-headless"), program("mvn", "maven")
    program("javac", "default-jdk-headless")
    beside = {f"wsdl/{name}": SOAP / name for name in ("gateway.wsdl", "gateway-1.xsd")}
    folder = built("cxf", maven, "-B", "-q", "compile", beside=beside)
    classes = f"{folder}/target/classes:{(folder / 'target' / 'classpath').read_text().strip()}"
    return [java, "-Dfile.encoding=UTF-8", "-cp", classes, "Bank"]


@pytest.mark.parametrize(
    ("code", "algorithm", "version", "said"),
    [
        ("999101", RSA, "1.1", ["L1.offer open", "c-2", "ALREADY_DECIDED"]),
        ("999101", RSA, "1.2", ["L1.offer open", "c-2", "ALREADY_DECIDED"]),
        ("999202", ECDSA, "1.2", ["", "OFFER_UNKNOWN", "OFFER_UNKNOWN"]),
    ],
)
async def test_cxf_and_wss4j_speak_with_us(
    town: Town, bank: list[str], tmp_path: Path, code: str, algorithm: str, version: str, said: list[str]
) -> None:
    """WSS4J signs what we accept and verifies what we say; another bank's offer is unknown to it (EHR-4)."""
    keep(town, code, tmp_path)
    keys, authorities = str(tmp_path / f"{code}.p12"), str(town.folder / "keys" / code)
    told = await steps([*bank, town.system.address + "/soap/v1", keys, authorities, algorithm, version], tmp_path)
    assert [step["said"] for step in told] == said
    assert (await town.noun("offer", "L1.offer")).state == ("accepted" if code == "999101" else "open")
