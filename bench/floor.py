"""The floor: what a payment costs if nothing is done but its signatures, verifications, parses, validations, print,
commits and Kafka records, each by the library alone, with the inputs that the gateway itself had in the same run.

Not in the floor, though the gateway pays for it: HTTP, building messages, deciding, the check of our own signatures.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.recording import Call, Recording, Statement
from bench.replay import Bare, Ours, Play
from gateway.store.sqlite import connect
from gateway.store.testing import blank_store_url
from gateway.wire.broker import EmbeddedBroker
from gateway.wire.identity import Identity

LABELS = {
    "sign_request": "HTTP request signed",
    "sign_response": "HTTP answer signed",
    "verify_request": "HTTP request verified",
    "verify_response": "HTTP answer verified",
    "sign_envelope": "SOAP envelope signed",
    "verify_envelope": "SOAP envelope verified",
    "sign_enveloped": "ISO 20022 message signed",
    "verify_enveloped": "ISO 20022 message or receipt verified",
    "seal": "container sealed (ASiC-E)",
    "parse_xml": "XML parsed",
    "validate_xml": "XML validated",
    "parse_json": "JSON parsed",
    "validate_json": "JSON validated",
}
_LEAST_CPU_S = 0.25  # of each measurement
_ROUNDS_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One primitive. CPU in microseconds each; `ours_us` is None where only the bare one can be played."""

    kind: str
    label: str
    count: float  # per payment
    bare_us: float
    ours_us: float | None

    @property
    def floor_ms(self) -> float:
        """What a payment pays at least, milliseconds."""
        return self.count * self.bare_us / 1000


def rows(recording: Recording, identity: Identity, lots: int) -> list[Row]:
    """Play everything again and measure it."""
    bare, ours = Bare(identity), Ours(identity)
    by_kind: defaultdict[str, list[Call]] = defaultdict(list)
    for call in recording.calls:
        by_kind[call.kind].append(call)
    measured = [
        Row(
            kind=kind,
            label=label,
            count=len(by_kind[kind]) / lots,
            bare_us=_cpu_us([play for call in by_kind[kind] for play in bare.of(call)]) / len(by_kind[kind]),
            ours_us=_cpu_us([ours.of(call) for call in by_kind[kind]]) / len(by_kind[kind]),
        )
        for kind, label in LABELS.items()
        if by_kind[kind]
    ]
    printed = _prints(by_kind["print"], bare, lots)
    return [*measured, printed, _commits(recording, lots), asyncio.run(_records(by_kind["produce"], lots))]


def _cpu_us(plays: Sequence[Play]) -> float:
    """CPU of running all of them once, microseconds; the least of several rounds, since the machine is shared."""
    best, spent, rounds = float("inf"), 0.0, 0
    while rounds < 2 or (spent < _LEAST_CPU_S and rounds < _ROUNDS_MAX):
        began = time.thread_time()
        for play in plays:
            play()
        took = time.thread_time() - began
        best, spent, rounds = min(best, took), spent + took, rounds + 1
    return best * 1e6


def _prints(calls: list[Call], bare: Bare, lots: int) -> Row:
    """Each once, after one to warm up: typst remembers what it has set and would be done in no time."""
    first, *others = [play for call in calls for play in bare.of(call)]
    first()
    took = _process_cpu(lambda: [play() for play in others])
    return Row(
        kind="print",
        label="protocol printed (PDF/A)",
        count=len(calls) / lots,
        bare_us=took / len(others) * 1e6,
        ours_us=None,
    )


def _commits(recording: Recording, lots: int) -> Row:
    """The same statements in the same groups on an empty database; a look that found nothing to do is left out."""
    groups = [kept for group in recording.commits if (kept := [one for one in group if _matters(one)])]
    with _folder() as folder, closing(connect(str(folder / _blank(folder)), 5.0)) as connection:
        took = _process_cpu(lambda: _run(connection, groups))
    return Row(
        kind="commit",
        label="group of transactions committed (SQLite)",
        count=len(groups) / lots,
        bare_us=took / len(groups) * 1e6,
        ours_us=None,
    )


def _matters(statement: Statement) -> bool:
    """A claim that took nothing is the dispatcher's own look around, not work of a payment."""
    return statement.changed > 0 or not statement.sql.startswith("UPDATE outbox\nSET lease_owner")


def _run(connection: sqlite3.Connection, groups: list[list[Statement]]) -> None:
    for group in groups:
        connection.execute("BEGIN IMMEDIATE")
        for statement in group:
            connection.execute(statement.sql, statement.values).fetchall()
        connection.execute("COMMIT")


def _process_cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


@contextmanager
def _folder() -> Iterator[Path]:
    """On the disk the project lies on: a folder in memory would flatter every commit."""
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder:
        yield Path(folder)


def _blank(folder: Path) -> str:
    return Path(blank_store_url(folder).removeprefix("sqlite:///")).name


async def _records(calls: list[Call], lots: int) -> Row:
    """A bare aiokafka producer, the same records to the same kind of broker."""
    from aiokafka import AIOKafkaProducer

    with EmbeddedBroker({str(call.inputs[0]): 1 for call in calls}) as broker:
        producer = AIOKafkaProducer(
            bootstrap_servers=broker.bootstrap_servers, acks="all", enable_idempotence=True, max_request_size=4_194_304
        )
        await producer.start()
        try:
            began = time.thread_time()
            for call in calls:
                topic, value, key, headers = call.inputs
                await producer.send_and_wait(topic, value, key=key, headers=headers)
            took = time.thread_time() - began
        finally:
            await producer.stop()
    return Row(
        kind="produce",
        label="Kafka record written (aiokafka)",
        count=len(calls) / lots,
        bare_us=took / len(calls) * 1e6,
        ours_us=None,
    )
