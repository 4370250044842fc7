"""`python -m bench.broker_outage`: Apache Kafka is killed for a while under a steady load, and comes back.

What must hold: intake goes on to `intake.outbox_max`, then new work is refused with 503 and Retry-After; somebody is
told within a minute; when the broker is back, everything that was accepted arrives, each protocol under one id, a
subject's notices never backwards, and what had been refused is taken. The run is void otherwise.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from aiokafka import AIOKafkaConsumer
from cyclopts import App, Parameter

from bench.apache import ApacheKafka, running_kafka
from bench.arrivals import arrive
from bench.auctioneer import Platform, now, playing
from bench.books import Books
from bench.end_to_end import VoidError, quiet
from bench.town import Town, running_town
from gateway.bootstrap import kafka_settings
from gateway.config.work import DispatcherSettings

_TOLD_MAX_S = 60.0
_LEAD_IN_S = 10.0
_MINISTRIES = 3
_PATIENCE_S = 3600.0

app = App(name="bench.broker_outage", help=__doc__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One run; seconds since the broker was killed, or, for `drained_s`, since it was started again."""

    lots: int
    down_s: float
    told_s: float  # the first alarm
    shed_s: float | None  # the first refusal with 503
    shed: int  # refused requests of the platform, each sent again
    waiting_max: int  # deliveries
    drained_s: float  # everything settled, sent and acknowledged
    sent_twice: int  # records under an id that lay there already


async def measure(
    folder: Path, *, down_s: float, per_s: float, settings: Mapping[str, str] = MappingProxyType({})
) -> Outage:
    """Play lots before, during and a tenth of the time after.

    Raises:
        VoidError: something was lost, doubled, told backwards or not told.
    """
    numbers = range(round((_LEAD_IN_S + down_s * 1.1) * per_s))
    with running_kafka(folder / "kafka") as kafka:
        under = {
            "EHERRAC__KAFKA__BOOTSTRAP": kafka.bootstrap,
            "EHERRAC__DISPATCHER__RETRY_S": json.dumps(DispatcherSettings().retry_s),  # not the demonstration's
        }
        async with running_town(folder / "town", settings=under | dict(settings)) as town, playing(town) as platform:
            books = Books(town.config.store.url)
            arriving = asyncio.create_task(arrive(platform, numbers, per_s=per_s, patience_s=_PATIENCE_S))
            await asyncio.wait([arriving], timeout=_LEAD_IN_S)
            killed_at, waiting_max = await _without(kafka, books, down_s)
            started_at = time.time()
            await arriving
            await quiet(books, len(numbers), patience_s=_PATIENCE_S)
            drained_s = time.time() - started_at
            ids = await _record_ids(town)
            told_s = _first_alarm(town.gateway_log, after=killed_at) - killed_at
    _judge(platform, ids, lots=len(numbers), told_s=told_s)
    return Outage(
        lots=len(numbers),
        down_s=down_s,
        told_s=told_s,
        shed_s=min((at - killed_at for at in platform.shed_at if at >= killed_at), default=None),
        shed=len(platform.shed_at),
        waiting_max=waiting_max,
        drained_s=drained_s,
        sent_twice=sum(ids.values()) - len(ids),
    )


async def _without(kafka: ApacheKafka, books: Books, down_s: float) -> tuple[float, int]:
    """When the broker was killed, and the most that waited until it was started again."""
    killed_at, waiting_max = time.time(), 0  # before: some notice it before the process is seen to be gone
    await asyncio.to_thread(kafka.kill)
    while time.time() < killed_at + down_s:
        await asyncio.sleep(1.0)
        waiting_max = max(waiting_max, books.counts().open)
    await asyncio.to_thread(kafka.start)
    return killed_at, waiting_max


async def _record_ids(town: Town) -> Counter[str]:
    """`ce_id` of every record that lies on the ministries' topics."""
    options = kafka_settings(town.config, town.config.kafka.bootstrap).client_options
    topics = [ministry.topic for ministry in town.config.ministries]
    found: Counter[str] = Counter()
    async with AIOKafkaConsumer(*topics, **options, auto_offset_reset="earliest") as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while found.total() < sum(ends.values()):
            batches = await consumer.getmany(timeout_ms=1000)
            found.update(dict(record.headers)["ce_id"].decode() for batch in batches.values() for record in batch)
    return found


def _first_alarm(log: Path, *, after: float) -> float:
    """When, seconds since the epoch. Raises VoidError without one."""
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines() if line.startswith("{")]
    alarms = [datetime.fromisoformat(line["timestamp"]).timestamp() for line in lines if line.get("event") == "alarm"]
    if not (found := [at for at in alarms if at >= after]):
        raise VoidError("void: no alarm was raised")
    return min(found)


def _judge(platform: Platform, ids: Counter[str], *, lots: int, told_s: float) -> None:
    if len(ids) != lots * _MINISTRIES:
        raise VoidError(f"void: {len(ids)} protocols lie on the topics, {lots * _MINISTRIES} were to")
    if platform.regressions:
        raise VoidError(f"void: {platform.regressions} notices came backwards")
    if told_s > _TOLD_MAX_S:
        raise VoidError(f"void: the first alarm came after {told_s:.0f} s")


@app.default
def main(
    *,
    minutes: Annotated[float, Parameter(help="How long the broker is away.")] = 30.0,
    per_s: Annotated[float, Parameter(help="Lots a second, each with three protocols.")] = 0.3,
    outbox_max: Annotated[int, Parameter(help="Bound of intake, deliveries.")] = 900,
) -> None:
    """Measure and print a row."""
    began = now()
    bound = {"EHERRAC__INTAKE__OUTBOX_MAX": str(outbox_max)}
    with tempfile.TemporaryDirectory(prefix="eherrac-bench-") as temporary:
        try:
            outage = asyncio.run(measure(Path(temporary), down_s=minutes * 60, per_s=per_s, settings=bound))
        except VoidError as fault:
            print(fault, file=sys.stderr)
            raise SystemExit(1) from fault
    first = "never" if outage.shed_s is None else f"after {outage.shed_s:.0f} s"
    print(f"{began:%Y-%m-%d %H:%M} UTC, {per_s:g} lots a second, intake.outbox_max {outbox_max}\n")
    print(
        "| broker away | lots | first alarm | first 503 | refused, sent again | most waiting | all done | ids twice |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    print(
        f"| {minutes:g} min | {outage.lots} | after {outage.told_s:.1f} s | {first} | {outage.shed} "
        f"| {outage.waiting_max} | {outage.drained_s:.0f} s after its start | {outage.sent_twice} |"
    )


if __name__ == "__main__":
    app()
