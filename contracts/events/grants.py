"""The declared grants (`topics.toml`): which role may do what on which topic, group or cluster, and its command."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

from contracts.events.topics import Carries, Topic

CLUSTER_NAME = "kafka-cluster"  # so Kafka calls the one cluster there is


class Role(StrEnum):
    """Whose grant it is."""

    GATEWAY = "gateway"
    MINISTRY = "ministry"  # each of them


class Resource(StrEnum):
    """What a grant is on, as Kafka's tools call it."""

    TOPIC = "topic"
    GROUP = "group"
    CLUSTER = "cluster"


class Operation(StrEnum):
    """What may be done, as Kafka's tools call it."""

    ALL = "ALL"
    READ = "READ"
    WRITE = "WRITE"
    CREATE = "CREATE"
    DELETE = "DELETE"
    ALTER = "ALTER"
    DESCRIBE = "DESCRIBE"
    DESCRIBE_CONFIGS = "DESCRIBE_CONFIGS"
    ALTER_CONFIGS = "ALTER_CONFIGS"


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRule:
    """One row of the file: `on` is what the topics carry, `group` or `cluster`."""

    role: Role
    on: str
    operations: tuple[Operation, ...]
    needed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One principal may do one thing. `prefixed`: on everything whose name begins so."""

    role: Role
    principal: str
    operation: Operation
    resource: Resource
    name: str
    prefixed: bool = False
    needed: bool = True

    def __str__(self) -> str:
        beginning = " (prefix)" if self.prefixed else ""
        return f"{self.principal}: {self.operation} on {self.resource} {self.name}{beginning}"

    def command(self, bootstrap: str) -> str:
        """The line of Kafka's own tool that gives it."""
        on = f"--{self.resource}" if self.resource is Resource.CLUSTER else f"--{self.resource} '{self.name}'"
        pattern = " --resource-pattern-type prefixed" if self.prefixed else ""
        return (
            f"kafka-acls.sh --bootstrap-server {bootstrap} --add --allow-principal '{self.principal}'"
            f" --operation {self.operation} {on}{pattern}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Principals:
    """Who the roles are at the brokers. A ministry that is not named is not judged, and nothing is granted to it."""

    gateway: str
    group: str
    ministries: Mapping[str, str]  # participant code to principal


@cache
def declared_grants() -> tuple[GrantRule, ...]:
    """All rows, in the order of the file."""
    text = files("contracts.events").joinpath("topics.toml").read_text(encoding="utf-8")
    return tuple(_rule(row) for row in tomllib.loads(text)["grants"])


def wanted_grants(topics: Iterable[Topic], principals: Principals) -> tuple[Grant, ...]:
    """What the file grants on these topics to these principals."""
    known = tuple(topics)
    return tuple(grant for rule in declared_grants() for grant in _of_rule(rule, known, principals))


def _of_rule(rule: GrantRule, topics: tuple[Topic, ...], principals: Principals) -> Iterator[Grant]:
    for principal, resource, name, prefixed in _places(rule, topics, principals):
        for operation in rule.operations:
            yield Grant(
                role=rule.role,
                principal=principal,
                operation=operation,
                resource=resource,
                name=name,
                prefixed=prefixed,
                needed=rule.needed,
            )


def _places(
    rule: GrantRule, topics: tuple[Topic, ...], principals: Principals
) -> Iterator[tuple[str, Resource, str, bool]]:
    """Principal, resource, name, and whether the name is a beginning."""
    if rule.role is Role.MINISTRY:
        for topic in topics:
            principal = principals.ministries.get(topic.authority or "")
            if principal is not None:
                yield from _of_ministry(rule, topic, topics, principal)
    elif rule.on == Resource.GROUP:
        yield principals.gateway, Resource.GROUP, principals.group, False
    elif rule.on == Resource.CLUSTER:
        yield principals.gateway, Resource.CLUSTER, CLUSTER_NAME, False
    else:
        yield from ((principals.gateway, Resource.TOPIC, name, False) for name in _carrying(rule.on, topics))


def _of_ministry(
    rule: GrantRule, own: Topic, topics: tuple[Topic, ...], principal: str
) -> Iterator[tuple[str, Resource, str, bool]]:
    if rule.on == Resource.GROUP:
        yield principal, Resource.GROUP, f"{own.name}.", True
    elif rule.on == own.carries:
        yield principal, Resource.TOPIC, own.name, False
    elif own.carries is Carries.PROTOCOL:  # each ministry has one; of what is everybody's it is told once
        shared = [topic for topic in topics if topic.authority is None]
        yield from ((principal, Resource.TOPIC, name, False) for name in _carrying(rule.on, shared))


def _carrying(carries: str, topics: Iterable[Topic]) -> list[str]:
    return [topic.name for topic in topics if topic.carries is Carries(carries)]


def _rule(row: dict[str, Any]) -> GrantRule:
    return GrantRule(
        role=Role(row["role"]),
        on=row["on"],
        operations=tuple(Operation(one) for one in row["operations"]),
        needed=row.get("needed", True),
    )
