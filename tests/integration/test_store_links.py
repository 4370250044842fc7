"""PostgreSQL's links: what is sent ahead of its answer can fail late, and then nothing of it is kept."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import psycopg
import pytest
from store_rows import NOUN, NOW
from waiting import until

from gateway.store import (
    DuplicateError,
    Store,
    StoreBusyError,
    StoreError,
    StoreUnavailableError,
    Turn,
    VersionConflictError,
    open_store,
)
from gateway.store.link import Link
from gateway.store.rows import DocumentRow, FeedRow, HeldNoun

pytestmark = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
FEED = FeedRow(recipient="B", sequence=1, outbox_id="o1", kind="k", body="{}", created_at=NOW)
LARGE = DocumentRow(id="D", media_type="x/y", sha256="0" * 64, content=b"x" * 30_000_000, created_at=NOW)
Server = psycopg.Connection[Any]


@pytest.fixture
def server(store_url: str) -> Iterator[Server]:
    """Somebody else's connection to the same tables."""
    with psycopg.connect(store_url, autocommit=True) as connection:
        yield connection


def ending(server: Server, tx: Any) -> None:
    """The server ends the connection that a work stands on."""
    server.execute("SELECT pg_terminate_backend(%s, 5000)", (tx._session.link.server_process,))


async def names(store: Store) -> list[str]:
    return [row.id for row in await store.read(lambda reader: reader.list_nouns("payment"))]


def save(id: str, *, version: int = 0) -> Callable[[Any], None]:
    return lambda tx: tx.save_noun(replace(NOUN, id=id), expected_version=version)


def stale_at_the_end(tx: Any) -> None:
    save("P2")(tx)
    save("P1", version=7)(tx)


def stale_before_others(tx: Any) -> None:
    save("P1", version=7)(tx)
    save("P2")(tx)
    tx.add_feed(FEED)


def stale_before_a_question(tx: Any) -> None:
    save("P1", version=7)(tx)
    save("P2")(tx)
    raise AssertionError(f"not reached: {tx.find_inbox('A', 'B')}")


def stale_and_caught(tx: Any) -> None:
    save("P1", version=7)(tx)
    save("P2")(tx)
    try:
        tx.find_inbox("A", "B")
    except VersionConflictError:
        return


@pytest.mark.parametrize("work", [stale_at_the_end, stale_before_others, stale_before_a_question, stale_and_caught])
async def test_a_count_that_does_not_confirm_undoes_everything(store: Store, work: Callable[[Any], None]) -> None:
    await store.transact(save("P1"))
    with pytest.raises(VersionConflictError):
        await store.transact(work)
    assert await names(store) == ["P1"]
    await store.transact(save("P3"))


async def test_an_error_among_what_was_sent_ahead_undoes_everything(store: Store) -> None:
    def work(tx: Any) -> None:
        save("P1")(tx)
        tx.add_feed(FEED, FEED)  # the second has no place
        save("P2")(tx)

    with pytest.raises(DuplicateError):
        await store.transact(work)
    assert await names(store) == []
    assert await store.read(lambda reader: reader.read_feed(FEED.recipient)) == []


async def test_a_work_that_raises_keeps_nothing_of_what_was_sent_ahead(store: Store) -> None:
    def work(tx: Any) -> None:
        save("P1")(tx)
        raise LookupError("decided otherwise")

    with pytest.raises(LookupError):
        await store.transact(work)
    assert await names(store) == []


async def test_a_connection_lost_between_is_a_work_run_again(store: Store, server: Server) -> None:
    runs = 0

    def work(tx: Any) -> None:
        nonlocal runs
        runs += 1
        save("P1")(tx)
        if runs == 1:
            ending(server, tx)
        assert tx.find_inbox("A", "B") is None

    await store.transact(work)
    assert runs == 2
    assert await names(store) == ["P1"]


async def test_a_connection_lost_while_committing_is_unavailable_and_nothing_is_run_again(
    store: Store, server: Server
) -> None:
    """The server breaks the connection in the middle of the commit."""
    server.execute(
        "CREATE FUNCTION breaks() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END $$"
    )
    server.execute(
        "CREATE CONSTRAINT TRIGGER breaks AFTER INSERT ON nouns DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION breaks()"
    )
    runs = 0

    def work(tx: Any) -> None:
        nonlocal runs
        runs += 1
        save("P1")(tx)

    with pytest.raises(StoreUnavailableError, match="committing"):
        await store.transact(work)
    assert runs == 1
    server.execute("DROP TRIGGER breaks ON nouns")
    await store.transact(save("P2"))
    assert await names(store) == ["P2"]


async def test_tables_of_another_shape_cost_one_call(store: Store, server: Server) -> None:
    """Another replica brought the schema up to date: what was prepared before does not fit any more."""
    await store.transact(save("P1"))
    server.execute("ALTER TABLE nouns ADD COLUMN later text")
    with pytest.raises(StoreUnavailableError):
        await names(store)
    assert await names(store) == ["P1"]


async def test_a_text_is_never_cut_at_a_zero(store: Store) -> None:
    with pytest.raises(StoreError):
        await store.transact(save("P\0Q"))
    assert await names(store) == []


async def test_what_is_larger_than_the_sockets_room_goes_through_while_others_work(store: Store) -> None:
    keeping = asyncio.ensure_future(store.transact(lambda tx: tx.add_document(LARGE)))
    await store.transact(save("P1"))
    await keeping
    assert await store.read(lambda reader: reader.document(LARGE.id)) == LARGE


async def test_who_waits_for_anothers_lock_holds_up_nobody_else(store: Store, server: Server) -> None:
    await store.transact(save("P1"))
    with server.transaction():
        server.execute("SELECT 1 FROM nouns WHERE id = 'P1' FOR UPDATE")
        waiting = asyncio.ensure_future(store.transact(lambda tx: tx.noun("payment", "P1")))
        for n in range(20):
            await store.transact(save(f"Q{n}"))
        assert not waiting.done()
    assert await waiting == HeldNoun(**asdict(replace(NOUN, id="P1")), line_hash=None, bound=None)


async def test_those_who_wait_for_a_lock_leave_connections_to_the_other_turn(store_url: str, server: Server) -> None:
    store = await open_store(store_url, pool_size=4)
    await store.transact(save("P1"))

    def crowd(turn: Turn) -> list[asyncio.Future[Any]]:
        return [asyncio.ensure_future(store.transact(lambda tx: tx.noun("payment", "P1"), turn)) for _ in range(6)]

    with server.transaction():
        server.execute("SELECT 1 FROM nouns WHERE id = 'P1' FOR UPDATE")
        waiting = crowd(Turn.NEW)
        await store.transact(save("P2"), Turn.UNDER_WAY)
        waiting += crowd(Turn.UNDER_WAY)
        assert not any(one.done() for one in waiting)
    await asyncio.gather(*waiting)
    await store.close()


async def test_who_finds_no_lock_or_no_connection_in_time_is_told_so(store_url: str, server: Server) -> None:
    """A lock that others keep is no outage: the server is there, and less must be asked of it."""
    store = await open_store(store_url, lock_timeout_s=0.3, pool_size=1)
    await store.transact(save("P1"))
    with server.transaction():
        server.execute("SELECT 1 FROM nouns WHERE id = 'P1' FOR UPDATE")
        both = [store.transact(lambda tx: tx.noun("payment", "P1")) for _ in range(2)]
        outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert type(outcomes[0]) is StoreBusyError
    assert "lock" in str(outcomes[0])
    assert isinstance(outcomes[1], StoreUnavailableError)
    assert await names(store) == ["P1"]
    await store.close()


async def test_who_finds_no_connection_because_others_keep_it_busy_is_told_that(store_url: str) -> None:
    """The server is there and answers: nobody is to look for its fault."""
    store = await open_store(store_url, lock_timeout_s=0.5, pool_size=1)
    works = [store.transact(lambda tx: time.sleep(0.05)) for _ in range(40)]  # each computes; none is slow by itself
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {type(None), StoreBusyError}
    assert (outcomes[0], type(outcomes[-1])) == (None, StoreBusyError)
    await store.transact(save("P1"))
    await store.close()


async def test_closing_finishes_what_was_handed_in(store_url: str) -> None:
    store = await open_store(store_url, pool_size=2)
    works: list[Awaitable[None]] = [asyncio.ensure_future(store.transact(save(f"P{n}"))) for n in range(10)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*works)
    with pytest.raises(StoreUnavailableError):
        await store.transact(save("Q"))


async def test_a_caller_who_goes_away_stops_nothing(store: Store) -> None:
    calling = asyncio.ensure_future(store.transact(save("P1")))
    await asyncio.sleep(0)
    calling.cancel()
    await until(lambda: names(store))
    assert await names(store) == ["P1"]


async def test_lots_of_several_nouns_are_locked_whatever_their_names(store: Store, server: Server) -> None:
    names = ('a"b', "c\\d", "e,f}", "NULL")
    for id in names:
        await store.transact(lambda tx, id=id: tx.save_noun(replace(NOUN, id=id, lot_id=f"L{id}"), expected_version=0))

    def work(tx: Any) -> int:
        tx.lock_lots_of([("payment", id) for id in names])
        tx.find_inbox("A", "B")
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND pid = %s"
        found = server.execute(held, (tx._session.link.server_process,)).fetchone()
        assert found is not None
        return int(found[0])

    assert await store.transact(work) == len(names)


async def test_a_server_that_is_gone_without_a_word_is_noticed_within_half_a_minute(
    store: Store, store_url: str
) -> None:
    """Else a work would wait two hours for an answer; what the DSN says of it counts more."""
    patient = f"{store_url}{'&' if '?' in store_url else '?'}keepalives_idle=77"
    assert await tcp_options(store_url) == [10, 5, 3, 20_000]
    assert await tcp_options(patient) == [77, 5, 3, 20_000]


async def tcp_options(dsn: str) -> list[int]:
    link = await Link.open(dsn, 5.0, lambda link: None)
    try:
        with socket.socket(fileno=os.dup(link._socket)) as watched:
            names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
            return [watched.getsockopt(socket.IPPROTO_TCP, name) for name in names]
    finally:
        link.close()
