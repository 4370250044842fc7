"""A bank whose developers took node-soap and its WSSecurityCert, against the real SOAP door."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from peer import built, keep, steps
from town import Town


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
        assert step["verified"] is True
    assert (await town.noun("offer", "L1.offer")).state == "open"
