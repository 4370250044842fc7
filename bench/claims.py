"""A claim beside a thousand pending deliveries and beside a million: `python -m bench.claims`.

Both databases are asked in turns, so that whatever else the machine does falls on both. CPU is the thread's, a median
over the rounds; instructions are those of SQLite's machine and buffers those PostgreSQL looked at, both exact. Ending
what was claimed is measured beside it: that writes index entries all over the keys, and a larger tree has them on more
pages. PostgreSQL is measured where TEST_POSTGRES_DSN says there is one.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.databases import postgres_url
from gateway.store.mapping import to_micros
from gateway.store.rows import LeasedRow
from gateway.store.schema import ensure_postgres
from gateway.store.session import named_queries
from gateway.store.sqlite import SqliteSession, connect
from gateway.store.testing import blank_store_url
from gateway.store.transaction import SqlTransaction

FEW, MANY = 1_000, 1_000_000
_ROUNDS, _EACH = 60, 10
_NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
_ROWS = """
INSERT INTO outbox (id, channel, recipient, order_key, noun, noun_id, body_type, body, state, due_at, visible_at,
                    created_at, attempt, state_version)
SELECT 'o' || i, 'banks', '999101', 'k' || i, 'payment', 'P' || i, 'Notice', '{{}}', 'due', {now}, {now}, {now}, 0, 0
"""


@dataclass(frozen=True, slots=True)
class Pending:
    """A database with so many deliveries due, and what claiming from it took."""

    connection: sqlite3.Connection
    claims_us: list[float] = field(default_factory=list)
    endings_us: list[float] = field(default_factory=list)

    def round(self) -> None:
        """Claim some and end them in one transaction."""
        tx = SqlTransaction(SqliteSession(self.connection))
        self.connection.execute("BEGIN IMMEDIATE")
        rows = _timed(self.claims_us, lambda: _claim(tx))
        _timed(self.endings_us, lambda: [tx.conclude(row, now=_NOW, state="acknowledged") for row in rows])
        self.connection.execute("COMMIT")

    def instructions(self) -> int:
        """Of SQLite's machine, for one claim that is undone."""
        count = 0

        def one_more() -> None:
            nonlocal count
            count += 1

        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.set_progress_handler(one_more, 1)
        _claim(SqlTransaction(SqliteSession(self.connection)))
        self.connection.set_progress_handler(None, 0)
        self.connection.execute("ROLLBACK")
        return count


def _claim(tx: SqlTransaction) -> list[LeasedRow]:
    return tx.claim(now=_NOW, worker="w", lease_s=60, limits={"banks": _EACH})


def _timed(into: list[float], work: Callable[[], Any]) -> Any:
    began = time.thread_time_ns()
    result = work()
    into.append((time.thread_time_ns() - began) / 1000)
    return result


@contextmanager
def _sqlite(waiting: int) -> Iterator[Pending]:
    with TemporaryDirectory(dir=".", prefix=".bench-") as folder:
        connection = connect(blank_store_url(Path(folder)).removeprefix("sqlite:///"), 5.0)
        connection.execute("PRAGMA synchronous=OFF")  # the rounds are not about commits
        numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {waiting})"
        connection.execute(f"{numbers} {_ROWS.format(now=to_micros(_NOW))} FROM n")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try:
            yield Pending(connection)
        finally:
            connection.close()


def sqlite_claims() -> None:
    """Print SQLite's rows."""
    with _sqlite(FEW) as few, _sqlite(MANY) as many:
        for _ in range(_ROUNDS):
            few.round()
            many.round()
        _print("sqlite, ten claimed, µs of CPU", median(few.claims_us), median(many.claims_us))
        _print("sqlite, ten claimed, instructions", few.instructions(), many.instructions())
        _print("sqlite, those ten ended, µs of CPU", median(few.endings_us), median(many.endings_us))


def postgres_claims(dsn: str) -> None:
    """Print PostgreSQL's rows: what the server says of the claim itself."""
    with ExitStack() as stack:
        few, many = (_Server(stack.enter_context(postgres_url(dsn)), count) for count in (FEW, MANY))
        for _ in range(_ROUNDS):
            few.round()
            many.round()
        _print("postgresql, ten claimed, µs in the server", median(few.took_us), median(many.took_us))
        _print("postgresql, ten claimed, buffers", few.buffers, many.buffers)


class _Server:
    """A schema with so many deliveries due."""

    def __init__(self, url: str, waiting: int) -> None:
        import psycopg

        ensure_postgres(url)
        self.took_us: list[float] = []
        self.buffers = 0
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute(
            f"{_ROWS.format(now=to_micros(_NOW))} FROM generate_series(1, {waiting}) AS i".encode()
        )
        self._connection.execute("VACUUM ANALYZE outbox")

    def round(self) -> None:
        """Claim, and undo it: both schemas stay as they are."""
        import psycopg

        now = to_micros(_NOW)
        values = {"channel": "banks", "recipient": "999101", "now": now, "limit": _EACH, "worker": "w"}
        claim = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {named_queries('postgresql')['claim']}"
        with self._connection.transaction() as transaction:
            found = self._connection.execute(claim.encode(), values | {"lease_end": now + 60_000_000}).fetchone()
            assert found is not None
            self._note(found[0][0])
            raise psycopg.Rollback(transaction)

    def _note(self, plan: dict[str, Any]) -> None:
        self.took_us.append(plan["Execution Time"] * 1000)
        scan = plan["Plan"]
        while "Index Name" not in scan:
            scan = scan["Plans"][0]
        self.buffers = scan["Shared Hit Blocks"] + scan["Shared Read Blocks"]


def _print(label: str, few: float, many: float) -> None:
    print(f"  {label:<44} {few:>9.0f} {many:>9.0f}   {many / few:.2f} x", flush=True)


def main() -> None:
    """Print every row."""
    print(f"claim: beside {FEW:,} and {MANY:,} pending")
    sqlite_claims()
    if dsn := os.environ.get("TEST_POSTGRES_DSN"):
        postgres_claims(dsn)
    else:
        print("  postgresql: not measured, TEST_POSTGRES_DSN is not set")


if __name__ == "__main__":
    main()
