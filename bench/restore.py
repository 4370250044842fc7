"""How long a backup, and a restore with every chain recomputed, take: `python -m bench.restore [LINES]`.

On SQLite, and on PostgreSQL where TEST_POSTGRES_DSN names one. Each noun has ten journal lines and two pieces of
evidence, as a payment has, and a delivery that waits; its lines bind them (ADR 22), so all is held against the journal.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench.databases import postgres_url
from gateway.domain.ids import delivery_id
from gateway.engine.audit import Audit, audit
from gateway.engine.binding import Binder, digest_of_noun
from gateway.engine.journal import GENESIS, link
from gateway.store import open_store
from gateway.store.backup import back_up, restored
from gateway.store.interface import Transaction
from gateway.store.rows import EvidenceItem, JournalEntry, NounRow, OutboxItem
from gateway.store.testing import blank_store_url

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
LINES = 200_000
_LINES_EACH, _NOUNS_AT_ONCE = 10, 200
_DATA = '{"text":"' + "x" * 400 + '"}'


def _write(tx: Transaction, first: int) -> None:
    for number in range(first, first + _NOUNS_AT_ONCE):
        id, head = f"P{number:08d}", GENESIS
        binder, waiting = Binder(), _waiting(id)
        for version in range(1, _LINES_EACH + 1):
            if version == _LINES_EACH:
                binder.send(waiting)
            binder.noun("payment", id, version, digest_of_noun(_noun(id, head)))
            entry = link(_entry(id, version, head, binder.text("payment", id, version)))
            tx.append_journal(entry)
            head = entry.hash
        tx.save_noun(_noun(id, head), expected_version=0)
        tx.enqueue(waiting)
        for direction in ("in", "out"):
            content = f"{id}{direction}".encode() + bytes(3000)
            tx.add_evidence(_item(id, direction, content))


def _waiting(id: str) -> OutboxItem:
    return OutboxItem(
        id=delivery_id("payment", id, _LINES_EACH, 0),
        channel="platform",
        recipient="EHERRAC",
        noun="payment",
        noun_id=id,
        body_type="Notice",
        body=_DATA,
        due_at=NOW,
        created_at=NOW,
        order_key=f"platform|EHERRAC|payment|{id}",
        state_version=_LINES_EACH,
    )


def _entry(id: str, version: int, head: bytes, bound: str) -> JournalEntry:
    return JournalEntry(
        noun="payment",
        noun_id=id,
        version=version,
        lot_id=id,
        owner="999101",
        at=NOW,
        event="Sent",
        before="sent",
        after="sent",
        cause_source="AOS",
        cause_id=f"{id}.{version}",
        data=_DATA,
        prev_hash=head,
        hash=b"",
        bound=bound,
    )


def _noun(id: str, head: bytes) -> NounRow:
    return NounRow(
        noun="payment",
        id=id,
        state="sent",
        version=_LINES_EACH,
        lot_id=id,
        owner="999101",
        data=_DATA,
        head_hash=head,
        updated_at=NOW,
    )


def _item(id: str, direction: str, content: bytes) -> EvidenceItem:
    return EvidenceItem(
        noun="payment",
        noun_id=id,
        lot_id=id,
        direction=direction,
        message_source="AOS",
        message_id=id,
        at=NOW,
        signer="AOS",
        certificate_sha256="0" * 64,
        media_type="application/xml",
        content=content,
    )


async def _fill(url: str, lines: int) -> None:
    store = await open_store(url)
    for first in range(0, lines // _LINES_EACH, _NOUNS_AT_ONCE):
        await store.transact(lambda tx, first=first: _write(tx, first))  # type: ignore[misc]
    await store.close()


async def _audited(url: str) -> Audit:
    store = await open_store(url)
    found = await audit(store)
    await store.close()
    return found


def _measure(name: str, url: str, lose: Callable[[], str], file: Path, lines: int) -> None:
    asyncio.run(_fill(url, lines))
    began = time.perf_counter()
    back_up(url, file)
    copied = time.perf_counter() - began
    target = lose()
    began = time.perf_counter()
    with restored(file, target) as place:
        found = asyncio.run(_audited(place))
    taken, size = time.perf_counter() - began, file.stat().st_size / 1e6
    assert found.holds
    assert found.waiting == found.nouns
    assert not found.unbound_nouns + found.unbound_waiting
    held = f"{found.lines:,} lines, {found.waiting:,} deliveries, {size:,.0f} MB"
    print(f"  {name}: {held}, backup {copied:.1f} s, restored and judged {taken:.1f} s")


def _emptied(url: str) -> str:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT current_schema()").fetchone()
        assert row is not None
        connection.execute(f"DROP SCHEMA {row[0]} CASCADE")
        connection.execute(f"CREATE SCHEMA {row[0]}")
    return url


def main(lines: int = LINES) -> None:
    """Print both measurements."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _measure("sqlite", blank_store_url(folder), lambda: f"sqlite:///{folder}/new.db", folder / "a", lines)
        if dsn := os.environ.get("TEST_POSTGRES_DSN"):
            with postgres_url(dsn) as url:
                _measure("postgresql", url, lambda: _emptied(url), folder / "b", lines)
        else:
            print("  postgresql: not measured, TEST_POSTGRES_DSN is not set")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
