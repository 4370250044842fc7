"""The AsyncAPI document is true to the events, the topics and the headers that the code writes and reads."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.events import protocols
from contracts.events.platform import PLATFORM_EVENTS

FILE = Path(str(resources.files("contracts.events").joinpath("asyncapi.yaml")))
MOMENT = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return loaded


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for member in value.values():
            yield from _references(member)
    elif isinstance(value, list):
        for member in value:
            yield from _references(member)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in _references(document):
        if reference.startswith("./"):
            assert (FILE.parent / reference).is_file(), reference
            continue
        place = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def _message(document: dict[str, Any], key: str) -> dict[str, Any]:
    message: dict[str, Any] = document["components"]["messages"][key]
    return message


def test_the_events_channel_carries_exactly_the_platforms_events(document: dict[str, Any]) -> None:
    names = {_message(document, key)["name"] for key in document["channels"]["events"]["messages"]}
    assert names == set(PLATFORM_EVENTS)


def test_the_topics_are_those_that_are_declared(document: dict[str, Any]) -> None:
    declared = tomllib.loads(FILE.with_name("topics.toml").read_text(encoding="utf-8"))["topics"]
    described = {
        channel["address"].format(authority=authority)
        for channel in (document["channels"][name] for name in ("protocols", "refusals"))
        for authority in channel["parameters"]["authority"]["enum"]
    }
    assert described | {document["channels"]["receipts"]["address"]} == set(declared)


def test_the_headers_of_a_record_are_those_described(document: dict[str, Any]) -> None:
    protocol = protocols.ProtocolIssued(
        id="d-1",
        source="GATEWAY",
        lot_id="LOT-B",
        time=MOMENT,
        protocol_id="LOT-B.protocol",
        number="2026/1",
        result="sold",
        container=b"PK",
    )
    receipt = protocols.ProtocolReceipted(id="r-1", source="ECONOMY", lot_id="LOT-B", time=MOMENT, document=b"<r/>")
    for key, headers in (
        ("protocol", protocols.write_protocol(protocol)),
        ("receipt", protocols.write_receipt(receipt)),
    ):
        described = _message(document, key)["headers"]
        assert {name for name, _ in headers} == set(described["required"]) == set(described["properties"])
        for name, value in headers:
            expected = described["properties"][name].get("const", value.decode())
            assert value.decode() == expected
