"""The outbox on both databases: claimed once, in order, fenced by the lease, parked for a person."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from store_rows import ITEM, NOW, TIMER, item

from gateway.store import Store, StoreError
from gateway.store.migrations.versions import v0008_booked
from gateway.store.rows import FeedRow, OutboxRow

SECOND = timedelta(seconds=1)


async def claim(
    store: Store, worker: str = "w1", now: datetime = NOW, lease_s: float = 30, **limits: int
) -> list[OutboxRow]:
    return await store.transact(
        lambda tx: tx.claim(now=now, worker=worker, lease_s=lease_s, limits=limits or {"banks": 100})
    )


async def conclude(store: Store, row: OutboxRow) -> bool:
    return await store.transact(lambda tx: tx.conclude(row, now=NOW, state="acknowledged"))


async def enqueue(store: Store, *ids: str, order_key: str | None = None) -> None:
    for id in ids:
        await store.transact(lambda tx, id=id: tx.enqueue(item(id, order_key=order_key)))


async def lanes(store: Store) -> dict[tuple[str, str], datetime]:
    return {(lane.channel, lane.recipient): lane.visible_at for lane in await store.read(lambda r: r.lanes())}


def ids(rows: list[OutboxRow]) -> list[str]:
    return [row.id for row in rows]


async def test_eight_workers_claim_three_hundred_rows_exactly_once(store: Store) -> None:
    await store.transact(lambda tx: [tx.enqueue(item(f"o{n:03d}")) for n in range(300)])

    async def work(worker: str) -> list[str]:
        mine: list[str] = []
        while rows := await claim(store, worker, banks=7):
            mine += ids(rows)
            assert all([await conclude(store, row) for row in rows])
        return mine

    taken = await asyncio.gather(*(work(f"w{n}") for n in range(8)))
    assert sorted(id for part in taken for id in part) == [f"o{n:03d}" for n in range(300)]
    assert await store.read(lambda r: r.count_outbox()) == []


async def test_rows_of_one_order_key_go_one_after_the_other(store: Store) -> None:
    await enqueue(store, "a1", "a2", "a3", order_key="a")
    await enqueue(store, "b1", order_key="b")
    await enqueue(store, "x1", "x2")
    first = await claim(store)
    assert ids(first) == ["a1", "b1", "x1", "x2"]
    assert await conclude(store, first[0])
    second = await claim(store)
    assert ids(second) == ["a2"]
    assert await claim(store) == []
    assert await conclude(store, second[0])
    assert ids(await claim(store)) == ["a3"]


async def test_a_row_waiting_for_its_next_attempt_still_holds_its_followers(store: Store) -> None:
    await enqueue(store, "a1", "a2", order_key="a")
    [head] = await claim(store)
    later = NOW + 60 * SECOND
    assert await store.transact(lambda tx: tx.reschedule(head, due_at=later, error="no connection"))
    assert await claim(store) == []
    assert await lanes(store) == {("banks", "999101"): later}
    [again] = await claim(store, now=later)
    assert (again.id, again.attempt, again.last_error) == ("a1", 2, "no connection")


async def test_a_parked_row_holds_its_followers_until_a_person_retries_it(store: Store) -> None:
    await enqueue(store, "a1", "a2", order_key="a")
    [head] = await claim(store)
    assert await store.transact(lambda tx: tx.park(head, now=NOW, error="their no"))
    assert await claim(store, now=NOW + 3600 * SECOND) == []
    parked = await store.read(lambda r: r.list_outbox(parked=True))
    assert [(row.id, row.state, row.parked_at, row.last_error) for row in parked] == [("a1", "parked", NOW, "their no")]
    assert ids(await store.read(lambda r: r.list_outbox(parked=False))) == ["a2"]
    assert await store.transact(lambda tx: tx.requeue("a1", now=NOW))
    assert not await store.transact(lambda tx: tx.requeue("a1", now=NOW))
    [again] = await claim(store)
    assert await conclude(store, again)
    assert ids(await claim(store)) == ["a2"]


async def test_a_person_may_discard_a_parked_row_and_only_a_parked_one(store: Store) -> None:
    await enqueue(store, "a1", "a2", order_key="a")

    def discard(tx, id="a1"):
        return tx.discard(id, now=NOW, state="discarded", note="told by telephone")

    assert not await store.transact(discard)
    [head] = await claim(store)
    await store.transact(lambda tx: tx.park(head, now=NOW))
    assert await store.transact(discard)
    assert not await store.transact(lambda tx: discard(tx, "nobody"))
    assert ids(await claim(store)) == ["a2"]


@pytest.mark.parametrize("second_worker", ["w2", "w1"])
async def test_who_lost_the_lease_changes_nothing(store: Store, second_worker: str) -> None:
    await enqueue(store, "a1")
    [lost] = await claim(store, "w1", lease_s=1)
    assert await claim(store, "w2", now=NOW + 0.9 * SECOND) == []
    [held] = await claim(store, second_worker, now=NOW + SECOND)
    assert (lost.attempt, held.attempt) == (1, 2)
    assert not await conclude(store, lost)
    assert not await store.transact(lambda tx: tx.reschedule(lost, due_at=NOW))
    assert not await store.transact(lambda tx: tx.park(lost, now=NOW))
    assert await conclude(store, held)
    assert not await conclude(store, held)


async def test_a_lease_that_ran_out_with_nobody_else_taking_it_still_counts(store: Store) -> None:
    await enqueue(store, "a1")
    [row] = await claim(store, lease_s=0.001)
    assert await conclude(store, row)


async def test_a_timer_set_again_replaces_the_first(store: Store) -> None:
    await store.transact(lambda tx: tx.set_timer(TIMER))
    await store.transact(lambda tx: tx.set_timer(replace(TIMER, id="t2", due_at=NOW + SECOND)))
    await store.transact(lambda tx: tx.set_timer(replace(TIMER, id="t3", name="other", due_at=NOW + 5 * SECOND)))
    assert await claim(store, timer=10) == []
    assert ids(await claim(store, now=NOW + SECOND, timer=10)) == ["t2"]
    assert ids(await store.read(lambda r: r.outbox_of("payment", "P1"))) == ["t2", "t3"]


async def test_a_timer_cancelled_under_a_workers_hands_does_not_fire(store: Store) -> None:
    await store.transact(lambda tx: tx.set_timer(TIMER))
    [row] = await claim(store, timer=1)
    for _ in range(2):  # the second time there is none
        await store.transact(lambda tx: tx.cancel_timer("payment", "P1", "deadline", now=NOW))
    assert await store.read(lambda reader: reader.outbox_of("payment", "P1")) == []
    assert not await conclude(store, row)


async def test_a_timer_without_a_name_or_with_an_order_is_refused(store: Store) -> None:
    for wrong in (replace(TIMER, name=None), replace(TIMER, order_key="a")):
        with pytest.raises(ValueError, match="timer"):
            await store.transact(lambda tx, wrong=wrong: tx.set_timer(wrong))


async def test_each_channel_gives_as_many_as_there_is_room_for(store: Store) -> None:
    await store.transact(
        lambda tx: [tx.enqueue(item(f"{c}{n}", channel=c)) for c in ("aos", "banks") for n in range(4)]
    )
    assert ids(await claim(store, aos=2, banks=1)) == ["aos0", "aos1", "banks0"]
    assert ids(await claim(store, aos=0, banks=9, platform=5)) == ["banks1", "banks2", "banks3"]


async def test_each_recipient_of_a_channel_has_places_of_its_own(store: Store) -> None:
    await store.transact(
        lambda tx: [tx.enqueue(item(f"{r}.{n}", recipient=r)) for r in ("A", "B", "C") for n in range(4)]
    )
    taken = {("banks", "A"): 2, ("banks", "C"): 1, ("platform", "B"): 2}
    claimed = await store.transact(
        lambda tx: tx.claim(now=NOW, worker="w", lease_s=30, limits={"banks": 2, "platform": 2}, taken=taken)
    )
    assert sorted(ids(claimed)) == ["B.0", "B.1", "C.0"]


async def test_the_lanes_are_those_with_something_to_claim_now_or_later(store: Store) -> None:
    rows = [("aos", "AOS", 5), ("banks", "999101", 0), ("banks", "999202", 9), ("banks", "999202", 3), ("timer", "", 1)]
    for n, (channel, recipient, seconds) in enumerate(rows):
        later = NOW + seconds * SECOND
        await store.transact(
            lambda tx, n=n, c=channel, r=recipient, due=later: tx.enqueue(
                item(f"o{n}", channel=c, recipient=r, due_at=due)
            )
        )
    assert {lane: (at - NOW).seconds for lane, at in (await lanes(store)).items()} == {
        ("aos", "AOS"): 5,
        ("banks", "999101"): 0,
        ("banks", "999202"): 3,
        ("timer", ""): 1,
    }
    for row in await claim(store, banks=9):
        await conclude(store, row)
    assert set(await lanes(store)) == {("aos", "AOS"), ("banks", "999202"), ("timer", "")}


async def test_what_is_not_yet_due_is_not_claimed_and_the_longest_due_goes_first(store: Store) -> None:
    for id, seconds in (("late", 5), ("now", 0), ("past", -5)):
        await store.transact(lambda tx, i=id, s=seconds: tx.enqueue(item(i, due_at=NOW + s * SECOND)))
    assert await lanes(store) == {("banks", "999101"): NOW - 5 * SECOND}
    assert ids(await claim(store, banks=1)) == ["past"]
    assert ids(await claim(store)) == ["now"]
    assert await claim(store) == []


async def test_unacknowledged_is_what_is_neither_acknowledged_nor_discarded(store: Store) -> None:
    def put(tx, n, recipient):
        line = FeedRow(recipient=recipient, sequence=n, outbox_id=f"{recipient}.{n}", kind="k", body="", created_at=NOW)
        tx.add_feed(line)
        tx.enqueue(item(f"{recipient}.{n}", recipient=recipient, sequence=n))

    for n in range(1, 7):
        for recipient in ("A", "B"):
            await store.transact(lambda tx, n=n, r=recipient: put(tx, n, r))
    await enqueue(store, "without a place in a feed")
    claimed = {row.id: row for row in await claim(store)}
    await conclude(store, claimed["A.2"])
    for id in ("A.3", "A.4"):
        await store.transact(lambda tx, id=id: tx.park(claimed[id], now=NOW))
    await store.transact(lambda tx: tx.discard("A.4", now=NOW, state="discarded", note=""))

    async def waiting(after: int = 0, limit: int = 9) -> list[int]:
        rows = await store.read(lambda r: r.unacknowledged("A", after=after, limit=limit))
        assert {row.outbox_id for row in rows} == {f"A.{row.sequence}" for row in rows}
        return [row.sequence for row in rows]

    assert await waiting() == [1, 3, 5, 6]
    assert await waiting(after=3, limit=1) == [5]


async def test_an_outbox_id_is_given_once(store: Store) -> None:
    await enqueue(store, "a1")
    with pytest.raises(StoreError):
        await enqueue(store, "a1")


async def test_a_leased_row_says_whose_it_is_and_until_when(store: Store) -> None:
    await enqueue(store, "a1")
    await claim(store, "w1", lease_s=2.5)
    row = await store.read(lambda r: r.find_outbox("a1"))
    assert row is not None
    assert (row.lease_owner, row.visible_at, row.due_at, row.attempt) == ("w1", NOW + 2.5 * SECOND, NOW, 1)
    assert replace(ITEM, id="a1").body == row.body


async def test_a_claim_is_booked_when_it_ends_and_an_interrupted_one_never(store: Store) -> None:
    await enqueue(store, "a1")
    for died in range(1, 4):
        [row] = await claim(store, lease_s=0)
        assert (row.attempt, row.booked) == (died, 0)
    assert await store.transact(lambda tx: tx.reschedule(row, due_at=NOW))
    [row] = await claim(store, lease_s=0)
    assert (row.attempt, row.booked) == (4, 1)
    assert await store.transact(lambda tx: tx.park(row, now=NOW))
    [row] = await store.read(lambda r: r.list_outbox(parked=True))
    assert (row.attempt, row.booked) == (4, 2)


async def test_attempts_made_before_they_were_booked_are_taken_over_from_their_claims(
    store: Store, store_url: str
) -> None:
    """The step of the schema: what lies still has had all its claims booked, what is under way all but the last."""
    await enqueue(store, "lying", "leased")
    lying, _ = await claim(store, lease_s=0)
    assert await store.transact(lambda tx: tx.reschedule(lying, due_at=NOW + 60 * SECOND))
    await claim(store)
    await enqueue(store, "new")
    engine = sa.create_engine(store_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE outbox DROP COLUMN booked")
        with Operations.context(MigrationContext.configure(connection)):
            v0008_booked.upgrade()
    engine.dispose()
    found = {row.id: (row.attempt, row.booked) for row in await store.read(lambda r: r.list_outbox())}
    assert found == {"new": (0, 0), "lying": (1, 1), "leased": (2, 1)}


async def test_order_holds_while_many_add_and_many_take(store: Store) -> None:
    """No row of a key is stuck, none overtakes, whoever commits first."""
    sent: list[int] = []
    total = 60

    async def add(part: int) -> None:
        for n in range(part, total, 4):
            await store.transact(lambda tx, n=n: tx.enqueue(item(f"o{n}", order_key="a")))

    async def take(worker: str) -> None:
        while len(sent) < total:
            for row in await claim(store, worker, banks=5):
                sent.append(row.seq)
                assert await conclude(store, row)

    await asyncio.wait_for(asyncio.gather(*map(add, range(4)), *(take(f"w{n}") for n in range(4))), 60)
    assert sent == sorted(sent)
    assert len(set(sent)) == total
