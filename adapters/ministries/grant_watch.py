"""Looks at the grants at the start and from time to time, and tells once of each thing that is wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from aiokafka.errors import KafkaError

from adapters.ministries.grants import Verdict, judge
from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.rights import seen_rights
from contracts.events.grants import Principals, wanted_grants
from contracts.events.topics import Topic

_log = logging.getLogger(__name__)
_AWAY = (KafkaError, OSError, TimeoutError)

Alarm = tuple[str, Mapping[str, str]]
"""Name and facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Which brokers are asked about which topics, and who the roles are there."""

    kafka: KafkaSettings
    topics: tuple[Topic, ...]
    principals: Principals

    async def look(self) -> Verdict:
        """Ask the brokers and judge what they say.

        Raises:
            KafkaError: the cluster is not there, or will not tell.
        """
        seen = await seen_rights(self.kafka, self.topics, self.principals.group)
        return judge(wanted_grants(self.topics, self.principals), self.topics, seen)


class GrantWatch:
    """`tell` is called once for each alarm, and again if it comes back.

    `verdict` is None until the cluster has been asked; `alarms` are those that stand.
    """

    def __init__(self, access: Access, tell: Callable[[Alarm], None], *, interval_s: float = 30.0) -> None:
        self._access, self._tell, self._interval_s = access, tell, interval_s
        self.alarms: tuple[Alarm, ...] = ()
        self._task: asyncio.Task[None] | None = None
        self.verdict: Verdict | None = None

    async def look(self, *, within_s: float | None = None) -> Verdict | None:
        """Look once; the verdict that stands, the last one while the cluster is away."""
        try:
            async with asyncio.timeout(within_s):
                self._judge(await self._access.look())
        except _AWAY as error:
            _log.info("grants not looked at: %s", error)
        return self.verdict

    def start(self) -> None:
        """Begin looking from time to time."""
        self._task = asyncio.create_task(self._run(), name="grants")

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def ready(self) -> bool:
        """Nothing that we need is known to be missing."""
        return self.verdict is None or not self.verdict.missing

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            await self.look()

    def _judge(self, verdict: Verdict) -> None:
        before, self.verdict = self.alarms, verdict
        self.alarms = tuple(_alarms(verdict, self._access.kafka.bootstrap_servers))
        for alarm in self.alarms:
            if alarm not in before:
                self._tell(alarm)


def _alarms(verdict: Verdict, bootstrap: str) -> Iterator[Alarm]:
    if not verdict.enforced:
        yield "GRANTS_NOT_ENFORCED", {"brokers": bootstrap}
    if verdict.hidden:
        yield "GRANTS_HIDDEN", {"brokers": bootstrap}
    for grant in verdict.missing:
        yield "GRANT_MISSING", {"grant": str(grant), "command": grant.command(bootstrap)}
    for excess in verdict.excessive:
        yield (
            "GRANT_EXCESSIVE",
            {"principal": excess.principal, "operation": excess.operation.value, "topic": excess.topic},
        )
