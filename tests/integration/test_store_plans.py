"""The hot path stays flat: no query walks a table, and a claim costs the same whatever waits, is blocked or is done."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from store_rows import NOW

from gateway.store import open_store
from gateway.store.mapping import to_micros
from gateway.store.session import named_queries
from gateway.store.sqlite import SqliteSession, connect
from gateway.store.testing import blank_store_url
from gateway.store.transaction import SqlTransaction

COUNTS = {"count_nouns", "count_outbox"}  # of what is open, for the watchdog; of all nouns, for audits only
AUDITS = {"count_stray_lines", "last_unbound_at", "stray_inbox", "stray_outbox"}  # of a whole store
ONCE = {"release"}  # at the start of a process that knows it is alone: what waits, and not what is done
FEW = {"outbox_of", "outbox_between"}  # sorts what one noun, or a page of them, has open: a handful each
NO_TABLE = (
    "CONSTANT ROW",
    " heads",
    "VIRTUAL TABLE INDEX 0:",
)  # a recursion's queue, a row per lane; a pragma's one row
WAITING = {
    "due": "NULL, :now, :now, NULL, NULL",
    "due tomorrow": "NULL, :now, :now + 86400000000, NULL, NULL",
    "blocked": "'k', :now, NULL, NULL, NULL",
    "parked": "NULL, :now, NULL, :now, NULL",
    "done": "NULL, :now, NULL, NULL, :now",
}


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    blank_store_url(tmp_path)
    with closing(connect(str(tmp_path / "store.db"), 1.0)) as opened:
        yield opened


@pytest.mark.parametrize("query", sorted(set(named_queries("sqlite")) - COUNTS - AUDITS - ONCE))
def test_no_query_walks_a_table(connection: sqlite3.Connection, query: str) -> None:
    sql = named_queries("sqlite")[query]
    values = dict.fromkeys(re.findall(r":(\w+)", sql), 1)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert not [line for line in plan if line.startswith("SCAN") and not line.endswith(NO_TABLE)], plan
    assert query in FEW or not [line for line in plan if "TEMP B-TREE" in line], plan


@pytest.mark.parametrize("query", sorted(COUNTS))
def test_the_counts_walk_an_index_only(connection: sqlite3.Connection, query: str) -> None:
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {named_queries('sqlite')[query]}")]
    assert "INDEX" in plan[0], plan


def fill(connection: sqlite3.Connection, kind: str, count: int) -> None:
    """Put `count` rows of one kind into the outbox, all of the same channel."""
    connection.execute(
        f"""
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
        INSERT INTO outbox (id, channel, recipient, noun, noun_id, body_type, body, state, created_at, attempt,
                            state_version, order_key, due_at, visible_at, parked_at, concluded_at)
        SELECT 'o' || i, 'banks', 'r', 'payment', 'P' || i, 'Notice', '{{}}', 'due', :now, 0, 0, {WAITING[kind]} FROM n
        """,
        {"count": count, "now": to_micros(NOW)},
    )


def steps(connection: sqlite3.Connection, work) -> int:
    """How many instructions of SQLite's machine the work takes, in fifties."""
    taken = 0

    def count() -> None:
        nonlocal taken
        taken += 1

    connection.set_progress_handler(count, 50)
    work()
    connection.set_progress_handler(None, 0)
    return taken


@pytest.mark.parametrize("kind", WAITING)
def test_claiming_costs_the_same_beside_a_hundred_rows_and_fifty_thousand(tmp_path: Path, kind: str) -> None:
    costs = []
    for count in (100, 50_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        blank_store_url(folder)
        with closing(connect(str(folder / "store.db"), 1.0)) as connection:
            fill(connection, kind, count)
            tx = SqlTransaction(SqliteSession(connection))
            connection.execute("BEGIN IMMEDIATE")

            def round_trip(tx=tx) -> None:
                for row in tx.claim(now=NOW, worker="w", lease_s=30, limits={"banks": 10, "aos": 10}):
                    tx.conclude(row, now=NOW, state="acknowledged")
                tx.lanes()

            costs.append(steps(connection, round_trip))
    assert costs[1] <= costs[0] + 2, costs


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
async def test_postgresql_claims_along_the_partial_index(store_url: str) -> None:
    import psycopg

    store = await open_store(store_url)
    await store.close()
    with psycopg.connect(store_url, autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO outbox (id, channel, recipient, noun, noun_id, body_type, body, state, created_at, attempt,
                                state_version, due_at, visible_at)
            SELECT 'o' || i, 'banks', 'r', 'payment', 'P' || i, 'Notice', '{}', 'due', 1, 0, 0, i, i
            FROM generate_series(1, 20000) i
            """
        )
        connection.execute("ANALYZE outbox")
        queries = named_queries("postgresql")
        times = {"now": 30_000, "lease_end": 40_000}
        claim = {"channel": "banks", "recipient": "r", "limit": 16, "worker": "w"} | times
        for query, values in (("claim", claim), ("lanes", {})):
            plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {queries[query]}", values))
            assert "outbox_claimable" in plan, plan
            assert "Seq Scan" not in plan, plan
            assert "Sort" not in plan, plan
