"""Asking the brokers who may do what: our own rights, and the list of ACLs.

aiokafka's admin client knows neither, but its client sends any request of Kafka's protocol. Metadata 8 and
DescribeGroups 3, which tell our own rights, are described here (aiokafka reads the answer to the latter as version 2's,
without them); DescribeAcls and CreateAcls it has.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    IncompatibleBrokerVersion,
    SecurityDisabled,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.admin import (
    CreateAclsRequest,
    DescribeAclsRequest,
    DescribeGroupsRequest_v3,
    DescribeGroupsResponse_v3,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from adapters.ministries.grants import Entry, Seen
from adapters.ministries.kafka import KafkaSettings
from contracts.events.grants import CLUSTER_NAME, Grant, Operation, Resource
from contracts.events.topics import Topic

_OPERATIONS: Final = {
    2: Operation.ALL,
    3: Operation.READ,
    4: Operation.WRITE,
    5: Operation.CREATE,
    6: Operation.DELETE,
    7: Operation.ALTER,
    8: Operation.DESCRIBE,
    10: Operation.DESCRIBE_CONFIGS,
    11: Operation.ALTER_CONFIGS,
}
_CODES: Final = {operation: code for code, operation in _OPERATIONS.items()}
_RESOURCES: Final = {Resource.TOPIC: 2, Resource.GROUP: 3, Resource.CLUSTER: 4}
_ANY, _MATCHING = 1, 2  # of a filter
_LITERAL, _PREFIXED = 3, 4
_ALLOW: Final = 3  # of a permission
_GROUPS: Final = 0  # a kind of coordinator
_UNTOLD: Final = -(2**31)  # Kafka's word for operations that are not told; librdkafka's broker tells none
_NOT_TOLD: Final = (
    ClusterAuthorizationFailedError,
    IncompatibleBrokerVersion,
    NotImplementedError,  # aiokafka's word for brokers that know none of the versions it knows
)


class _RightsResponse(Response):  # type: ignore[misc] # aiokafka has no types
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8")))),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("authorized_operations", Int32),
    )


class _RightsStruct(RequestStruct):  # type: ignore[misc] # aiokafka has no types
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _RightsResponse
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _RightsRequest(Request[_RightsStruct]):  # type: ignore[misc] # aiokafka has no types
    """Metadata of these topics with what we may do on them and on the cluster; creates none."""

    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_RightsStruct]) -> _RightsStruct:
        return request_struct_class(self._topics, False, True, True)


class _GroupRightsStruct(RequestStruct):  # type: ignore[misc] # aiokafka has no types
    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = DescribeGroupsResponse_v3
    SCHEMA = DescribeGroupsRequest_v3.SCHEMA


class _GroupRightsRequest(Request[_GroupRightsStruct]):  # type: ignore[misc] # aiokafka has no types
    """A group with what we may do in it."""

    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[_GroupRightsStruct]) -> _GroupRightsStruct:
        return request_struct_class([self._group], True)


async def seen_rights(settings: KafkaSettings, topics: Iterable[Topic], group: str) -> Seen:
    """What the brokers say of us and of the others.

    Raises:
        KafkaError: the cluster is not there, or will not tell.
    """
    names = [topic.name for topic in topics]
    async with _client(settings) as client:
        own: dict[tuple[Resource, str], frozenset[Operation]] = {}
        try:
            own = await _own_rights(client, names)
            with suppress(GroupCoordinatorNotAvailableError):  # a new cluster: nobody has a group yet
                own[Resource.GROUP, group] = await _group_rights(client, group)
            entries = [entry for name in names for entry in await _entries(client, name)]
        except SecurityDisabled:
            return Seen(own=own, enforced=False)
        except _NOT_TOLD:
            return Seen(own=own, entries=None)
        return Seen(own=own, entries=tuple(entries))


async def give(settings: KafkaSettings, grants: Iterable[Grant]) -> None:
    """Create these grants; those that are there stay. Whoever is logged in needs ALTER on the cluster.

    Raises:
        KafkaError: the cluster is not there, or refuses.
    """
    async with _client(settings) as client:
        for grant in grants:
            answer = await _ask(client, _creation(grant))
            for code, message in answer.creation_responses:
                if code:
                    raise for_code(code)(message)


@asynccontextmanager
async def _client(settings: KafkaSettings) -> AsyncIterator[AIOKafkaClient]:
    client = AIOKafkaClient(**settings.client_options)
    try:  # from the start on: what is cancelled half way is closed too
        await client.bootstrap()
        yield client
    finally:
        await client.close()


async def _ask(client: AIOKafkaClient, request: Request[Any], node_id: int | None = None) -> Any:
    return await client.send(client.get_random_node() if node_id is None else node_id, request)


async def _own_rights(client: AIOKafkaClient, names: list[str]) -> dict[tuple[Resource, str], frozenset[Operation]]:
    answer = (await _ask(client, _RightsRequest(names))).to_object()
    told = {(Resource.CLUSTER, CLUSTER_NAME): answer["authorized_operations"]}
    for row in answer["topics"]:
        if row["error_code"] == TopicAuthorizationFailedError.errno:
            told[Resource.TOPIC, row["topic"]] = 0
        elif not row["error_code"]:
            told[Resource.TOPIC, row["topic"]] = row["authorized_operations"]
    return {place: _operations(bits) for place, bits in told.items() if bits != _UNTOLD}


async def _group_rights(client: AIOKafkaClient, group: str) -> frozenset[Operation]:
    try:
        found = await _ask(client, FindCoordinatorRequest(group, _GROUPS))
        _succeeded(found.error_code)
        answer = (await _ask(client, _GroupRightsRequest(group), found.coordinator_id)).to_object()
        _succeeded(answer["groups"][0]["error_code"])
    except GroupAuthorizationFailedError:
        return frozenset()
    return _operations(answer["groups"][0]["authorized_operations"])


async def _entries(client: AIOKafkaClient, topic: str) -> Iterator[Entry]:
    request = DescribeAclsRequest(_RESOURCES[Resource.TOPIC], topic, _MATCHING, None, None, _ANY, _ANY)
    answer = (await _ask(client, request)).to_object()
    _succeeded(answer["error_code"])
    return (
        Entry(
            topic=topic,
            principal=acl["principal"],
            operation=_OPERATIONS[acl["operation"]],
            allows=acl["permission_type"] == _ALLOW,
            host=acl["host"],
        )
        for resource in answer["resources"]
        for acl in resource["acls"]
        if acl["operation"] in _OPERATIONS
    )


def _creation(grant: Grant) -> CreateAclsRequest:
    pattern = _PREFIXED if grant.prefixed else _LITERAL
    place = (_RESOURCES[grant.resource], grant.name, pattern, grant.principal, "*")
    return CreateAclsRequest(*place, _CODES[grant.operation], _ALLOW)


def _operations(bits: int) -> frozenset[Operation]:
    """Kafka sets bit N for the operation of code N."""
    return frozenset(operation for code, operation in _OPERATIONS.items() if bits >> code & 1)


def _succeeded(code: int) -> None:
    if code:
        raise for_code(code)
