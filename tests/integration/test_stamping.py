"""Stamping the journal on both databases: in order, every line once, none passed over, an outage only delays."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from store_rows import ENTRY, NOW

from gateway.engine.journal import link
from gateway.engine.merkle import root_of
from gateway.engine.stamping import Stamping
from gateway.errors import NotSentError
from gateway.store import Store
from gateway.store.mapping import to_micros
from gateway.store.rows import JournalEntry, StampRow


class Stamper:
    """An authority of time that can be away."""

    away = False

    async def stamp(self, digest: bytes) -> tuple[bytes, datetime]:
        if self.away:
            raise NotSentError("away")
        return b"token over " + digest, NOW


class Clock:
    now = NOW + timedelta(seconds=30)

    def __call__(self) -> datetime:
        return self.now


def entry(version: int, at: datetime = NOW) -> JournalEntry:
    return link(replace(ENTRY, version=version, at=at, data=hashlib.sha256(bytes([version])).hexdigest()))


async def write(store: Store, *entries: JournalEntry) -> None:
    for one in entries:
        await store.transact(lambda tx, one=one: tx.append_journal(one))


def put_before(writer: psycopg.Connection[Any], entry: JournalEntry) -> None:
    """Write a line, and do not commit it yet."""
    values = asdict(entry) | {"at": to_micros(entry.at)}
    names = ", ".join(values)
    places = ", ".join(f"%({name})s" for name in values)
    writer.execute(f"INSERT INTO journal ({names}) VALUES ({places})".encode(), values)


async def stamps(store: Store) -> list[StampRow]:
    return await store.read(lambda reader: reader.stamps_between(0, 1000))


def stamping(store: Store, stamper: Stamper, clock: Clock) -> Stamping:
    return Stamping(store, stamper, clock=clock, interval_s=1, grace_s=100)


async def test_lines_are_stamped_in_order_once_and_the_root_is_theirs(store: Store) -> None:
    task, stamper = stamping(store, Stamper(), Clock()), Stamper()
    first = [entry(1), entry(2), entry(3)]
    await write(store, *first)
    assert await task.stamp() is False
    await write(store, entry(4))
    await stamping(store, stamper, Clock()).stamp()
    rows = await store.read(lambda reader: reader.stamps_between(0, 1000))
    root = root_of([one.hash for one in first])
    assert [row.root for row in rows] == [root, root_of([entry(4).hash])]
    assert rows[0].leaves == b"".join(one.hash for one in first)
    assert (rows[0].token, rows[0].stamped_at) == (b"token over " + root, NOW)
    assert rows[0].last_seq < rows[1].first_seq
    assert await store.read(lambda reader: reader.last_stamped()) == rows[1].last_seq
    assert await store.read(lambda reader: reader.stamps_between(rows[1].first_seq, rows[1].last_seq)) == rows[1:]


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
async def test_a_line_that_is_committed_late_is_passed_over_by_no_stamp(store: Store, store_url: str) -> None:
    """Its writer stands still for however long; lines that come after it are seen before it, and wait."""
    task = stamping(store, Stamper(), Clock())
    await write(store, entry(1))
    with psycopg.connect(store_url) as writer:
        put_before(writer, entry(2))
        await write(store, entry(3))
        for _ in range(3):
            await task.stamp()
        assert [len(row.leaves) // 32 for row in await stamps(store)] == []
        assert task.standing.waiting_since == NOW
    await task.stamp()
    await task.stamp()
    assert b"".join(row.leaves for row in await stamps(store)) == b"".join(entry(n).hash for n in (1, 2, 3))


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
async def test_lines_before_the_one_under_way_wait_for_nobody_who_comes_later(store: Store, store_url: str) -> None:
    """Somebody is always writing: what was written before all of them is stamped."""
    task = stamping(store, Stamper(), Clock())
    with psycopg.connect(store_url) as one, psycopg.connect(store_url) as another:
        put_before(one, entry(1))
        await task.stamp()
        put_before(another, entry(2))
        one.commit()
        await task.stamp()
        assert await stamps(store) == []
        put_before(one, entry(3))
        another.commit()
        await task.stamp()
        assert b"".join(row.leaves for row in await stamps(store)) == entry(1).hash


async def test_an_outage_delays_stamps_and_shows_the_grace_left(store: Store) -> None:
    clock, stamper = Clock(), Stamper()
    task = stamping(store, stamper, clock)
    assert task.standing.grace_left_s == 100
    await write(store, entry(1))
    stamper.away = True
    with pytest.raises(NotSentError):
        await task.stamp()
    assert (task.standing.waiting_since, task.standing.grace_left_s, await task.ready()) == (NOW, 70, True)
    clock.now += timedelta(seconds=200)
    assert (task.standing.grace_left_s, await task.ready()) == (0, False)
    stamper.away = False
    await task.stamp()
    assert (task.standing.waiting_since, task.standing.grace_left_s) == (None, 100)
    assert len(await store.read(lambda reader: reader.stamps_between(0, 1000))) == 1
