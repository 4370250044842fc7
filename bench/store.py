"""The store beside its floor: `python -m bench.store`.

A step is what the engine writes for one message: a look into the inbox and for the noun, one inbox row, one noun, two
journal lines, one delivery and one timer. The floor is the very same SQL, texts and values ready made, executed bare on
a connection of sqlite3 in the same run. PostgreSQL is measured where TEST_POSTGRES_DSN says there is one.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from bench import claims
from bench.databases import postgres_url
from bench.recording import named
from gateway.store import Store, Transaction, open_store
from gateway.store.rows import InboxRow, JournalEntry, NounRow, OutboxItem
from gateway.store.session import named_queries
from gateway.store.sqlite import SqliteSession, connect
from gateway.store.testing import blank_store_url
from gateway.store.transaction import SqlTransaction

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
BODY = '{"kind":"request","payment_id":"P","text":"' + "y" * 500 + '"}'
STEPS = 4000


def step(number: int) -> Callable[[Transaction], None]:
    """The work of one message."""
    id = f"{number:09d}"

    def work(tx: Transaction) -> None:
        if tx.find_inbox("999101", id) is not None or tx.noun("payment", id) is not None:
            raise AssertionError("every step is new")
        tx.add_inbox(_inbox(id))
        tx.save_noun(_noun(id), expected_version=0)
        tx.append_journal(_line(id, 1), _line(id, 2))
        tx.enqueue(_delivery(id))
        tx.set_timer(_timer(id))

    return work


def _inbox(id: str) -> InboxRow:
    return InboxRow(
        source="999101",
        message_id=id,
        digest="d" * 64,
        noun="payment",
        noun_id=id,
        answer='{"state":"requested"}',
        received_at=NOW,
    )


def _noun(id: str) -> NounRow:
    return NounRow(
        noun="payment",
        id=id,
        state="requested",
        version=2,
        lot_id=f"L{id}",
        owner="999101",
        data=BODY,
        head_hash=b"h" * 32,
        updated_at=NOW,
    )


def _line(id: str, version: int) -> JournalEntry:
    return JournalEntry(
        noun="payment",
        noun_id=id,
        version=version,
        lot_id=f"L{id}",
        owner="999101",
        at=NOW,
        event="PaymentWanted",
        before=None,
        after="requested",
        cause_source="999101",
        cause_id=id,
        data=BODY,
        prev_hash=b"p" * 32,
        hash=b"h" * 32,
    )


def _delivery(id: str) -> OutboxItem:
    return OutboxItem(
        id=f"o{id}",
        channel="banks",
        recipient="999101",
        order_key=f"banks|999101|payment|{id}",
        noun="payment",
        noun_id=id,
        body_type="Notice",
        body=BODY,
        due_at=NOW,
        created_at=NOW,
    )


def _timer(id: str) -> OutboxItem:
    return OutboxItem(
        id=f"t{id}",
        channel="timer",
        recipient="payment",
        name="deadline",
        noun="payment",
        noun_id=id,
        body_type="Lapsed",
        body="{}",
        due_at=NOW + timedelta(days=1),
        created_at=NOW,
    )


class _Recording(SqliteSession):
    """Runs statements and remembers them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.statements: list[tuple[str, dict[str, Any]]] = []

    def select(self, query: str, values: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        self.statements.append((named_queries("sqlite")[query], named(values)))
        return super().select(query, values)

    def change(self, query: str, values: Mapping[str, Any]) -> int:
        self.statements.append((named_queries("sqlite")[query], named(values)))
        return super().change(query, values)

    def change_each(self, query: str, rows: Sequence[Mapping[str, Any]]) -> int:
        self.statements += [(named_queries("sqlite")[query], named(values)) for values in rows]
        return super().change_each(query, rows)


@contextmanager
def _folder() -> Iterator[Path]:
    """On the disk the project lies on: a temporary folder in memory would flatter every commit."""
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder:
        yield Path(folder)


def _recorded(count: int) -> list[list[tuple[str, dict[str, Any]]]]:
    """The statements of `count` steps."""
    with _folder() as folder, closing(connect(blank_store_url(folder).removeprefix("sqlite:///"), 5.0)) as connection:
        steps = []
        connection.execute("BEGIN")
        for number in range(count):
            session = _Recording(connection)
            step(number)(SqlTransaction(session))
            steps.append(session.statements)
        connection.execute("ROLLBACK")
    return steps


def _report(name: str, count: int, began: float, cpu_began: float) -> float:
    rate = count / (time.perf_counter() - began)
    cpu_us = (time.process_time() - cpu_began) / count * 1e6
    print(f"  {name:<58} {rate:>8.0f}/s   {cpu_us:>5.0f} µs CPU each", flush=True)
    return rate


def floor(group: int, steps: list[list[tuple[str, dict[str, Any]]]]) -> float:
    """Bare sqlite3, `group` steps a commit; steps a second."""
    with _folder() as folder, closing(connect(blank_store_url(folder).removeprefix("sqlite:///"), 5.0)) as connection:
        began, cpu_began, left = time.perf_counter(), time.process_time(), iter(steps)
        while part := list(islice(left, group)):
            connection.execute("BEGIN IMMEDIATE")
            for statements in part:
                for sql, values in statements:
                    connection.execute(sql, values).fetchall()
            connection.execute("COMMIT")
        return _report(f"floor: bare sqlite3, {group} a commit", len(steps), began, cpu_began)


async def steps_a_second(url: str, callers: int, count: int) -> float:
    """The store, from `callers` tasks that each wait for their step to be durable."""
    store = await open_store(url)
    numbers = iter(range(count))

    async def call() -> None:
        for number in numbers:
            await store.transact(step(number))

    began, cpu_began = time.perf_counter(), time.process_time()
    await asyncio.gather(*(call() for _ in range(callers)))
    rate = _report(f"{url.partition(':')[0]}, {callers} callers", count, began, cpu_began)
    await store.close()
    return rate


async def deliveries_a_second(url: str, count: int) -> None:
    """Claim sixteen at a time and conclude each in a transaction of its own, as the dispatcher does."""
    store = await open_store(url)
    await store.transact(lambda tx: tx.enqueue(*(_delivery(f"{number:09d}") for number in range(count))))
    began, cpu_began = time.perf_counter(), time.process_time()
    while rows := await store.transact(lambda tx: tx.claim(now=NOW, worker="w", lease_s=60, limits={"banks": 16})):
        await asyncio.gather(*(_conclude(store, row) for row in rows))
    _report(f"{url.partition(':')[0]}, claimed and concluded", count, began, cpu_began)
    await store.close()


async def _conclude(store: Store, row: Any) -> None:
    await store.transact(lambda tx: tx.conclude(row, now=NOW, state="acknowledged"))


def main() -> None:
    """Print every measurement."""
    print("store: steps of 1 inbox, 1 noun, 2 journal, 2 outbox rows, durable before each answer")
    steps = _recorded(STEPS)
    for callers, count in ((1, STEPS // 4), (64, STEPS)):
        lowest = floor(callers, steps[:count])
        with _folder() as folder:
            rate = asyncio.run(steps_a_second(blank_store_url(folder), callers, count))
        print(f"    = {rate / lowest:.0%} of the floor")
    with _folder() as folder:
        asyncio.run(deliveries_a_second(blank_store_url(folder), STEPS))
    if dsn := os.environ.get("TEST_POSTGRES_DSN"):
        for callers, count in ((1, STEPS // 8), (64, STEPS // 2)):
            with postgres_url(dsn) as url:
                asyncio.run(steps_a_second(url, callers, count))
    else:
        print("  postgresql: not measured, TEST_POSTGRES_DSN is not set")
    claims.main()


if __name__ == "__main__":
    main()
