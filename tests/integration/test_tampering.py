"""What somebody changes in the store by hand is found, on both databases: everything is held against the journal."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from puppet import START, Clock, Closed, Hand, Heard, Opened, Wished, engine_on
from test_backup import execute

from gateway.domain.recipient import AnsweredAgain, FellSilent
from gateway.engine.audit import audit
from gateway.engine.journal import GENESIS, digest
from gateway.engine.merkle import root_of
from gateway.engine.proof import What
from gateway.ports import Acknowledged, NotSent, Outcome, Refused, Unknown
from gateway.store import Store
from gateway.store.rows import JournalRow, NounRow, OutboxRow, StampRow

LATER = START + timedelta(hours=1)
A_SECOND_US = 1_000_000
_MINE = "noun_id = 'P0' AND concluded_at IS NULL"
_COPIED = (
    "channel, recipient, order_key, noun, noun_id, body_type, state, due_at, visible_at, attempt, created_at, "
    "state_version, body, booked"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampering:
    """Statements, and what they must be found as, each with the line that says so."""

    sql: tuple[str, ...]
    found: tuple[tuple[What, int], ...]


def one(sql: str, what: What, line: int = 2) -> Tampering:
    return Tampering(sql=(sql,), found=((what, line),))


TAMPERINGS = {
    "an account or amount": one("UPDATE nouns SET data = replace(data, 'AZ-1', 'AZ-9') WHERE id = 'P0'", What.DATA, 4),
    "a state": one("UPDATE nouns SET state = 'closed' WHERE id = 'P0'", What.STATE, 4),
    "a lot": one("UPDATE nouns SET lot_id = 'L9' WHERE id = 'P0'", What.LOT, 4),
    "an owner": one("UPDATE nouns SET owner = '999202' WHERE id = 'P0'", What.OWNER, 4),
    "an expectation": one("UPDATE nouns SET expected_at = 1 WHERE id = 'P0'", What.DATA, 4),
    "a noun put in another's place": Tampering(
        sql=("UPDATE nouns SET data = (SELECT data FROM nouns WHERE id = 'P1') WHERE id = 'P0'",),
        found=((What.DATA, 4),),
    ),
    "a body": one(
        f"UPDATE outbox SET body = replace(body, '\"1\"', '\"2\"') WHERE {_MINE} AND id = 'puppet.P0.2.0'",
        What.DELIVERY,
    ),
    "a recipient": one(f"UPDATE outbox SET recipient = 'Z' WHERE {_MINE} AND recipient = 'B'", What.DELIVERY),
    "a channel": one(f"UPDATE outbox SET channel = 'beta' WHERE {_MINE} AND recipient = 'B'", What.DELIVERY),
    "a kind": one(f"UPDATE outbox SET body_type = 'Notice' WHERE {_MINE} AND recipient = 'B'", What.DELIVERY),
    "an attachment": one(
        f"UPDATE outbox SET attachment_document_id = 'D' WHERE {_MINE} AND recipient = 'B'", What.DELIVERY
    ),
    "a timer's time": one(
        f"UPDATE outbox SET due_at = due_at + 1, visible_at = visible_at + 1 WHERE {_MINE} AND name = 'ring'",
        What.DELIVERY,
    ),
    "a timer that never rings": one(f"UPDATE outbox SET visible_at = NULL WHERE {_MINE} AND name = 'ring'", What.DUE),
    "a delivery put off": one(
        f"UPDATE outbox SET visible_at = visible_at + {A_SECOND_US} WHERE {_MINE} AND recipient = 'B'", What.DUE
    ),
    "a delivery due later": one(
        f"UPDATE outbox SET due_at = due_at + 1, visible_at = due_at + 1 WHERE {_MINE} AND recipient = 'B'", What.DUE
    ),
    "a row taken away": one(f"DELETE FROM outbox WHERE {_MINE} AND recipient = 'B'", What.MISSING),
    "a timer taken away": one(f"DELETE FROM outbox WHERE {_MINE} AND name = 'ring'", What.MISSING),
    "a row said to be done": one(
        f"UPDATE outbox SET concluded_at = 1, visible_at = NULL, state = 'acknowledged' WHERE {_MINE} "
        "AND recipient = 'B'",
        What.MISSING,
    ),
    "a timer said to have fired": one(
        f"UPDATE outbox SET concluded_at = 1, visible_at = NULL, state = 'fired' WHERE {_MINE} AND name = 'ring'",
        What.MISSING,
    ),
    "a row added": one(
        f"INSERT INTO outbox (id, {_COPIED}) SELECT 'puppet.P0.2.9', {_COPIED} FROM outbox "
        f"WHERE {_MINE} AND recipient = 'B'",
        What.ADDED,
    ),
    "a row of a line that is not there": Tampering(
        sql=(f"UPDATE outbox SET id = 'puppet.P0.9.0', state_version = 9 WHERE {_MINE} AND recipient = 'B'",),
        found=((What.ADDED, 9), (What.MISSING, 2)),
    ),
    "two rows with each other's bodies": Tampering(
        sql=(
            "UPDATE outbox SET body = CASE noun_id WHEN 'P0' THEN replace(body, 'P0', 'P1') "
            "ELSE replace(body, 'P1', 'P0') END WHERE id IN ('puppet.P0.2.2', 'puppet.P1.2.2')",
        ),
        found=((What.DELIVERY, 2), (What.DELIVERY, 2)),
    ),
    "two rows in each other's turn": Tampering(
        sql=(
            "UPDATE outbox SET id = 'aside' WHERE id = 'puppet.P0.2.0'",
            "UPDATE outbox SET id = 'puppet.P0.2.0' WHERE id = 'puppet.P0.2.1'",
            "UPDATE outbox SET id = 'puppet.P0.2.1' WHERE id = 'aside'",
        ),
        found=((What.ORDER, 2),),
    ),
    "a row given back that waits for a person": one(
        "UPDATE outbox SET parked_at = NULL, visible_at = due_at, state = 'due' WHERE parked_at IS NOT NULL", What.DUE
    ),
    "what a line bound": one("UPDATE journal SET bound = '{}' WHERE noun_id = 'P0' AND version = 2", What.CHAIN),
    "a line that binds nothing any more": one(
        "UPDATE journal SET bound = NULL WHERE noun_id = 'P0' AND version = 4", What.CHAIN, 4
    ),
    "a message that was accepted": one(
        "INSERT INTO inbox (source, message_id, digest, noun, noun_id, answer, received_at) "
        "VALUES ('S', 'never', '', 'puppet', 'P0', '{}', 0)",
        What.ANSWER,
        0,
    ),
}


async def filled(store: Store, count: int = 3) -> Hand:
    """Puppets of three lines, with three deliveries and a timer each; the last one's first delivery is parked."""
    hand = Hand(engine_on(store, Clock()))
    for n in range(count):
        await hand.say(Opened(), to=f"P{n}")
        await hand.say(
            Wished(sends=(("alpha", "A"), ("alpha", "A"), ("alpha", "B")), timer=("ring", LATER)), to=f"P{n}"
        )
        await hand.say(Heard(word=f"{n} to AZ-1"), to=f"P{n}")
    await hand.say(Heard(word="and more"), to="P0")
    rows = [row for row in await hand.claim("alpha") if row.id == f"puppet.P{count - 1}.2.0"]
    await hand.engine.conclude(rows[0], Refused(code="AM04", reason="no"))
    await store.transact(lambda tx: tx.release())
    return hand


@pytest.mark.parametrize("tampering", TAMPERINGS)
async def test_what_is_changed_by_hand_is_found_with_the_line_that_says_so(
    store: Store, store_url: str, tampering: str
) -> None:
    await filled(store)
    assert (await audit(store)).holds
    for sql in TAMPERINGS[tampering].sql:
        execute(store_url, sql)
    found = await audit(store)
    assert not found.holds
    assert tuple((one.what, one.line) for one in found.mismatches) == TAMPERINGS[tampering].found
    assert all(
        one.expected != one.found or one.what in (What.CHAIN, What.ORDER, What.ANSWER) for one in found.mismatches
    )


WISHES: tuple[Callable[[random.Random], Any], ...] = (
    lambda r: Heard(word=f"{r.random()}"),
    lambda r: Wished(sends=tuple(("alpha", r.choice("AB")) for _ in range(r.randint(1, 3)))),
    lambda r: Wished(notices=(("banks", "999101"),), alarm=r.choice((None, "LOOK"))),
    lambda r: Wished(timer=(r.choice(("ring", "toll")), START + timedelta(seconds=r.randint(1, 300)))),
    lambda r: Wished(refused_timer=("ring", START + timedelta(seconds=r.randint(1, 300)))),
    lambda r: Wished(cancels=r.choice(("ring", "toll")), timer=r.choice((None, ("ring", LATER)))),
    lambda r: Wished(sends=(("alpha", "A"),), alarm="LOOK", timer=("ring", LATER), cancels=r.choice((None, "ring"))),
    lambda r: Wished(tell=f"P{r.randint(0, 2)}"),
)
OUTCOMES: tuple[Outcome, ...] = (
    Acknowledged(),
    Acknowledged(event=Heard(word="done")),
    Refused(code="AM04", reason="no"),
    NotSent(reason="away"),
    Unknown(reason="silence"),
)


async def live(hand: Hand, clock: Clock, chance: random.Random) -> None:
    """Something of all that may happen to puppets and to what they send."""
    match chance.randint(0, 6):
        case 0 | 1:
            await hand.say(chance.choice(WISHES)(chance), to=f"P{chance.randint(0, 2)}")
        case 2:
            for row in await hand.claim("alpha", limit=3):
                await hand.engine.conclude(row, chance.choice(OUTCOMES))
        case 3:
            for row in await hand.claim("timer", limit=2):
                await hand.engine.fire(row)
        case 4:
            clock.pass_s(chance.choice((0.1, 5, 60, 400)))
        case 5:
            for event in (FellSilent(failures=5, reason="silence"), AnsweredAgain()):
                await hand.engine.silences.note(("alpha", chance.choice("AB")), event)
        case 6:
            for row in await hand.engine.store.read(lambda r: r.list_outbox(parked=True)):
                await by_person(hand, row, chance)


async def by_person(hand: Hand, row: OutboxRow, chance: random.Random) -> None:
    if chance.random() < 0.5:
        await hand.engine.parked.requeue(row.id, person="Leyla")
    elif chance.random() < 0.5:
        await hand.engine.parked.discard(row.id, person="Rauf", reason="no")


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_the_house_does_itself_holds(store: Store, seed: int) -> None:
    chance, clock = random.Random(seed), Clock()
    hand = Hand(engine_on(store, clock))
    for n in range(3):
        await hand.say(Opened(), to=f"P{n}")
    for _ in range(60):
        await live(hand, clock, chance)
    if seed % 3 == 0:
        await hand.say(Closed(), to="P0")
        clock.pass_s(4000)
        for row in await hand.claim("timer"):
            await hand.engine.fire(row)
    found = await audit(store)
    assert found.mismatches == ()
    assert found.holds


# -- a noun put back in time, with the end of its chain cut off -------------------------------------------------------


async def hears(hand: Hand) -> tuple[NounRow, JournalRow]:
    """P0 as it stands, and the line that comes after."""
    store = hand.engine.store
    row = await store.read(lambda reader: reader.noun("puppet", "P0"))
    assert row is not None
    await hand.say(Heard(word="paid"), to="P0")
    return row, (await store.read(lambda reader: reader.journal_of("puppet", "P0")))[-1]


def put_back(store_url: str, row: NounRow, last: JournalRow) -> None:
    """P0 as it truly was a line ago, and nothing left in the database that tells of that line but its time-stamp."""
    execute(store_url, f"DELETE FROM journal WHERE seq = {last.seq}")
    execute(store_url, f"DELETE FROM inbox WHERE message_id = '{last.cause_id}'")
    values = f"data = '{row.data}', version = {row.version}, head_hash = {blob(store_url, row.head_hash)}"
    execute(store_url, f"UPDATE nouns SET {values} WHERE id = 'P0'")


def blob(store_url: str, octets: bytes) -> str:
    return f"X'{octets.hex()}'" if store_url.startswith("sqlite") else f"'\\x{octets.hex()}'"


async def stamped(store: Store) -> None:
    """All lines under one stamp; its token is another's to judge."""
    leaves = await store.read(lambda reader: reader.journal_leaves(after=0, limit=1000))
    hashes = [leaf.hash for leaf in leaves]
    row = StampRow(
        first_seq=leaves[0].seq,
        last_seq=leaves[-1].seq,
        stamped_at=START,
        root=root_of(hashes),
        leaves=b"".join(hashes),
        token=b"",
    )
    await store.transact(lambda tx: tx.add_stamp(row))


async def test_a_noun_put_back_with_all_that_tells_of_it_is_found_by_the_time_stamp_alone(
    store: Store, store_url: str
) -> None:
    hand = await filled(store)
    row, last = await hears(hand)
    lines = (await audit(store)).lines
    put_back(store_url, row, last)
    assert (found := await audit(store)).holds  # so much can no store prove of itself, and it says how much that is
    assert (found.stamped, found.unstamped) == (0, lines - 1)
    row, last = await hears(hand)
    await stamped(store)
    assert ((found := await audit(store)).stamped, found.unstamped) == (lines, 0)
    put_back(store_url, row, last)
    (mismatch,) = (await audit(store)).mismatches
    assert (mismatch.what, mismatch.line, mismatch.expected) == (What.STAMP, lines, last.hash.hex())


async def test_a_stamp_whose_leaves_were_changed_too_has_another_root(store: Store, store_url: str) -> None:
    await filled(store)
    await stamped(store)
    execute(store_url, "UPDATE time_stamps SET leaves = substr(leaves, 33)")
    assert [one.what for one in (await audit(store)).mismatches] == [What.STAMP]


# -- lines of before --------------------------------------------------------------------------------------------------


async def test_what_older_lines_ordered_is_counted_and_not_judged_until_the_noun_goes_on(
    store: Store, store_url: str
) -> None:
    hand = await filled(store, 1)
    await unbind(store, store_url, ("puppet", "P0"))
    found = await audit(store)
    assert (found.holds, found.unbound_nouns, found.unbound_waiting) == (True, 1, 4)
    execute(store_url, "UPDATE nouns SET data = replace(data, 'AZ-1', 'AZ-9') WHERE id = 'P0'")
    assert (await audit(store)).holds
    await hand.say(Heard(word="again"), to="P0")
    assert ((found := await audit(store)).holds, found.unbound_nouns) == (True, 0)
    execute(store_url, "UPDATE nouns SET data = replace(data, 'AZ-9', 'AZ-7') WHERE id = 'P0'")
    assert [one.what for one in (await audit(store)).mismatches] == [What.DATA]


@pytest.mark.parametrize(("minutes", "believed"), [(0, True), (5, False)])
async def test_a_timer_that_an_older_replica_saw_to_is_no_mismatch_while_it_was_at_work(
    store: Store, store_url: str, minutes: int, believed: bool
) -> None:
    """It left no line of that; the last line it wrote says until when it was there."""
    await filled(store, 1)
    other = Hand(engine_on(store, Clock()), serial=100)
    await other.say(Opened(), to="P9")
    await unbind(store, store_url, ("puppet", "P9"))
    at = int((START + timedelta(minutes=minutes)).timestamp()) * A_SECOND_US
    execute(
        store_url,
        f"UPDATE outbox SET concluded_at = {at}, visible_at = NULL, state = 'fired' WHERE {_MINE} AND name = 'ring'",
    )
    assert (await audit(store)).holds == believed


async def unbind(store: Store, store_url: str, *names: tuple[str, str]) -> None:
    """These nouns' lines as a replica of before would have written them."""
    for noun, id in names:
        head = GENESIS
        for line in await store.read(lambda r, n=noun, i=id: r.journal_of(n, i)):
            older = replace(line, bound=None, prev_hash=head)
            head = digest(older)
            values = f"bound = NULL, prev_hash = {blob(store_url, older.prev_hash)}, hash = {blob(store_url, head)}"
            execute(store_url, f"UPDATE journal SET {values} WHERE seq = {line.seq}")
        execute(
            store_url, f"UPDATE nouns SET head_hash = {blob(store_url, head)} WHERE noun = '{noun}' AND id = '{id}'"
        )
