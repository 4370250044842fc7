"""The bench runs, and counts only what happened. Nothing here is timed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bench import floor
from bench.bare import keys
from bench.books import Counts
from bench.databases import postgres_url
from bench.end_to_end import measure
from bench.flood import measure as beside_a_flood
from bench.flooder import Flood
from bench.messages import measure as measure_message
from bench.outage import DOWN
from bench.outage import measure as answers_without
from bench.recording import HTTP_IN, HTTP_OUT, Recording
from contracts.iso20022 import samples
from gateway.keys import KeyFolder

LOTS = 4
BALANCED = Counts(accepted=LOTS, settled=LOTS, called_back=LOTS, delivered=LOTS, open=0, tried_again=0)


@pytest.mark.parametrize(
    "fault", [{"accepted": 3}, {"settled": 3}, {"called_back": 3}, {"delivered": 3}, {"open": 1}, {"settled": 5}]
)
def test_a_run_is_void_unless_everything_asked_for_happened(fault: dict[str, int]) -> None:
    assert BALANCED.is_balanced(LOTS)
    assert not replace(BALANCED, **fault).is_balanced(LOTS)


async def test_the_floor_is_played_from_what_the_gateway_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "")  # the town sets it for its programs; put back afterwards
    result = await measure(tmp_path / "town", lots=LOTS, in_flight=2, recorded=True)
    assert result.counts.is_balanced(LOTS)
    assert result.gateway.cpu_s > 0

    recording = Recording.load(tmp_path / "town" / "recording.pickle")
    calls = Counter(call.kind for call in recording.calls)
    assert calls["print"] == calls["seal"] == LOTS
    assert calls["produce"] == 3 * LOTS  # a record for every authority
    assert calls["sign_enveloped"] == 2 * LOTS  # the payment request, and our confirmation of its credit
    assert calls["sign_request"] + calls["sign_response"] >= calls["verify_request"]
    assert calls["verify_response"] <= recording.counts[HTTP_OUT]
    assert calls["sign_response"] <= recording.counts[HTTP_IN]

    identity = KeyFolder(directory=tmp_path / "town" / "keys" / "GATEWAY").identity()
    rows = await floor.rows(recording, identity, LOTS)
    assert {row.kind for row in rows} == {*floor.LABELS, "commit", "produce"}
    assert all(row.bare_us > 0 for row in rows)
    assert sum(row.cold_ms for row in rows) > sum(row.floor_ms for row in rows)


async def test_the_floor_is_played_on_postgresql_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_dsn: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "")
    with postgres_url(postgres_dsn) as url:
        under = {"EHERRAC__STORE__URL": url}
        result = await measure(tmp_path / "town", lots=2, in_flight=2, recorded=True, settings=under)
    assert result.counts.is_balanced(2)
    recording = Recording.load(tmp_path / "town" / "recording.pickle")
    identity = KeyFolder(directory=tmp_path / "town" / "keys" / "GATEWAY").identity()
    measured = {row.kind: row for row in await floor.rows(recording, identity, 2, dsn=postgres_dsn)}
    assert measured["commit"].bare_us > 0
    assert measured["commit"].label == "transaction committed (PostgreSQL)"


def test_every_message_is_measured_beside_its_floor() -> None:
    for key in keys():
        for message in samples.SAMPLES.values():
            cost = measure_message(message, key, count=1)
            assert min(cost.out_us, cost.out_floor_us, cost.in_us, cost.in_floor_us) > 0


async def test_signed_answers_go_on_while_ocsp_and_the_authority_of_time_are_down(tmp_path: Path) -> None:
    bank = await answers_without(tmp_path / "town", DOWN, calls=40)
    assert bank.errors == []
    assert len(bank.waits_s) == 40


async def test_honest_clients_are_answered_beside_a_flood_and_lots_go_their_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flooder in a process of his own, badly signed; honest clients over REST and SOAP."""
    monkeypatch.setenv("PYTHONPATH", "")
    flooded = await beside_a_flood(tmp_path / "town", Flood.BADLY_SIGNED, connections=100, seconds=6.0, settings={})
    assert sum(flooded.flood.values()) > 0
    assert flooded.heard.share >= 0.9
    assert flooded.settled == flooded.lots
    assert flooded.not_ready == 0
