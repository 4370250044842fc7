"""`python -m bench.history --lots 100000`: the same work beside nothing, and beside years of lots that have ended.

A few unsold lots are played by the engine alone; one of them is then laid down so many times over, with all its lines,
deliveries, messages, feeds and links of evidence, as the years would have left them. Printed are the engine's CPU for
one payment before and after (twice each, the lesser), what the watchdog's count and the reads behind a bank's, a
person's and the feed's questions take. Both databases, the second where TEST_POSTGRES_DSN
says there is one.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Annotated, Any

from cyclopts import App, Parameter

from bench import engine_alone
from bench.auctioneer import now
from bench.databases import postgres_url
from bench.inside import BANK
from gateway.cli.stage import build_stage
from gateway.domain.nouns import TABLES
from gateway.engine.watchdog import Ended, take_census
from gateway.store import Reader, open_store
from gateway.store.testing import blank_store_url

_IN_FLIGHT, _ROUNDS = 16, 40
_LOT = "BENCH-000000"
_OLD = "BENCH-000000~7"  # one of those laid down
_OF_LOT = "SELECT id FROM nouns WHERE lot_id = '{lot}' OR id = '{lot}'"
_COPIED: Mapping[str, tuple[tuple[str, ...], str]] = {  # by table: the columns that name, and where the lot's rows are
    "nouns": (("id", "lot_id"), "id"),
    "aliases": (("value", "id"), "id"),
    "inbox": (("message_id", "noun_id"), "noun_id"),
    "journal": (("noun_id", "lot_id"), "noun_id"),
    "outbox": (("id", "noun_id", "order_key"), "noun_id"),
    "evidence_links": (("noun_id", "lot_id"), "noun_id"),
}
_FEED = """
INSERT INTO feed ({columns})
SELECT {values} FROM feed CROSS JOIN n WHERE outbox_id IN (SELECT id FROM outbox WHERE noun_id IN ({lot}))
"""
_HEADS = "UPDATE feed_heads SET last = (SELECT max(sequence) FROM feed WHERE feed.recipient = feed_heads.recipient)"
_STEP = 10_000  # numbers of a feed that were taken by all that was played

_CONTENT = 100  # bytes

app = App(name="bench.history", help=__doc__)


class _Database:
    """The few things that are said to both databases in SQL."""

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith("sqlite")
        if self.is_sqlite:
            import sqlite3

            self._connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
            self._connection.execute("PRAGMA synchronous=OFF")
        else:
            import psycopg

            self._connection = psycopg.connect(url, autocommit=True)

    def run(self, sql: str) -> None:
        self._connection.execute(sql)

    def columns(self, table: str) -> list[str]:
        """Without the number that the database gives by itself."""
        found = self._connection.execute(f"SELECT * FROM {table} LIMIT 0").description
        return [column[0] for column in found if column[0] != "seq"]

    def tidy(self) -> None:
        """What autovacuum would have done over the years."""
        self.run("PRAGMA wal_checkpoint(TRUNCATE)" if self.is_sqlite else "VACUUM ANALYZE")

    def close(self) -> None:
        self._connection.close()


def lay_down(database: _Database, lots: int) -> None:
    """The lot's rows so many times over, under names of their own."""
    numbers = f"WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < {lots})"
    lot = _OF_LOT.format(lot=_LOT)
    for table, (named, where) in _COPIED.items():
        columns = database.columns(table)
        values = [_named(column) if column in named else _moved(column) for column in columns]
        database.run(
            f"{numbers} INSERT INTO {table} ({', '.join(columns)}) "
            f"SELECT {', '.join(values)} FROM {table} CROSS JOIN n WHERE {where} IN ({lot})"
        )
    columns = database.columns("feed")
    values = [_named(column) if column == "outbox_id" else _moved(column) for column in columns]
    database.run(f"{numbers} {_FEED.format(columns=', '.join(columns), values=', '.join(values), lot=lot)}")
    database.run(_HEADS)


def _named(column: str) -> str:
    return f"CASE WHEN {column} = '' THEN '' ELSE {column} || '~' || CAST(n.k AS text) END"


def _moved(column: str) -> str:
    """Numbers of a feed are each once; of evidence no more is kept than a page needs to be one of many."""
    if column == "sequence":
        return f"sequence + n.k * {_STEP}"
    return f"substr(content, 1, {_CONTENT})" if column == "content" else column


def _questions(lot: str) -> Mapping[str, Callable[[Reader], object]]:
    """What is asked of the store all day long."""
    late, ended = timedelta(minutes=1), Ended()

    def count(reader: Reader) -> object:
        nonlocal ended
        moment = now()
        census = take_census(reader, TABLES, moment, late, ended.known(moment))
        ended = ended.after(census, TABLES, moment)
        return census

    return {
        "the watchdog's count": count,
        "a lot's page: nouns, lines, deliveries": lambda reader: (
            reader.nouns_of_lot(lot),
            reader.journal_of_lot(lot),
            [reader.outbox_of(noun.noun, noun.id) for noun in reader.nouns_of_lot(lot)],
            reader.evidence_of_lot(lot),
        ),
        "50 lots of a state": lambda reader: reader.list_nouns("lot", state="concluded", limit=50),
        "a bank's 50 offers": lambda reader: reader.list_nouns("offer", owner=BANK, limit=50),
        "its feed, 100 from where it stopped": lambda reader: reader.read_feed(
            BANK, after=max(reader.feed_head(BANK) - 100, 0), limit=100
        ),
        "what it has not acknowledged": lambda reader: reader.unacknowledged(BANK),
        "what waits, and what is parked": lambda reader: (reader.list_outbox(), reader.list_outbox(parked=True)),
        "1000 lines for a stamp": lambda reader: reader.journal_leaves(
            after=reader.journal_of_lot(lot, limit=1)[0].seq, limit=1000
        ),
    }


async def _asked(url: str, lot: str) -> dict[str, float]:
    """µs of the wall for each question, the median of many."""
    store, took = await open_store(url), {}
    for name, ask in _questions(lot).items():
        times = []
        for _ in range(_ROUNDS):
            began = time.perf_counter_ns()
            await store.read(ask)
            times.append((time.perf_counter_ns() - began) / 1000)
        took[name] = median(times)
    await store.close()
    return took


def _payments(folder: Path, config: Path, url: str, *, total: int, first: int) -> float:
    """ms of CPU for one."""
    runs = (
        asyncio.run(
            engine_alone.measure(folder, config, total=total, in_flight=_IN_FLIGHT, url=url, first=first + n * total)
        )
        for n in range(2)
    )
    return min(run.cpu_ms for run in runs)


def _measure(name: str, folder: Path, config: Path, url: str, lots: int) -> None:
    played = 60
    young_ms, young = _payments(folder, config, url, total=played, first=0), asyncio.run(_asked(url, _LOT))
    database = _Database(url)
    lay_down(database, lots)
    database.tidy()
    database.close()
    old_ms, old = _payments(folder, config, url, total=played, first=2 * played), asyncio.run(_asked(url, _OLD))
    print(f"\n{name}: beside {2 * played} lots and beside {lots:,} more")
    _print("engine, CPU a payment, ms", young_ms, old_ms)
    for question, took in young.items():
        _print(f"{question}, µs", took, old[question])


def _print(label: str, young: float, old: float) -> None:
    print(f"  {label:<52} {young:>9.1f} {old:>9.1f}   {old / young:.2f} x", flush=True)


@app.default
def main(*, lots: Annotated[int, Parameter(help="laid down")] = 100_000) -> None:
    """Print every row."""
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as name:
        folder = Path(name)
        config = build_stage(folder / "stage").config
        _measure("SQLite", folder, config, blank_store_url(folder), lots)
        if dsn := os.environ.get("TEST_POSTGRES_DSN"):
            with postgres_url(dsn) as url:
                _measure("PostgreSQL", folder, config, url, lots)


if __name__ == "__main__":
    app()
