"""The engine on both databases: one effect per message, nothing of a refusal, no lost update, chains that hold."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from puppet import (
    EXHIBIT,
    START,
    TABLE,
    Clock,
    Closed,
    Hand,
    Heard,
    Opened,
    Puppet,
    PuppetState,
    Wished,
    assert_chains_hold,
    engine_on,
    everything,
    message,
)
from waiting import PATIENCE_S

from contracts.errors import ErrorCode, Refusal
from contracts.errors.refusal import RefusedError
from gateway.domain.table import ByAlias, Change, Context, StateTable, Tell
from gateway.engine.engine import Engine
from gateway.engine.journal import first_break
from gateway.engine.step import STEPS_MAX, Held, Step
from gateway.ports import Message
from gateway.store import Store

LATER = START + timedelta(hours=1)
PLATFORM, BANK = ("platform", "EHERRAC"), ("banks", "999101")


async def refused(engine: Engine, said: Message) -> Refusal:
    with pytest.raises(RefusedError) as error:
        await engine.receive(said)
    return error.value.refusal


# -- one effect per message ---------------------------------------------------------------------------------------


async def test_the_same_message_again_gets_the_first_answer_and_changes_nothing(hand: Hand, store_url: str) -> None:
    await hand.say(Opened())
    said = message(Heard(word="a"), id="x")
    first = await hand.engine.receive(said)
    await hand.say(Heard(word="b"))
    before = everything(store_url)
    again = await hand.engine.receive(said)
    assert again == replace(first, repeated=True)
    assert (first.noun, first.id, first.state, first.version, first.repeated) == ("puppet", "P", "open", 2, False)
    assert everything(store_url) == before


async def test_the_first_answer_stands_though_the_noun_would_refuse_now(hand: Hand) -> None:
    await hand.say(Opened())
    said = message(Heard(word="a"), id="x")
    first = await hand.engine.receive(said)
    await hand.say(Closed())
    assert await hand.engine.receive(said) == replace(first, repeated=True)


async def test_other_content_under_a_used_id_is_a_conflict_and_keeps_nothing(hand: Hand, store_url: str) -> None:
    await hand.say(Opened())
    await hand.engine.receive(message(Heard(word="a"), id="x"))
    before = everything(store_url)
    for said in (message(Heard(word="b"), id="x"), message(Heard(word="b"), id="x", to="unknown")):
        assert (await refused(hand.engine, said)).code is ErrorCode.ID_CONFLICT
    assert everything(store_url) == before


async def test_ids_belong_to_their_source(hand: Hand) -> None:
    await hand.say(Opened())
    await hand.engine.receive(message(Heard(word="a"), id="x"))
    await hand.engine.receive(message(Heard(word="b"), id="x", source="T"))
    assert (await hand.puppet()).heard == ("a", "b")


async def test_a_refused_message_may_come_again_when_its_time_has_come(hand: Hand) -> None:
    said = message(Heard(word="a"), id="x")
    assert (await refused(hand.engine, said)).code is ErrorCode.REFERENCE_UNKNOWN
    await hand.say(Opened())
    assert not (await hand.engine.receive(said)).repeated


async def test_replicas_that_receive_one_message_at_once_give_one_effect(replicas: list[Engine]) -> None:
    await Hand(replicas[0]).say(Opened())
    said = [message(Heard(word=f"w{n}"), id=f"x{n}") for n in range(20)]
    answers = await asyncio.gather(*(engine.receive(one) for one in said for engine in replicas))
    assert sorted((await Hand(replicas[0]).puppet()).heard) == sorted(f"w{n}" for n in range(20))
    assert [answer.repeated for answer in answers].count(False) == 20
    for three in zip(*[iter(answers)] * 3, strict=True):
        assert len({replace(answer, repeated=False) for answer in three}) == 1


async def test_replicas_that_receive_a_beginning_at_once_give_one_beginning(replicas: list[Engine]) -> None:
    said = [message(Opened(), id=f"x{n}", to=f"P{n}") for n in range(10)]
    answers = await asyncio.gather(*(engine.receive(one) for one in said for engine in replicas))
    assert [answer.repeated for answer in answers].count(False) == 10
    await assert_chains_hold(replicas[0].store, *(f"P{n}" for n in range(10)))


async def test_replicas_that_receive_an_end_at_once_all_give_the_first_answer(replicas: list[Engine]) -> None:
    """The second replica finds the noun closed by the very message it has in hand: that is no refusal."""
    for n in range(10):
        await replicas[0].receive(message(Opened(), id=f"o{n}", to=f"P{n}"))
        said = message(Closed(), id=f"c{n}", to=f"P{n}")
        answers = await asyncio.gather(*(engine.receive(said) for engine in replicas))
        assert sorted(answer.repeated for answer in answers) == [False, True, True]
        assert {answer.state for answer in answers} == {"closed"}


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
async def test_the_first_answer_is_given_even_when_both_replicas_had_looked_before_either_wrote(
    replicas: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    await Hand(replicas[0]).say(Opened())
    looked, target = 0, Engine._target

    def after_both_looked(self: Engine, step: Step, message: Message) -> Held:
        nonlocal looked
        looked += 1
        for _ in range(1000):  # each look gives way to the other
            if looked >= 2:
                return target(self, step, message)
            step.named(ByAlias("nobody", "nobody"))
        raise AssertionError("the other did not look")

    monkeypatch.setattr(Engine, "_target", after_both_looked)
    said = message(Closed(), id="c")
    answers = await asyncio.gather(*(engine.receive(said) for engine in replicas[:2]))
    assert sorted(answer.repeated for answer in answers) == [False, True]


# -- a refusal keeps nothing --------------------------------------------------------------------------------------

EVERYTHING = Wished(
    sends=(("alpha", "R"),),
    notices=(PLATFORM, BANK),
    alias="name",
    timer=("t", LATER),
    cancels="old",
    alarm="LOOK",
    tell="Q",
)


async def test_a_wish_without_a_refusal_leaves_a_trace_everywhere(hand: Hand, store_url: str) -> None:
    """So that the next test says something."""
    await open_pair(hand)
    before = everything(store_url)
    await hand.say(EVERYTHING, exhibits=(EXHIBIT,))
    after = everything(store_url)
    changed = {table for table in before if before[table] != after[table]}
    assert changed == {
        "nouns", "aliases", "inbox", "journal", "outbox", "feed", "feed_heads", "evidence_links"
    }  # fmt: skip


async def open_pair(hand: Hand) -> None:
    await hand.say(Opened())
    await hand.say(Opened(), to="Q")
    await hand.say(Wished(timer=("old", LATER)))


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (replace(EVERYTHING, then_denied="P"), ErrorCode.NOT_PERMITTED),
        (replace(EVERYTHING, then_denied="Q"), ErrorCode.NOT_PERMITTED),
        (replace(EVERYTHING, then_denied="nobody"), ErrorCode.REFERENCE_UNKNOWN),
        (replace(EVERYTHING, tell_strictly="nobody"), ErrorCode.REFERENCE_UNKNOWN),
        (replace(EVERYTHING, alias="taken"), ErrorCode.ALREADY_EXISTS),
    ],
    ids=["itself", "another", "nobody", "alias of nobody", "alias taken"],
)
async def test_a_refusal_anywhere_keeps_nothing(hand: Hand, store_url: str, wish: Wished, code: ErrorCode) -> None:
    """No noun, inbox, journal, outbox, timer, alias, evidence or feed line; no feed number is used up."""
    await open_pair(hand)
    await hand.say(Wished(alias="taken"), to="Q")
    before = everything(store_url)
    assert (await refused(hand.engine, message(wish, id="x", exhibits=(EXHIBIT,)))).code is code
    assert everything(store_url) == before
    await hand.say(Wished(notices=(PLATFORM,)))
    (line,) = await hand.engine.store.read(lambda r: r.read_feed("EHERRAC"))
    assert line.sequence == 1


async def test_a_refusal_among_others_at_the_same_moment_undoes_only_itself(hand: Hand) -> None:
    await hand.say(Opened())
    said = [
        hand.say(replace(EVERYTHING, alias=None, tell=None, then_denied="P") if n % 3 == 0 else Heard(word=f"w{n}"))
        for n in range(60)
    ]
    results = await asyncio.gather(*said, return_exceptions=True)
    assert [isinstance(result, RefusedError) for result in results] == [n % 3 == 0 for n in range(60)]
    assert sorted((await hand.puppet()).heard) == sorted(f"w{n}" for n in range(60) if n % 3)
    assert await hand.waiting() == []
    await assert_chains_hold(hand.engine.store, "P")


async def test_consequences_without_end_are_refused_whole(store: Store, store_url: str, clock: Clock) -> None:
    echo = StateTable("puppet", Puppet, PuppetState, final=(PuppetState.CLOSED,))

    @echo.on(None, event=Opened, to=PuppetState.OPEN)
    @echo.on(PuppetState.OPEN, event=Opened)
    def _again(_: Puppet | None, event: Opened, context: Context) -> Change[Puppet]:
        puppet = Puppet(state=PuppetState.OPEN, lot_id="", owner="")
        return Change(puppet, (Tell("puppet", context.id, event),))

    engine = engine_on(store, clock)
    engine._tables = {"puppet": echo}
    before = everything(store_url)
    assert (await refused(engine, message(Opened(), id="x"))).code is ErrorCode.INTERNAL
    assert everything(store_url) == before
    assert STEPS_MAX == 500


async def test_a_refused_request_is_one_journal_line_of_its_sender(hand: Hand) -> None:
    refusal = Refusal(code=ErrorCode.SIGNATURE_INVALID, facts={"step": "5"})
    for sender in ("999101", "999101", None):
        await hand.engine.record_refusal(sender, "/v1/events", refusal, digest="ab", exhibits=(EXHIBIT,))
    store = hand.engine.store
    lines = await store.read(lambda r: r.journal_of("door", "999101"))
    assert [(line.event, line.cause_id, line.before) for line in lines] == [
        ("RequestRefused", "ab", None),
        ("RequestRefused", "ab", "open"),
    ]
    assert first_break(lines, await store.read(lambda r: r.noun("door", "999101"))) is None
    assert len(await store.read(lambda r: r.journal_of("door", "anonymous"))) == 1
    assert len(await store.read(lambda r: r.evidence_of("door", "anonymous"))) == 1


# -- who may speak to what ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_alias", [False, True])
async def test_anothers_noun_is_answered_exactly_like_one_that_is_not_there(
    hand: Hand, store_url: str, by_alias: bool
) -> None:
    """EHR-4: bank 999202 learns nothing about what is 999101's."""
    await hand.say(Opened(owner="999101"))
    await hand.say(Wished(alias="name"))
    before = everything(store_url)

    def asked(name: str) -> Message:
        return message(Heard(word="x"), id="x", to=ByAlias("puppet", name) if by_alias else name, actor="999202")

    theirs = await refused(hand.engine, asked("name" if by_alias else "P"))
    nobodys = await refused(hand.engine, asked("N"))
    assert theirs.code is nobodys.code
    assert dict(theirs.facts) == dict(nobodys.facts) | {"id": "name" if by_alias else "P"}
    assert everything(store_url) == before


async def test_the_owner_may_speak_to_its_noun(hand: Hand) -> None:
    await hand.say(Opened(owner="999101"))
    await hand.say(Heard(word="x"), actor="999101")
    assert (await hand.puppet()).heard == ("x",)


async def test_a_bank_cannot_begin_a_noun(hand: Hand) -> None:
    said = message(Opened(), id="x", actor="999101")
    assert (await refused(hand.engine, said)).code is ErrorCode.REFERENCE_UNKNOWN


# -- names --------------------------------------------------------------------------------------------------------


async def test_a_noun_hears_what_is_told_under_its_other_name(hand: Hand) -> None:
    await hand.say(Opened())
    await hand.say(Opened(), to="Q")
    await hand.say(Wished(alias="name"))
    await hand.say(Heard(word="direct"), to=ByAlias("puppet", "name"))
    await hand.say(Wished(tell_alias="name"), to="Q")
    assert (await hand.puppet("P")).heard == ("direct", "told")
    assert (await hand.puppet("Q")).heard == ()


async def test_where_nobody_has_the_name_the_teller_hears_the_otherwise(hand: Hand) -> None:
    await hand.say(Opened())
    await hand.say(Wished(tell_alias="name"))
    assert (await hand.puppet()).heard == ("nobody",)


async def test_a_name_given_in_the_same_step_is_known_in_it(hand: Hand) -> None:
    await hand.say(Opened())
    await hand.say(Wished(alias="name", tell_alias="name"))
    assert (await hand.puppet()).heard == ("told",)


async def test_a_name_belongs_to_one_noun_and_may_be_given_to_it_again(hand: Hand) -> None:
    await hand.say(Opened())
    await hand.say(Opened(), to="Q")
    await hand.say(Wished(alias="name"))
    await hand.say(Wished(alias="name"))
    with pytest.raises(RefusedError) as error:
        await hand.say(Wished(alias="name"), to="Q")
    assert error.value.refusal.code is ErrorCode.ALREADY_EXISTS


async def test_of_many_that_want_one_name_at_once_one_gets_it(replicas: list[Engine]) -> None:
    for n in range(12):
        await replicas[0].receive(message(Opened(), id=f"o{n}", to=f"P{n}"))
    wishes = [message(Wished(alias="name"), id=f"a{n}", to=f"P{n}") for n in range(12)]
    results = await asyncio.gather(
        *(replicas[n % 3].receive(wish) for n, wish in enumerate(wishes)), return_exceptions=True
    )
    got = [result for result in results if not isinstance(result, BaseException)]
    lost = [result.refusal.code for result in results if isinstance(result, RefusedError)]
    assert (len(got), lost) == (1, [ErrorCode.ALREADY_EXISTS] * 11)
    row = await replicas[0].store.read(lambda r: r.find_alias("puppet", "name"))
    assert row is not None
    assert row.id == got[0].id


# -- many at once -------------------------------------------------------------------------------------------------


async def test_sixty_four_messages_at_once_on_one_noun_lose_no_update(replicas: list[Engine]) -> None:
    await replicas[0].receive(message(Opened(), id="o"))
    said = [message(Heard(word=f"w{n}"), id=f"x{n}") for n in range(64)]
    answers = await asyncio.gather(*(replicas[n % 3].receive(one) for n, one in enumerate(said)))
    assert sorted((await Hand(replicas[0]).puppet()).heard) == sorted(f"w{n}" for n in range(64))
    assert sorted(answer.version for answer in answers) == list(range(2, 66))
    await assert_chains_hold(replicas[0].store, "P")


async def test_nouns_of_one_lot_that_tell_each_other_at_once_do_not_wait_for_each_other(replicas: list[Engine]) -> None:
    """A lot cancels its invoices while their payers pay: opposite ways through the same nouns."""
    for id in ("P", "Q"):
        await replicas[0].receive(message(Opened(lot="L"), id=f"o{id}", to=id))
    said = [message(Wished(tell="QP"[n % 2]), id=f"x{n}", to="PQ"[n % 2]) for n in range(48)]
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(replicas[n % 3].receive(one) for n, one in enumerate(said)))
    hand = Hand(replicas[0])
    assert [(await hand.puppet(id)).heard for id in "PQ"] == [("told",) * 24] * 2
    await assert_chains_hold(replicas[0].store, "P", "Q")


async def test_lots_that_notify_in_opposite_orders_at_once_do_not_wait_for_each_other(replicas: list[Engine]) -> None:
    """A feed's number is a lock until the commit: numbers are taken in one order, whatever the order of the notices."""
    for n in range(12):
        await replicas[0].receive(message(Opened(), id=f"o{n}", to=f"P{n}"))
    wishes = [Wished(notices=(PLATFORM, BANK)), Wished(notices=(BANK, PLATFORM))]
    said = [message(wishes[n % 2], id=f"x{n}", to=f"P{n % 12}") for n in range(48)]
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(replicas[n % 3].receive(one) for n, one in enumerate(said)))
    for recipient in ("EHERRAC", "999101"):
        assert await replicas[0].store.read(lambda r, recipient=recipient: r.feed_head(recipient)) == 48


async def test_a_recipients_feed_has_no_gap_and_no_number_twice(replicas: list[Engine]) -> None:
    """Refusals in between use no number up; every feed line is an outbox row of the same number."""
    for n in range(6):
        await replicas[0].receive(message(Opened(), id=f"o{n}", to=f"P{n}"))
    said = [
        message(
            Wished(notices=(PLATFORM, BANK), then_denied=f"P{n % 6}" if n % 4 == 0 else None),
            id=f"x{n}",
            to=f"P{n % 6}",
        )
        for n in range(48)
    ]
    results = await asyncio.gather(
        *(replicas[n % 3].receive(one) for n, one in enumerate(said)), return_exceptions=True
    )
    assert sum(isinstance(result, RefusedError) for result in results) == 12
    store = replicas[0].store
    for recipient in ("EHERRAC", "999101"):
        feed = await store.read(lambda r, recipient=recipient: r.read_feed(recipient, limit=1000))
        assert [line.sequence for line in feed] == list(range(1, 37))
        rows = await store.read(lambda r, recipient=recipient: r.list_outbox(recipient=recipient, limit=1000))
        assert {row.id: row.sequence for row in rows} == {line.outbox_id: line.sequence for line in feed}


# -- the journal --------------------------------------------------------------------------------------------------


async def test_every_change_has_its_line_with_its_cause(hand: Hand) -> None:
    await hand.say(Opened())
    await hand.say(Opened(), to="Q")
    await hand.say(Wished(tell="Q", alarm="LOOK"))
    await hand.say(Closed())
    store = hand.engine.store
    lines = await store.read(lambda r: r.journal_of("puppet", "P"))
    assert [(line.event, line.before, line.after, line.cause_source, line.cause_id) for line in lines] == [
        ("Opened", None, "open", "S", "m1"),
        ("Wished", "open", "open", "S", "m3"),
        ("Alarm:LOOK", "open", "open", "S", "m3"),
        ("Closed", "open", "closed", "S", "m4"),
    ]
    told = (await store.read(lambda r: r.journal_of("puppet", "Q")))[-1]
    assert (told.event, told.cause_id) == ("Heard", "m3")
    assert {line.owner for line in lines} == {"999101"}
    assert [line.at for line in lines] == [START] * 4


async def test_the_stored_chain_is_found_out_by_any_change_of_a_line(hand: Hand) -> None:
    await hand.say(Opened())
    for n in range(4):
        await hand.say(Heard(word=f"w{n}"))
    store = hand.engine.store
    noun = await store.read(lambda r: r.noun("puppet", "P"))
    chain = await store.read(lambda r: r.journal_of("puppet", "P"))
    assert first_break(chain, noun) is None
    for index, line in enumerate(chain):
        changed = replace(line, data=line.data.replace("w", "v"), owner="999202")
        assert first_break([*chain[:index], changed, *chain[index + 1 :]], noun) == index + 1
        assert first_break(chain[:index] + chain[index + 1 :], noun) == index + 1
        moved = [*chain[:index], *chain[index + 1 :], line]
        assert (first_break(moved, noun) is None) == (moved == chain)


async def test_what_was_received_is_kept_exactly_and_once(hand: Hand) -> None:
    await hand.say(Opened(), exhibits=(EXHIBIT,))
    said = message(Heard(word="a"), id="x", exhibits=(EXHIBIT, replace(EXHIBIT, content=b"<b/>")))
    await hand.engine.receive(said)
    await hand.engine.receive(said)
    store = hand.engine.store
    links = await store.read(lambda r: r.evidence_of("puppet", "P"))
    assert [(link.message_id, link.direction, link.signer) for link in links] == [
        ("m1", "in", "999101"), ("x", "in", "999101"), ("x", "in", "999101"),
    ]  # fmt: skip
    assert [(await store.read(lambda r, link=link: r.evidence_piece(link.seq))).content for link in links] == [
        b"<a/>", b"<a/>", b"<b/>",
    ]  # fmt: skip


def test_the_puppets_table_is_like_the_others() -> None:
    assert all(row.target in PuppetState for row in TABLE.rows())
