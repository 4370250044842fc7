"""docs/diagrams.md is what the tables say, and the tables leave no state out of reach."""

from pathlib import Path

import pytest

from gateway.diagrams import document
from gateway.domain import delivery
from gateway.domain.nouns import TABLES

TABLES_ALL = [*TABLES.values(), delivery.TABLE]


def test_the_committed_diagrams_are_those_of_the_tables() -> None:
    committed = Path(__file__).parents[2] / "docs" / "diagrams.md"
    assert committed.read_text() == document(), "run `make diagrams`"


@pytest.mark.parametrize("table", TABLES_ALL, ids=lambda table: table.name)
def test_every_state_can_be_reached_from_the_beginning(table) -> None:
    reached, grown = {None}, True
    while grown:
        grown = False
        for row in table.rows():
            if row.source in reached and row.target not in reached:
                reached.add(row.target)
                grown = True
    assert reached - {None} == set(table.states)


@pytest.mark.parametrize("table", TABLES_ALL, ids=lambda table: table.name)
def test_nothing_leads_out_of_a_final_state_to_an_open_one(table) -> None:
    """A late statement may show that a final state was wrong; then it waits for a person."""
    out = {row.target for row in table.rows() if row.source in table.final} - table.final - table.waiting_for_person
    assert out == set()


@pytest.mark.parametrize("table", TABLES_ALL, ids=lambda table: table.name)
def test_every_open_state_has_a_way_out(table) -> None:
    ways_out = {row.source for row in table.rows() if row.source != row.target}
    closed = set(table.final) | set(table.waiting_for_person)
    single = len(set(table.states)) == 1
    assert single or set(table.states) - closed <= ways_out
