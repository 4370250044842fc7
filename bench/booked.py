"""What a durable acknowledgement costs bare: the rows of a relay's own run written again by sqlite3 alone.

Leased, ended, journalled and kept with their evidence as the gateway left them, with the same pragmas, as many in one
commit as became ready during the one before; the values lie ready, nothing is decided, hashed or made into JSON.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.engine.endings import TOGETHER_MAX
from gateway.store.sqlite import connect

_LOCK_TIMEOUT_S = 5.0
_LEASE = """
UPDATE outbox SET lease_owner = 'bare', visible_at = visible_at + 60000000, attempt = attempt + 1 WHERE seq IN (
  SELECT seq FROM outbox WHERE channel = 'ministries' AND recipient = ? AND visible_at <= ?
  ORDER BY visible_at, seq LIMIT ?
) RETURNING *"""
_END = "UPDATE outbox SET concluded_at = ?, state = ?, visible_at = NULL, lease_owner = NULL WHERE seq = ?"
_NOUN = "UPDATE nouns SET version = ?, head_hash = ?, updated_at = ? WHERE noun = ? AND id = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """The rows of one acknowledgement, as the statements take them."""

    recipient: str
    due_at: int  # microseconds
    document_id: str
    end: tuple[Any, ...]
    noun: tuple[Any, ...]
    line: tuple[Any, ...]
    evidence: tuple[Any, ...]


def _insert(store: sqlite3.Connection, table: str) -> str:
    """A row as `SELECT *` gives it, into a table as the store's own schema has it."""
    columns = len(store.execute(f"SELECT * FROM {table} LIMIT 0").description)
    return f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})"


def copied(path: Path, to: Path) -> None:
    """A copy of a store as it stands."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)


def bookings(path: Path) -> dict[str, Booking]:
    """By delivery, all acknowledgements of the ministries' channel in a store."""
    with closing(sqlite3.connect(path)) as store:
        store.row_factory = sqlite3.Row
        rows = store.execute("SELECT * FROM outbox WHERE channel = 'ministries' AND state = 'acknowledged'").fetchall()
        return {row["id"]: _booking(store, row) for row in rows}


def _booking(store: sqlite3.Connection, row: sqlite3.Row) -> Booking:
    of = row["noun"], row["noun_id"], row["id"]
    line = store.execute("SELECT * FROM journal WHERE noun = ? AND noun_id = ? AND cause_id = ?", of).fetchone()
    evidence = store.execute("SELECT * FROM evidence_links WHERE message_id = ?", (row["id"],)).fetchone()
    return Booking(
        recipient=row["recipient"],
        due_at=row["due_at"],
        document_id=row["attachment_document_id"],
        end=(row["concluded_at"], row["state"], row["seq"]),
        noun=(line["version"], line["hash"], line["at"], row["noun"], row["noun_id"]),
        line=tuple(line),
        evidence=tuple(evidence),
    )


class BareBook:
    """Books by one thread; reads containers by another. Close it."""

    def __init__(self, path: Path, booked: Mapping[str, Booking], *, places: int) -> None:
        self._bookings = booked
        self._writing, self._reading = connect(str(path), _LOCK_TIMEOUT_S), connect(str(path), _LOCK_TIMEOUT_S)
        self._writer, self._reader = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._ready: list[tuple[Booking, asyncio.Future[None]]] = []
        self._busy = False
        self._line, self._evidence = _insert(self._writing, "journal"), _insert(self._writing, "evidence_links")
        for recipient in {booking.recipient for booking in booked.values()}:
            self._lease(recipient, 2**62, places)

    async def container(self, delivery: str) -> None:
        """Read what is to be sent."""
        await asyncio.get_running_loop().run_in_executor(self._reader, self._read, self._bookings[delivery].document_id)

    async def book(self, delivery: str) -> None:
        """Return when the acknowledgement is on disk."""
        loop = asyncio.get_running_loop()
        booked = loop.create_future()
        self._ready.append((self._bookings[delivery], booked))
        if not self._busy:
            self._busy = True
            while self._ready:
                group, self._ready = self._ready[:TOGETHER_MAX], self._ready[TOGETHER_MAX:]
                await loop.run_in_executor(self._writer, self._write, [booking for booking, _ in group])
                for _, each in group:
                    each.set_result(None)
            self._busy = False
        await booked

    def close(self) -> None:
        self._writer.shutdown()
        self._reader.shutdown()
        self._writing.close()
        self._reading.close()

    def _read(self, document: str) -> None:
        self._reading.execute("SELECT * FROM documents WHERE id = ?", (document,)).fetchall()

    def _write(self, group: Sequence[Booking]) -> None:
        run = self._writing
        run.execute("BEGIN IMMEDIATE")
        run.executemany(_END, [booking.end for booking in group])
        run.executemany(_NOUN, list({booking.noun[3:]: booking.noun for booking in group}.values()))
        run.executemany(self._line, [booking.line for booking in group])
        run.executemany(self._evidence, [booking.evidence for booking in group])
        for recipient, count in Counter(booking.recipient for booking in group).items():
            self._lease(recipient, group[0].due_at + 1_000_000, count)
        run.execute("COMMIT")

    def _lease(self, recipient: str, until: int, count: int) -> None:
        self._writing.execute(_LEASE, (recipient, until, count)).fetchall()
