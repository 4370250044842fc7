"""Nouns, inbox, journal, feeds and what is kept, on both databases: nothing half done, nothing done twice."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from store_rows import ENTRY, INBOX, NOUN, NOW, TIMER, item

from gateway.store import DuplicateError, Store, VersionConflictError
from gateway.store.migrations.versions import v0005_expected, v0010_evidence_beside
from gateway.store.rows import (
    AliasRow,
    DocumentRow,
    EvidenceItem,
    EvidencePiece,
    EvidenceRow,
    FeedRow,
    HeldNoun,
    JournalRow,
    NounCount,
    NounRow,
    OcspAnswerRow,
)


class DomainError(Exception):
    """What a work raises on its own account."""


def nothing_of(row: Any, more: Any) -> dict[str, Any]:
    """The stored row's fields that the entry had."""
    return {name: value for name, value in asdict(more).items() if name in asdict(row)}


async def save(store: Store, *rows: NounRow, expected_version: int = 0) -> None:
    for row in rows:
        await store.transact(lambda tx, row=row: tx.save_noun(row, expected_version=expected_version))


async def test_every_kind_of_row_comes_back_as_it_was_written(store: Store) -> None:
    late = NOW + timedelta(microseconds=1)
    row = item("o1", due_at=late, order_key="k", sequence=7, state_version=3, attachment_document_id="D", body='"ə₼"')

    def write(tx):
        tx.save_noun(NOUN, expected_version=0)
        tx.add_inbox(INBOX)
        tx.append_journal(ENTRY)
        tx.enqueue(row)

    await store.transact(write)
    assert await store.read(lambda r: r.noun("payment", "P1")) == NOUN
    held = await store.transact(lambda tx: tx.noun("payment", "P1"))
    assert held == HeldNoun(**asdict(NOUN), line_hash=ENTRY.hash, bound=ENTRY.bound)
    assert await store.read(lambda r: r.find_inbox("999101", "m1")) == INBOX
    assert await store.read(lambda r: r.journal_of("payment", "P1")) == [JournalRow(**asdict(ENTRY), seq=1)]
    stored = await store.read(lambda r: r.find_outbox("o1"))
    assert nothing_of(row, stored) == asdict(row)


async def test_what_is_not_there_is_none_or_empty(store: Store) -> None:
    assert (
        await store.read(lambda r: (r.noun("lot", "x"), r.find_inbox("s", "m"), r.find_alias("s", "v"))) == (None,) * 3
    )
    assert await store.read(lambda r: (r.document("x"), r.evidence_piece(1), r.find_outbox("x"))) == (None,) * 3
    assert await store.read(lambda r: (r.feed_head("x"), r.read_feed("x"), r.journal_of("lot", "x"))) == (0, [], [])


async def test_a_state_is_written_as_its_value(store: Store) -> None:
    class State(StrEnum):
        WAITING = "waiting for the bank"

    await save(store, replace(NOUN, state=State.WAITING))
    await store.transact(lambda tx: tx.enqueue(item("o1", state=State.WAITING)))
    assert [noun.id for noun in await store.read(lambda r: r.list_nouns("payment", state=State.WAITING))] == ["P1"]
    assert [count.state for count in await store.read(lambda r: r.count_outbox())] == ["waiting for the bank"]


async def test_a_noun_is_saved_only_over_the_version_it_was_read_at(store: Store) -> None:
    await save(store, NOUN)
    await save(store, replace(NOUN, version=2, state="paid"), expected_version=1)
    for expected in (0, 1, 3):
        with pytest.raises(VersionConflictError):
            await save(store, replace(NOUN, version=9), expected_version=expected)
    assert (await store.read(lambda r: r.noun("payment", "P1"))) == replace(NOUN, version=2, state="paid")


async def test_changes_of_one_noun_at_the_same_time_are_all_kept(store: Store) -> None:
    await save(store, NOUN)

    def change(tx):
        noun = tx.noun("payment", "P1")
        tx.save_noun(replace(noun, version=noun.version + 1), expected_version=noun.version)
        tx.append_journal(replace(ENTRY, version=noun.version + 1))

    await asyncio.gather(*(store.transact(change) for _ in range(40)))
    chain = await store.read(lambda r: r.journal_of("payment", "P1"))
    assert [line.version for line in chain] == list(range(2, 42))


async def test_a_message_that_arrives_eight_times_at_once_has_one_effect(store: Store) -> None:
    def receive(tx):
        if tx.find_inbox(INBOX.source, INBOX.message_id):
            return "repeated"
        tx.add_inbox(INBOX)
        tx.save_noun(NOUN, expected_version=0)
        tx.enqueue(item("o1"))
        return "first"

    answers = await asyncio.gather(*(store.transact(receive) for _ in range(8)))
    assert sorted(answers) == ["first"] + ["repeated"] * 7


async def test_a_journal_place_is_written_once(store: Store) -> None:
    await store.transact(lambda tx: tx.append_journal(ENTRY))
    with pytest.raises(VersionConflictError):
        await store.transact(lambda tx: tx.append_journal(replace(ENTRY, event="Another")))


async def test_a_work_that_fails_undoes_itself_and_nobody_else(store: Store) -> None:
    """Thirty works share commits; every third fails after writing."""

    def work(n):
        def run(tx):
            tx.save_noun(replace(NOUN, id=f"P{n:02d}"), expected_version=0)
            tx.enqueue(item(f"o{n}"))
            if n % 3 == 0:
                raise DomainError(n)
            return n

        return run

    results = await asyncio.gather(*(store.transact(work(n)) for n in range(30)), return_exceptions=True)
    assert [isinstance(result, DomainError) for result in results] == [n % 3 == 0 for n in range(30)]
    kept = [f"P{n:02d}" for n in range(30) if n % 3]
    assert [noun.id for noun in await store.read(lambda r: r.list_nouns("payment"))] == kept
    assert len(await store.read(lambda r: r.list_outbox())) == len(kept)


async def test_a_read_may_not_write(store: Store) -> None:
    from gateway.store import StoreError

    with pytest.raises(StoreError):
        await store.read(
            lambda r: r._session.change("insert_alias", asdict(AliasRow(scheme="s", value="v", noun="n", id="i")))
        )
    assert await store.read(lambda r: r.find_alias("s", "v")) is None


async def test_an_alias_belongs_to_one_noun(store: Store) -> None:
    alias = AliasRow(scheme="e2e", value="E1", noun="payment", id="P1")
    assert await store.transact(lambda tx: tx.add_alias(alias)())
    assert await store.transact(lambda tx: tx.add_alias(alias)())
    assert not await store.transact(lambda tx: tx.add_alias(replace(alias, id="P2"))())
    assert await store.read(lambda r: r.find_alias("e2e", "E1")) == alias


async def test_nouns_are_listed_by_what_is_asked_and_page_by_page(store: Store) -> None:
    for n in range(6):
        owner, state = ("999101", "999202")[n % 2], ("open", "paid")[n // 3]
        await save(store, replace(NOUN, id=f"P{n}", owner=owner, state=state, lot_id=f"L{n % 2}"))

    async def listed(**what: Any) -> str:
        return "".join(row.id[1:] for row in await store.read(lambda r: r.list_nouns("payment", **what)))

    assert await listed() == "012345"
    assert await listed(limit=2) == "01"
    assert await listed(after="P1", limit=2) == "23"
    assert await listed(owner="999101") == "024"
    assert await listed(state="paid") == "345"
    assert await listed(owner="999202", state="paid", after="P3") == "5"
    assert [row.id for row in await store.read(lambda r: r.nouns_of_lot("L0"))] == ["P0", "P2", "P4"]
    counts = [NounCount(noun="payment", state=state, count=3) for state in ("open", "paid")]
    assert await store.read(lambda r: r.count_nouns()) == counts
    asked = [("payment", "paid"), ("payment", "never"), ("lot", "paid")]
    assert await store.read(lambda r: r.count_states(asked)) == counts[1:]


async def test_the_journal_is_read_by_lot_from_where_one_stopped(store: Store) -> None:
    for n in range(1, 5):
        await store.transact(lambda tx, n=n: tx.append_journal(replace(ENTRY, version=n)))
    lines = await store.read(lambda r: r.journal_of_lot("L1"))
    assert [line.version for line in lines] == [1, 2, 3, 4]
    assert await store.read(lambda r: r.journal_of_lot("L1", after=lines[1].seq, limit=1)) == [lines[2]]


async def test_a_feed_has_no_gap_though_works_fail_between(store: Store) -> None:
    def publish(n):
        def run(tx):
            [sequence] = tx.next_sequences(["999101"])
            line = FeedRow(
                recipient="999101", sequence=sequence, outbox_id=f"o{n}", kind="offer.opened", body="{}", created_at=NOW
            )
            tx.add_feed(line)
            if n % 4 == 0:
                raise DomainError(n)

        return run

    await asyncio.gather(*(store.transact(publish(n)) for n in range(40)), return_exceptions=True)
    feed = await store.read(lambda r: r.read_feed("999101"))
    assert [line.sequence for line in feed] == list(range(1, 31))
    assert await store.read(lambda r: r.feed_head("999101")) == 30
    assert await store.read(lambda r: r.read_feed("999101", after=28, limit=5)) == feed[28:]
    assert await store.transact(lambda tx: tx.next_sequences(["999101", "999202", "999202"])) == [31, 1, 2]


async def test_a_document_is_kept_once_under_its_id(store: Store) -> None:
    content = b"%PDF \x00"
    kept = DocumentRow(
        id="D1",
        media_type="application/pdf",
        sha256=hashlib.sha256(content).hexdigest(),
        content=content,
        created_at=NOW,
    )
    await store.transact(lambda tx: tx.add_document(kept))
    await store.transact(lambda tx: tx.add_document(kept))
    with pytest.raises(DuplicateError):
        await store.transact(lambda tx: tx.add_document(replace(kept, sha256="0" * 64)))
    assert await store.read(lambda r: r.document("D1")) == kept


def evidence(content: bytes) -> EvidenceItem:
    return EvidenceItem(
        noun="payment",
        noun_id="P1",
        lot_id="L1",
        direction="in",
        message_source="999101",
        message_id="m1",
        at=NOW,
        signer="999101",
        certificate_sha256=None,
        media_type="application/xml",
        content=content,
    )


@pytest.mark.parametrize("content", [b"", b"\x00<signed/>", b"protocol" * 200_000])
async def test_exact_bytes_are_kept_with_every_noun_that_has_them(store: Store, content: bytes) -> None:
    item = evidence(content)
    await store.transact(lambda tx: tx.add_evidence(item, replace(item, noun_id="P2")))
    assert item.sha256 == hashlib.sha256(content).hexdigest()
    kept = {name: value for name, value in asdict(item).items() if name != "content"}
    assert await store.read(lambda r: r.evidence_of("payment", "P1")) == [EvidenceRow(**kept, seq=1)]
    rows = await store.read(lambda r: r.evidence_of_lot("L1"))
    assert [row.noun_id for row in rows] == ["P1", "P2"]
    pieces = [await store.read(lambda r, row=row: r.evidence_piece(row.seq)) for row in rows]
    assert pieces == [EvidencePiece(sha256=item.sha256, content=content)] * 2


async def test_evidence_that_was_kept_by_its_digest_is_still_found(store: Store, store_url: str) -> None:
    """The step of the schema leaves it where it lies."""
    old, new = evidence(b"<kept before/>"), replace(evidence(b"<kept since/>"), noun_id="P2")
    await store.transact(lambda tx: tx.add_evidence(old, old))
    engine = sa.create_engine(store_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO evidence (sha256, content) SELECT DISTINCT sha256, content FROM evidence_links"
        )
        connection.exec_driver_sql("ALTER TABLE evidence_links DROP COLUMN content")
        with Operations.context(MigrationContext.configure(connection)):
            v0010_evidence_beside.upgrade()
    engine.dispose()
    await store.transact(lambda tx: tx.add_evidence(new))
    rows = await store.read(lambda r: r.evidence_of_lot("L1"))
    assert [(row.noun_id, row.sha256) for row in rows] == [("P1", old.sha256)] * 2 + [("P2", new.sha256)]
    pieces = [await store.read(lambda r, row=row: r.evidence_piece(row.seq)) for row in rows]
    assert [piece.content for piece in pieces if piece is not None] == [old.content] * 2 + [new.content]


async def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(TypeError):
        await store.transact(lambda tx: tx.set_timer(replace(TIMER, due_at=datetime(2026, 1, 1))))
    assert await store.read(lambda r: r.list_outbox()) == []


async def test_nouns_are_found_by_when_the_world_is_to_do_something_to_them(store: Store) -> None:
    """In pages, in order of the time, what is overdue first; a noun without such a time is never among them."""
    minutes = {"L1": 30, "L2": -90, "L3": 30, "L4": 61, "L5": None}
    for id, minute in minutes.items():
        at = None if minute is None else NOW + timedelta(minutes=minute)
        await save(store, replace(NOUN, noun="lot", id=id, expected_at=at))
    await save(store, replace(NOUN, expected_at=NOW))
    until, found, after = NOW + timedelta(hours=1), [], None
    while page := await store.read(lambda r, after=after: r.nouns_expected("lot", until=until, after=after, limit=2)):
        after = page[-1]
        found += page
    assert [row.id for row in found] == ["L2", "L1", "L3"]
    assert found[0].expected_at == NOW - timedelta(minutes=90)
    await save(store, replace(found[0], version=2, expected_at=None), expected_version=1)
    assert [row.id for row in await store.read(lambda r: r.nouns_expected("lot", until=until))] == ["L1", "L3"]


async def test_an_ocsp_answer_is_kept_once_and_found_by_whom_it_speaks_of_and_when(store: Store) -> None:
    row = OcspAnswerRow(sha256="a", participant="999101", certificate_sha256="c", kept_at=NOW, content=b"1")
    later = replace(row, sha256="b", kept_at=NOW + timedelta(hours=1), content=b"2")
    for kept in (later, row, row, replace(row, sha256="x", participant="999202")):
        await store.transact(lambda tx, kept=kept: tx.add_ocsp_answer(kept))
    hour = timedelta(hours=1)
    assert await store.read(lambda r: r.ocsp_answers_of("999101", since=NOW, until=NOW + hour)) == [row, later]
    assert await store.read(lambda r: r.ocsp_answers_of("999101", since=NOW - hour, until=NOW)) == [row]
    assert await store.read(lambda r: r.ocsp_answers_of("nobody", since=NOW, until=NOW)) == []


async def test_lots_announced_before_there_was_a_forecast_are_found_by_their_auction(
    store: Store, store_url: str
) -> None:
    """The step of the schema reads the time out of what was stored."""
    old = replace(NOUN, noun="lot", id="L1", state="announced", data='{"auction_at":"2026-11-22T13:30:00+04:00"}')
    await save(store, old, replace(old, id="L2", state="concluded"))
    engine = sa.create_engine(store_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX nouns_expected")
        connection.exec_driver_sql("ALTER TABLE nouns DROP COLUMN expected_at")
        with Operations.context(MigrationContext.configure(connection)):
            v0005_expected.upgrade()
    engine.dispose()
    (row,) = await store.read(lambda r: r.nouns_expected("lot", until=NOW + timedelta(hours=1)))
    assert (row.id, row.expected_at) == ("L1", NOW + timedelta(minutes=30))
