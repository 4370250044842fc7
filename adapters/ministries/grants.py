"""Whether the brokers let in whom they should: the declared grants against what was seen. Pure.

What we ourselves may do is taken from the brokers' own word about us (it counts wildcards, prefixes and super users);
what others may do from the list of ACLs, which may be hidden from us.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from contracts.events.grants import Grant, Operation, Resource, Role
from contracts.events.topics import Carries, Topic

ANYBODY = "User:*"
_ANY_HOST = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One ACL that concerns a topic of ours: by its own name, by a prefix, or by `*`."""

    topic: str
    principal: str
    operation: Operation
    allows: bool
    host: str = _ANY_HOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the brokers said.

    `own`: what we may do, by resource and name; what is not there could not be asked (a topic that does not exist).
    `entries`: the ACLs, None where we may not see them. `enforced`: False where the brokers have no authorizer.
    """

    own: Mapping[tuple[Resource, str], frozenset[Operation]]
    entries: tuple[Entry, ...] | None = ()
    enforced: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """A principal that may do what nobody declared."""

    principal: str
    operation: Operation
    topic: str

    def __str__(self) -> str:
        return f"{self.principal} may {self.operation} topic {self.topic}, which nobody declared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is wrong. `hidden`: others' grants could not be looked at."""

    missing: tuple[Grant, ...] = ()
    excessive: tuple[Excess, ...] = ()
    enforced: bool = True
    hidden: bool = False

    def sentences(self, bootstrap: str) -> tuple[str, ...]:
        """Every missing grant with the command that gives it."""
        return tuple(f"missing grant: {grant}; give it: {grant.command(bootstrap)}" for grant in self.missing)


def judge(wanted: Iterable[Grant], topics: Iterable[Topic], seen: Seen) -> Verdict:
    """Compare what is declared with what was seen."""
    if not seen.enforced:
        return Verdict(enforced=False)
    declared = tuple(wanted)
    own = [grant for grant in declared if grant.role is Role.GATEWAY and grant.needed]
    missing = tuple(grant for grant in own if _lacks(grant, seen))
    excessive = dict.fromkeys((*_ours(declared, topics, seen), *_others(declared, topics, seen)))
    return Verdict(missing=missing, excessive=tuple(excessive), hidden=seen.entries is None)


def _lacks(grant: Grant, seen: Seen) -> bool:
    allowed = seen.own.get((grant.resource, grant.name))
    return allowed is not None and grant.operation not in allowed


def _ours(declared: tuple[Grant, ...], topics: Iterable[Topic], seen: Seen) -> Iterator[Excess]:
    """Receipts are the ministries' word: we must not be able to write them."""
    us = {grant.principal for grant in declared if grant.role is Role.GATEWAY}
    for topic in topics:
        allowed = seen.own.get((Resource.TOPIC, topic.name), frozenset())
        if topic.carries is Carries.RECEIPT and Operation.WRITE in allowed:
            yield from (Excess(principal=name, operation=Operation.WRITE, topic=topic.name) for name in us)


def _others(declared: tuple[Grant, ...], topics: Iterable[Topic], seen: Seen) -> Iterator[Excess]:
    """Whoever may write, or read what is one ministry's, without being declared."""
    entries = seen.entries or ()
    denied = {(e.topic, e.principal, e.operation) for e in entries if not e.allows and e.host == _ANY_HOST}
    for topic, operation, users in _judged(declared, tuple(topics)):
        for entry in entries:
            concerns = entry.topic == topic.name and entry.allows and entry.operation in (operation, Operation.ALL)
            if concerns and entry.principal not in users and not _denied(denied, entry, operation):
                yield Excess(principal=entry.principal, operation=operation, topic=topic.name)


def _judged(
    declared: tuple[Grant, ...], topics: tuple[Topic, ...]
) -> Iterator[tuple[Topic, Operation, frozenset[str]]]:
    """What is judged, and who may: never where somebody's name at the brokers is not configured."""
    readers = {topic: _users(declared, topic, Operation.READ) for topic in topics if topic.authority}
    for topic in topics:
        if topic.authority or all(readers.values()):
            yield topic, Operation.WRITE, _users(declared, topic, Operation.WRITE)
        if readers.get(topic):
            yield topic, Operation.READ, readers[topic]


def _users(declared: tuple[Grant, ...], topic: Topic, operation: Operation) -> frozenset[str]:
    on = [grant for grant in declared if (grant.resource, grant.name) == (Resource.TOPIC, topic.name)]
    return frozenset(grant.principal for grant in on if grant.operation is operation)


def _denied(denied: set[tuple[str, str, Operation]], entry: Entry, operation: Operation) -> bool:
    """Kafka: a denial wins over every permission."""
    return any(
        (entry.topic, who, what) in denied for who in (entry.principal, ANYBODY) for what in (operation, Operation.ALL)
    )
