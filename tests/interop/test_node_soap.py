"""A bank whose developers took node-soap and its WSSecurityCert, against the real SOAP door."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from peer import built, keep, steps
from town import Town

TOLERANT = {"EHERRAC__BANKS__0__TOLERANCES": '["node_soap"]'}
ANOTHERS = {"EHERRAC__BANKS__0__TOLERANCES": "[]", "EHERRAC__BANKS__1__TOLERANCES": '["node_soap"]'}


@pytest.fixture(scope="module")
def node(program: Callable[[str, str], str]) -> Path:
    """The folder with the client and the packages it needs, from npm."""
    npm = program("npm", "npm")
    program("node", "nodejs")
    return built("node-soap", npm, "ci", "--no-audit", "--no-fund", "--silent")


async def speak(town: Town, node: Path, folder: Path, *options: str) -> list[Any]:
    for code in ("999101", "GATEWAY"):
        keep(town, code, folder)
    keys = [str(folder / name) for name in ("999101.key", "999101.crt", "GATEWAY.crt")]
    return await steps(["node", str(node / "bank.js"), town.system.address + "/soap/v1", *keys, *options], node)


async def test_node_soap_lists_and_decides_and_believes_our_answers(town: Town, node: Path, tmp_path: Path) -> None:
    """It reads our WSDL, signs exclusively canonicalised, and xml-crypto verifies each answer, the fault too."""
    listed, decided, again = await speak(town, node, tmp_path)
    assert [step["verified"] for step in (listed, decided, again)] == [True, True, True]
    (offer,) = listed["result"]["Offer"]
    assert (offer["Id"], offer["State"]) == ("L1.offer", "open")
    assert decided["result"]["InReplyTo"] == "n-2"
    assert again["fault"]["detail"]["Problem"]["Code"] == "ALREADY_DECIDED"
    assert (await town.noun("offer", "L1.offer")).state == "accepted"


async def test_node_soap_as_it_comes_is_told_what_to_change(town: Town, node: Path, tmp_path: Path) -> None:
    """Without options it writes plain ids and the enveloped transform, which no exchange of ours takes."""
    for step in await speak(town, node, tmp_path, "default"):
        problem = step["fault"]["detail"]["Problem"]
        assert problem["Code"] == "SIGNATURE_MALFORMED"
        assert "node_soap" in str(problem)
        assert step["verified"] is True
    assert (await town.noun("offer", "L1.offer")).state == "open"


@pytest.mark.parametrize("town", [TOLERANT], indirect=True)
@pytest.mark.parametrize("options", ["default", "named"])
async def test_node_soap_as_it_comes_is_understood_where_tolerated(
    town: Town, node: Path, tmp_path: Path, options: str
) -> None:
    listed, decided, again = await speak(town, node, tmp_path, options)
    assert listed["result"]["Offer"][0]["Id"] == "L1.offer"
    assert decided["result"]["InReplyTo"] == "n-2"
    assert again["fault"]["detail"]["Problem"]["Code"] == "ALREADY_DECIDED"
    assert (await town.noun("offer", "L1.offer")).state == "accepted"


@pytest.mark.parametrize("town", [TOLERANT, ANOTHERS], indirect=True)
async def test_node_soap_with_sha1_or_as_another_bank_stays_refused(town: Town, node: Path, tmp_path: Path) -> None:
    """AOS-S2: a tolerance is of one bank, and widens no algorithm."""
    told = await speak(town, node, tmp_path, "sha1" if town.config.banks[0].tolerances else "default")
    codes = {step["fault"]["detail"]["Problem"]["Code"] for step in told}
    assert codes == {"ALGORITHM_NOT_ALLOWED" if town.config.banks[0].tolerances else "SIGNATURE_MALFORMED"}
    assert (await town.noun("offer", "L1.offer")).state == "open"
