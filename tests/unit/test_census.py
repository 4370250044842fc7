"""The watchdog's count stays small however much has ended: what ended is counted the less often the more there is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from gateway.domain.nouns import TABLES
from gateway.engine.watchdog import Ended, take_census
from gateway.store.interface import Reader
from gateway.store.rows import NounCount, NounRow, OutboxCount

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
LATE = timedelta(minutes=1)
SETTLED, SENT, UNRESOLVED = ("payment", "settled"), ("payment", "sent"), ("payment", "unresolved")


class Counting:
    """A store of so many nouns; notes which states it had to count."""

    def __init__(self, **payments: int) -> None:
        self.nouns = {("payment", state): count for state, count in payments.items()}
        self.asked: list[tuple[str, str]] = []
        self.expected: list[Any] = []

    def count_states(self, states: Iterable[tuple[str, str]]) -> list[NounCount]:
        self.asked = list(states)
        return [NounCount(noun=s[0], state=s[1], count=self.nouns[s]) for s in self.asked if s in self.nouns]

    def count_outbox(self) -> list[OutboxCount]:
        return []

    def nouns_expected(self, noun: str, *, until: datetime, limit: int) -> list[NounRow]:
        return [row for row in self.expected if row.noun == noun and row.expected_at <= until][:limit]

    def unscheduled(self, *_: Any) -> list[Any]:
        return []

    def list_nouns(self, *_: Any, **__: Any) -> list[Any]:
        return []


def look(store: Counting, ended: Ended, now: datetime) -> tuple[dict[tuple[str, str], int], Ended]:
    census = take_census(cast(Reader, store), TABLES, now, LATE, ended.known(now))
    return dict(census.nouns), ended.after(census, TABLES, now)


def test_every_state_of_every_table_is_counted_at_first() -> None:
    store = Counting(settled=2, sent=1)
    counted, _ = look(store, Ended(), NOW)
    assert counted == {SETTLED: 2, SENT: 1}
    assert sorted(store.asked) == sorted((noun, str(s)) for noun, table in TABLES.items() for s in table.states)


def test_a_few_that_ended_are_counted_at_each_look_and_millions_now_and_then() -> None:
    for count, pause in ((1_000, timedelta(seconds=0.05)), (6_000_000, timedelta(minutes=5))):
        store = Counting(settled=count, sent=1)
        _, ended = look(store, Ended(), NOW)
        store.nouns[SETTLED] += 1
        soon, _ = look(store, ended, NOW + pause - timedelta(seconds=0.01))
        assert (soon[SETTLED], SETTLED in store.asked) == (count, False)
        later, _ = look(store, ended, NOW + pause)
        assert (later[SETTLED], SETTLED in store.asked) == (count + 1, True)


def test_what_is_open_is_counted_at_each_look_whatever_has_ended() -> None:
    store = Counting(settled=6_000_000, sent=1)
    _, ended = look(store, Ended(), NOW)
    store.nouns |= {SENT: 5, UNRESOLVED: 2}
    counted, ended = look(store, ended, NOW + timedelta(seconds=10))
    assert (counted[SENT], counted[UNRESOLVED]) == (5, 2)
    del store.nouns[SENT], store.nouns[UNRESOLVED]
    assert look(store, ended, NOW + timedelta(seconds=20))[0] == {SETTLED: 6_000_000}


def test_a_state_counted_lately_keeps_its_turn_while_another_is_counted() -> None:
    """Else counting one would put off the other for ever."""
    store = Counting(settled=6_000_000, refused=20_000)
    _, first = look(store, Ended(), NOW)
    _, second = look(store, first, NOW + timedelta(seconds=10))
    assert ("payment", "refused") in store.asked
    assert second.again_at[SETTLED] == first.again_at[SETTLED] == NOW + timedelta(minutes=5)


def test_a_deposit_that_has_not_gone_back_in_its_term_is_told_at_every_count() -> None:
    """EHR-10, EHR-13. An auction whose hour has passed is not: the platform says when it was held."""
    store = Counting()
    late = NounRow(
        noun="collection",
        id="L1.deposit.B1",
        state="refunding",
        version=5,
        lot_id="L1",
        owner="999101",
        data="",
        head_hash=b"",
        updated_at=NOW,
        expected_at=NOW,
    )
    store.expected = [late, replace(late, id="L2.deposit.B1", expected_at=NOW + LATE), replace(late, noun="lot")]
    for _ in range(2):
        [alarm] = take_census(cast(Reader, store), TABLES, NOW, LATE).alarms
        facts = {"collection": "L1.deposit.B1", "lot": "L1", "due": "2026-11-23T04:00:00.000Z"}
        assert (alarm.code, alarm.facts) == ("REFUND_OVERDUE", facts)
