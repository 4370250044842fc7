"""Several attempts booked by one work on both databases: what each leaves behind is what it would leave alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from puppet import EXHIBIT, Clock, Denied, Hand, Heard, Opened, TestAdapter, Wished, as_stored, engine_on
from test_leasing import GRANT, TO_R, Noted
from waiting import PATIENCE_S, until

from contracts.errors.refusal import RefusedError
from gateway.domain.table import Event
from gateway.engine.dispatcher import Dispatcher
from gateway.engine.endings import Ended, Endings
from gateway.engine.engine import Engine
from gateway.engine.journal import first_break
from gateway.engine.step import Held, Step
from gateway.ports import Acknowledged, Dispatch, NotSent, Outcome, Refused
from gateway.store import Store, StoreUnavailableError, open_store
from gateway.store.rows import OutboxRow
from gateway.store.testing import blank_store_url

NAMES = ("P", "Q", "R")


@pytest.fixture
def hand(store: Store) -> Hand:
    return Hand(engine_on(store, Clock()))


async def leased(hand: Hand, *names: str, each: int = 1) -> list[OutboxRow]:
    """Deliveries of those puppets, one after the other, to recipients of their own."""
    for name in names:
        await hand.say(Opened(), to=name)
        await hand.say(Wished(sends=tuple(("alpha", f"{name}{n}") for n in range(each))), to=name)
    return await hand.claim("alpha")


def ended(rows: list[OutboxRow], *outcomes: Outcome) -> list[Ended]:
    return [Ended(row=row, outcome=outcome) for row, outcome in zip(rows, outcomes, strict=True)]


async def assert_chains_hold(store: Store, *names: str) -> None:
    for name in names:
        journal = await store.read(lambda reader, name=name: reader.journal_of("puppet", name))
        assert first_break(journal, await store.read(lambda reader, name=name: reader.noun("puppet", name))) is None


async def test_each_is_booked_as_it_would_be_alone(hand: Hand) -> None:
    rows = await leased(hand, *NAMES)
    outcomes = (
        Acknowledged(event=Heard(word="yes"), exhibits=(EXHIBIT,)),
        NotSent(reason="away"),
        Refused(code="AM04", reason="no", event=Heard(word="no")),
    )
    assert await hand.engine.conclude_all(ended(rows, *outcomes)) == [True] * 3
    assert [(await hand.row(row.id)).state for row in rows] == ["acknowledged", "due", "taken_over"]
    assert [(await hand.puppet(name)).heard for name in NAMES] == [("yes",), (), ("no",)]
    for name, row in zip(NAMES, rows, strict=True):
        journal = await hand.engine.store.read(lambda reader, name=name: reader.journal_of("puppet", name))
        assert {(line.cause_source, line.cause_id) for line in journal[2:]} == {(row.recipient, row.id)}
    [link] = await hand.engine.store.read(lambda reader: reader.evidence_of("puppet", "P"))
    assert (link.message_source, link.message_id) == (rows[0].recipient, rows[0].id)
    await assert_chains_hold(hand.engine.store, *NAMES)


async def test_no_end_is_booked_without_its_line_where_the_disk_fails_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by simulation (seed 501): SQLite drops the transaction, and what is done after that is committed alone."""
    store = await open_store(blank_store_url(tmp_path))
    hand = Hand(engine_on(store, Clock()))
    both = ended(await leased(hand, "P", "Q"), *[Acknowledged(event=Heard(word="yes"))] * 2)
    note = Step.note

    def fails_at_the_second(step: Step, held: Held, event: Event) -> None:
        if held.id == "Q":
            step._tx._session._connection.execute("ROLLBACK")  # type: ignore[attr-defined]
            raise StoreUnavailableError("disk I/O error")
        note(step, held, event)

    with monkeypatch.context() as patch:
        patch.setattr(Step, "note", fails_at_the_second)
        with pytest.raises(StoreUnavailableError):
            await hand.engine.conclude_all(both)
    assert [(await hand.row(each.row.id)).state for each in both] == ["due", "due"]
    assert await hand.engine.conclude_all(both) == [True, True]
    assert [(await hand.puppet(name)).heard for name in ("P", "Q")] == [("yes",), ("yes",)]
    await store.close()


async def test_one_lease_ends_once_though_two_attempts_under_it_are_brought_together(hand: Hand) -> None:
    """Found by a siege: two lines said that one delivery was acknowledged."""
    [row] = await leased(hand, "P")
    twice = ended([row, row], *[Acknowledged(event=Heard(word="yes"))] * 2)
    assert await hand.engine.conclude_all(twice) == [True, False]
    assert (await hand.puppet()).heard == ("yes",)
    journal = await hand.engine.store.read(lambda reader: reader.journal_of("puppet", "P"))
    assert [line.event for line in journal].count("DeliveryAcknowledged") == 1
    await assert_chains_hold(hand.engine.store, "P")


async def test_three_of_one_noun_are_three_lines_of_its_chain(hand: Hand) -> None:
    rows = await leased(hand, "P", each=3)
    said = [Acknowledged(event=Heard(word=str(n))) for n in range(3)]
    assert await hand.engine.conclude_all(ended(rows, *said)) == [True] * 3
    assert (await hand.puppet()).heard == ("0", "1", "2")
    noun = await hand.engine.store.read(lambda reader: reader.noun("puppet", "P"))
    assert noun is not None
    assert noun.version == 2 + 2 * 3
    await assert_chains_hold(hand.engine.store, "P")


async def test_a_lost_lease_undoes_none_of_the_others(hand: Hand) -> None:
    rows = await leased(hand, *NAMES)
    rows[1] = replace(rows[1], attempt=7)
    said = [Acknowledged(event=Heard(word="yes"))] * 3
    assert await hand.engine.conclude_all(ended(rows, *said)) == [True, False, True]
    assert [(await hand.puppet(name)).heard for name in NAMES] == [("yes",), (), ("yes",)]
    await assert_chains_hold(hand.engine.store, *NAMES)


async def test_of_two_attempts_at_one_row_the_one_whose_lease_holds_is_booked(hand: Hand) -> None:
    rows = await leased(hand, *NAMES[:2])
    again = replace(rows[0], attempt=rows[0].attempt - 1)  # what it was leased as before
    said = [Acknowledged(event=Heard(word=word)) for word in ("late", "yes", "yes")]
    assert await hand.engine.conclude_all(ended([again, *rows], *said)) == [False, True, True]
    assert [(await hand.puppet(name)).heard for name in NAMES[:2]] == [("yes",)] * 2
    await assert_chains_hold(hand.engine.store, *NAMES[:2])


async def test_nothing_is_booked_where_one_is_refused(hand: Hand) -> None:
    rows = await leased(hand, *NAMES)
    said = [Acknowledged(event=Heard(word="yes")), Acknowledged(event=Denied()), NotSent(reason="away")]
    with pytest.raises(RefusedError):
        await hand.engine.conclude_all(ended(rows, *said))
    assert await hand.waiting() == [as_stored(row) for row in rows]
    assert (await hand.puppet()).heard == ()


async def test_of_those_that_come_together_one_that_is_refused_is_parked_and_the_others_are_booked(hand: Hand) -> None:
    rows = await leased(hand, *NAMES)
    said = [Acknowledged(event=Heard(word="yes")), Acknowledged(event=Denied()), NotSent(reason="away")]
    endings = Endings(hand.engine)
    held = list(chain(*await asyncio.gather(*(endings.conclude(each) for each in ended(rows, *said)))))
    assert held == [True] * 3
    assert [(await hand.row(row.id)).state for row in rows] == ["acknowledged", "parked", "due"]
    await assert_chains_hold(hand.engine.store, *NAMES)


async def test_replicas_that_book_for_the_same_lots_at_once_do_not_wait_for_each_other(replicas: list[Engine]) -> None:
    """Each has deliveries of all lots in hand, the one in one order, the other in the opposite one."""
    hand, names = Hand(replicas[0]), [f"P{n}" for n in range(12)]
    rows = await leased(hand, *names, each=4)
    said = [Acknowledged(event=Wished(notices=(("platform", "EHERRAC"), ("banks", "999101"))))] * 12
    shares = [rows[n::4] for n in range(4)]
    async with asyncio.timeout(PATIENCE_S):
        booked = await asyncio.gather(
            *(
                replicas[n % 2].conclude_all(ended(share if n % 2 else share[::-1], *said))
                for n, share in enumerate(shares)
            )
        )
    assert booked == [[True] * 12] * 4
    feed = await replicas[0].store.read(lambda reader: reader.read_feed("EHERRAC", limit=100))
    assert [line.sequence for line in feed] == list(range(1, 49))
    await assert_chains_hold(replicas[0].store, *names)


# -- the place that an end makes ----------------------------------------------------------------------------------


async def crowded(hand: Hand, count: int) -> tuple[Noted, OutboxRow]:
    """A lane with one row under way and the others due; the noted dispatcher has no place beside it."""
    for n in range(count):
        await hand.say(Opened(), to=f"P{n}")
        await hand.say(Wished(sends=(TO_R,)), to=f"P{n}")
    [row] = await hand.claim("alpha", limit=1)
    noted = Noted(leave=replace(GRANT, full=frozenset([TO_R]), crowded=frozenset([TO_R])))
    hand.engine.attach(noted)
    return noted, row


async def test_the_end_of_an_attempt_leases_the_next_of_a_crowded_lane_and_wakes_nobody(hand: Hand) -> None:
    noted, row = await crowded(hand, 3)
    assert await hand.engine.conclude(row, Acknowledged())
    [taken] = noted.taken
    assert taken.id == (await hand.waiting())[0].id
    assert (taken.lease_owner, noted.wakes) == ("w", 0)


@pytest.mark.parametrize("outcome", [NotSent(reason="away")], ids=["no answer"])
async def test_where_nobody_answered_nothing_more_is_leased_before_the_breaker_was_asked(
    hand: Hand, outcome: Outcome
) -> None:
    noted, row = await crowded(hand, 3)
    assert await hand.engine.conclude(row, outcome)
    assert noted.taken == []


async def test_a_crowded_lane_is_worked_off_in_order_without_claims_in_between(hand: Hand) -> None:
    crowd = asyncio.Event()

    async def script(_: Dispatch) -> Outcome:
        if adapter.at_once == 4:
            crowd.set()
        await crowd.wait()
        return Acknowledged()

    for n in range(40):
        await hand.say(Opened(), to=f"P{n:02d}")
        await hand.say(Wished(sends=(TO_R,)), to=f"P{n:02d}")
    adapter, claims = TestAdapter("alpha", script), 0
    dispatcher = Dispatcher(
        hand.engine, {"alpha": adapter}, clock=hand.engine._clock, worker="w", concurrency=4, poll_s=PATIENCE_S
    )
    hand.engine.attach(dispatcher)
    claim = dispatcher._claim

    async def counted() -> object:
        nonlocal claims
        claims += 1
        return await claim()

    dispatcher._claim = counted  # type: ignore[method-assign,assignment]
    running = asyncio.create_task(dispatcher.run())
    await until(lambda: len(adapter.done) == 40)
    await dispatcher.stop()
    await running
    begun = [int(sent.body.collection_id[1:]) for sent in adapter.begun]
    assert sorted(begun) == list(range(40))
    assert max(n - place for place, n in enumerate(begun)) < 2 * 4  # four under way, and as many being leased
    assert adapter.most_at_once == 4
    assert claims <= 6  # at the beginning, and where the lane runs dry
    assert await hand.waiting() == []
