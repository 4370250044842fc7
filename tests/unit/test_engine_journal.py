"""The journal's chain: any line changed, left out, moved or added is found, and only then."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gateway
from gateway.engine.journal import GENESIS, digest, first_break, link
from gateway.store.rows import JournalEntry, NounRow

AT = datetime(2026, 11, 23, 8, 0, 0, 123_456, tzinfo=UTC)


def entry(version: int, prev_hash: bytes, **other: Any) -> JournalEntry:
    values: dict[str, Any] = {
        "noun": "lot",
        "noun_id": "L1",
        "version": version,
        "lot_id": "L1",
        "owner": "999101",
        "at": AT + timedelta(microseconds=version),
        "event": "Announced",
        "before": None if version == 1 else "announced",
        "after": "announced",
        "cause_source": "EHERRAC",
        "cause_id": f"m{version}",
        "data": '{"title":"Mənzil"}',
        "prev_hash": prev_hash,
        "hash": b"",
        "bound": '{"noun":"00"}' if version > 2 else None,  # older lines bind nothing
    }
    return link(JournalEntry(**(values | other)))


def chain_of(length: int) -> list[JournalEntry]:
    chain: list[JournalEntry] = []
    for version in range(1, length + 1):
        chain.append(entry(version, chain[-1].hash if chain else GENESIS))
    return chain


def noun_of(chain: list[JournalEntry]) -> NounRow:
    return NounRow(
        noun="lot",
        id="L1",
        state="announced",
        version=len(chain),
        lot_id="L1",
        owner="999101",
        data="{}",
        head_hash=chain[-1].hash,
        updated_at=AT,
    )


CHAIN = chain_of(6)
CHANGES = [
    {"noun": "offer"},
    {"noun_id": "L2"},
    {"version": 9},
    {"lot_id": "L2"},
    {"owner": "999202"},
    {"at": AT + timedelta(microseconds=1_000)},
    {"at": CHAIN[2].at + timedelta(microseconds=1)},
    {"event": "AuctionSold"},
    {"before": None},
    {"before": ""},
    {"after": "sold"},
    {"cause_source": "999101"},
    {"cause_id": "m9"},
    {"data": '{"title":"Manzil"}'},
    {"prev_hash": GENESIS},
    {"hash": GENESIS},
    {"bound": None},
    {"bound": "{}"},
]


def test_a_chain_holds() -> None:
    assert first_break(CHAIN) is None
    assert first_break(CHAIN, noun_of(CHAIN)) is None
    assert first_break([]) is None


def test_the_instant_counts_whatever_zone_it_is_written_in() -> None:
    moved = replace(CHAIN[0], at=CHAIN[0].at.astimezone(timezone(timedelta(hours=4))))
    assert digest(moved) == CHAIN[0].hash


@pytest.mark.parametrize(
    ("index", "change"),
    [
        (index, change)
        for index, change in product((0, 2, 5), CHANGES)
        if replace(CHAIN[index], **change) != CHAIN[index]
    ],
    ids=str,
)
def test_a_changed_field_is_found_at_its_line(index: int, change: dict[str, Any]) -> None:
    changed = replace(CHAIN[index], **change)
    found = first_break([*CHAIN[:index], changed, *CHAIN[index + 1 :]], noun_of(CHAIN))
    assert found == index + 1


def test_every_field_of_a_line_is_among_the_changes() -> None:
    assert {name for change in CHANGES for name in change} == set(JournalEntry.__dataclass_fields__)


@pytest.mark.parametrize("index", range(6))
def test_a_line_left_out_is_found(index: int) -> None:
    """The last one too: the noun knows how long its chain is."""
    assert first_break(CHAIN[:index] + CHAIN[index + 1 :], noun_of(CHAIN)) == index + 1


@given(st.permutations(CHAIN))
def test_lines_in_another_order_are_found(order: list[JournalEntry]) -> None:
    assert (first_break(order) is None) == (order == CHAIN)


def test_a_line_rewritten_with_its_own_hash_is_found_at_the_next() -> None:
    forged = link(replace(CHAIN[2], after="sold"))
    assert first_break([*CHAIN[:2], forged, *CHAIN[3:]], noun_of(CHAIN)) == 4


def test_a_line_added_at_the_end_is_found() -> None:
    assert first_break([*CHAIN, entry(7, CHAIN[-1].hash)], noun_of(CHAIN)) is not None


def test_the_last_line_rewritten_with_its_own_hash_is_found() -> None:
    forged = link(replace(CHAIN[-1], after="sold"))
    assert first_break([*CHAIN[:-1], forged], noun_of(CHAIN)) is not None


def test_the_example_of_the_auditors_page_is_what_we_compute() -> None:
    page = (Path(gateway.__file__).parents[1] / "docs" / "evidence.md").read_text("utf-8")
    previous, array, told = re.search(r"prevHash +(\w+)\n +array +(.+)\n +hash +(\w+)\n", page).groups()  # type: ignore[union-attr]
    at, data = datetime(2026, 11, 23, 0, 14, 15, tzinfo=UTC), '{"title":"Bağ evi"}'
    line = entry(1, bytes.fromhex(previous), at=at, data=data, cause_id="e-1")
    assert line.hash.hex() == told
    assert hashlib.sha256(bytes.fromhex(previous) + array.encode()).hexdigest() == told
