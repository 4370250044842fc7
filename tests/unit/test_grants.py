"""Who may do what at the brokers: what the file declares, the commands for it, and what is wrong with what was seen."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from adapters.ministries.grants import ANYBODY, Entry, Excess, Seen, Verdict, judge
from contracts.events.grants import CLUSTER_NAME, Operation, Principals, Resource, Role, wanted_grants
from contracts.events.topics import declared_topics, refusals_topic
from scripts.readme import grants_table

TOPICS = declared_topics()
ECONOMY, *_, RECEIPTS = (topic.name for topic in TOPICS)
REFUSALS = refusals_topic("ECONOMY").name
US = "User:gateway"
MINISTRIES = {topic.authority: f"User:{topic.authority.lower()}" for topic in TOPICS if topic.authority}
NOBODY_NAMED = Principals(gateway=US, group="g", ministries={})
ALL_NAMED = Principals(gateway=US, group="g", ministries=MINISTRIES)

OURS = frozenset({Operation.WRITE, Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS})
THEIRS = frozenset({Operation.READ, Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS})
RIGHT = {
    **{(Resource.TOPIC, topic.name): OURS if topic.authority else THEIRS for topic in TOPICS},
    (Resource.GROUP, "g"): frozenset({Operation.READ, Operation.DESCRIBE}),
}


def entry(topic: str, principal: str, operation: Operation, *, allows: bool = True, host: str = "*") -> Entry:
    return Entry(topic=topic, principal=principal, operation=operation, allows=allows, host=host)


def verdict(*entries: Entry, named: Principals = NOBODY_NAMED) -> Verdict:
    return judge(wanted_grants(TOPICS, named), TOPICS, Seen(own=RIGHT, entries=entries))


def test_the_gateway_is_granted_what_it_does_and_no_more() -> None:
    wanted = {(g.resource, g.name, g.operation) for g in wanted_grants(TOPICS, NOBODY_NAMED)}
    assert wanted == {
        *((Resource.TOPIC, t.name, Operation.WRITE) for t in TOPICS if t.authority),
        *((Resource.TOPIC, t.name, Operation.DESCRIBE_CONFIGS) for t in TOPICS),
        (Resource.TOPIC, RECEIPTS, Operation.READ),
        (Resource.GROUP, "g", Operation.READ),
        (Resource.CLUSTER, CLUSTER_NAME, Operation.DESCRIBE),
    }


def test_a_ministry_reads_its_own_topic_alone_and_writes_receipts() -> None:
    wanted = [g for g in wanted_grants(TOPICS, ALL_NAMED) if g.principal == "User:economy"]
    assert len(wanted) == len(set(wanted)) == 5
    assert {(g.resource, g.name, g.operation, g.prefixed) for g in wanted} == {
        (Resource.TOPIC, ECONOMY, Operation.READ, False),
        (Resource.TOPIC, RECEIPTS, Operation.WRITE, False),
        (Resource.GROUP, f"{ECONOMY}.", Operation.READ, True),
        (Resource.TOPIC, REFUSALS, Operation.READ, False),
        (Resource.GROUP, f"{REFUSALS}.", Operation.READ, True),
    }
    assert {g.role for g in wanted} == {Role.MINISTRY}


def test_every_grant_has_the_command_that_gives_it() -> None:
    lines = [grant.command("k:9092") for grant in wanted_grants(TOPICS, ALL_NAMED)]
    start = ["kafka-acls.sh", "--bootstrap-server", "k:9092", "--add", "--allow-principal"]
    assert [shlex.split(line)[:5] for line in lines] == [start] * len(lines)
    assert shlex.split(lines[0])[5:] == [US, "--operation", "WRITE", "--topic", ECONOMY]
    assert any(line.endswith("--operation DESCRIBE --cluster") for line in lines)
    assert any(line.endswith(f"--group '{ECONOMY}.' --resource-pattern-type prefixed") for line in lines)


def test_the_right_grants_are_right() -> None:
    theirs = [entry(RECEIPTS, who, Operation.WRITE) for who in MINISTRIES.values()]
    assert verdict(entry(ECONOMY, US, Operation.WRITE), *theirs, named=ALL_NAMED) == Verdict()


@pytest.mark.parametrize("place", RIGHT, ids=lambda place: place[1])
def test_each_missing_right_of_ours_is_named_with_its_command(place: tuple[Resource, str]) -> None:
    seen = Seen(own={**RIGHT, place: frozenset()})
    found = judge(wanted_grants(TOPICS, NOBODY_NAMED), TOPICS, seen)
    assert {(grant.resource, grant.name) for grant in found.missing} == {place}
    assert f"{US}: " in found.sentences("k:9092")[0]
    assert found.missing[0].command("k:9092") in found.sentences("k:9092")[0]


def test_what_could_not_be_asked_is_not_called_missing() -> None:
    """A topic that does not exist is a fault of the topics, and a new cluster knows no groups."""
    assert judge(wanted_grants(TOPICS, NOBODY_NAMED), TOPICS, Seen(own={})) == Verdict()


STRANGER = "User:stranger"
EXCESSES = [
    ("another writer of a protocol topic", ECONOMY, STRANGER, Operation.WRITE, Operation.WRITE),
    ("everybody", ECONOMY, ANYBODY, Operation.ALL, Operation.WRITE),
    ("another reader of a protocol topic", ECONOMY, "User:justice", Operation.READ, Operation.READ),
    ("another reader of refusals", REFUSALS, "User:justice", Operation.READ, Operation.READ),
    ("a stranger's refusals", REFUSALS, STRANGER, Operation.WRITE, Operation.WRITE),
    ("a stranger's receipts", RECEIPTS, STRANGER, Operation.WRITE, Operation.WRITE),
]


@pytest.mark.parametrize(
    ("topic", "who", "granted", "told"), [row[1:] for row in EXCESSES], ids=[r[0] for r in EXCESSES]
)
def test_what_nobody_declared_is_told(topic: str, who: str, granted: Operation, told: Operation) -> None:
    found = verdict(entry(topic, who, granted), named=ALL_NAMED).excessive
    assert Excess(principal=who, operation=told, topic=topic) in found
    denial = entry(topic, who, Operation.ALL, allows=False)
    assert not verdict(entry(topic, who, granted), denial, named=ALL_NAMED).excessive
    elsewhere = entry(topic, who, Operation.ALL, allows=False, host="10.0.0.1")
    assert verdict(entry(topic, who, granted), elsewhere, named=ALL_NAMED).excessive


def test_where_a_ministry_is_not_named_nobody_is_called_a_stranger() -> None:
    some = Principals(gateway=US, group="g", ministries={"ECONOMY": "User:economy"})
    assert not verdict(entry(RECEIPTS, "User:of-justice", Operation.WRITE), named=some).excessive
    assert not verdict(entry(ECONOMY, STRANGER, Operation.READ)).excessive


def test_that_we_may_write_receipts_ourselves_is_told_even_where_the_list_is_hidden() -> None:
    own = {**RIGHT, (Resource.TOPIC, RECEIPTS): THEIRS | {Operation.WRITE}}
    found = judge(wanted_grants(TOPICS, NOBODY_NAMED), TOPICS, Seen(own=own, entries=None))
    assert found == Verdict(excessive=(Excess(principal=US, operation=Operation.WRITE, topic=RECEIPTS),), hidden=True)


def test_brokers_without_an_authorizer_are_told_apart_and_nothing_else_is_judged() -> None:
    seen = Seen(own={}, entries=(entry(ECONOMY, STRANGER, Operation.WRITE),), enforced=False)
    assert judge(wanted_grants(TOPICS, ALL_NAMED), TOPICS, seen) == Verdict(enforced=False)


def test_the_operators_read_the_same_grants() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    assert grants_table() in text, "run `make readme`"
