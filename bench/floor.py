"""The floor: what a payment costs if nothing is done but its signatures, verifications, parses, validations, print,
commits and Kafka records, each by the library alone, with the inputs that the gateway itself had in the same run.

They are played in the order in which the gateway made them, while a neighbour keeps every other core busy, as the town
did: a small call repeated alone on a quiet machine takes a third of the time, and no gateway ever runs there. The
quickest of several passes counts.

Each is played once more *cold*: before every call as much memory is read as no core keeps for itself, as a program
does that has other work between two calls. That is no floor (what stays in the caches between two calls of the gateway
is left out), but it says what of the distance is the machine's memory and not anybody's instructions.

Not in the floor, though the gateway pays for it: HTTP, building messages, deciding, the check of our own signatures.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.databases import postgres_url
from bench.recording import Call, Recording, Statement
from bench.replay import Bare, Ours, Play
from gateway.store import open_store
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
    "print": "protocol printed (PDF/A)",
}
_PRINT = "print"
_PASSES, _COLD_PASSES = 5, 2
_FORGOTTEN_BYTES = 16 * 2**20  # several times what a core keeps for itself; a tenth of what the gateway's objects take


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One primitive. CPU in microseconds each; `ours_us` is None where only the bare one can be played.

    `cold_us` is None where a call is so long that what was in the caches before does not matter.
    """

    kind: str
    label: str
    count: float  # per payment
    bare_us: float
    ours_us: float | None
    cold_us: float | None = None  # bare, with nothing of it in the caches

    @property
    def floor_ms(self) -> float:
        """What a payment pays at least, milliseconds."""
        return self.count * self.bare_us / 1000

    @property
    def cold_ms(self) -> float:
        """The same, cold."""
        return self.count * (self.bare_us if self.cold_us is None else self.cold_us) / 1000


async def rows(recording: Recording, identity: Identity, lots: int, *, dsn: str | None = None) -> list[Row]:
    """Play everything again and measure it, in company. `dsn` is the PostgreSQL that the statements are of, if any."""
    with neighbours():
        bare, ours = _played(recording.calls, Bare(identity).of), _played(recording.calls, Ours(identity).of)
        cold = _played(recording.calls, Bare(identity).of, _COLD_PASSES, before_each=_forgetting())
        printed_us = _printed_us([call for call in recording.calls if call.kind == _PRINT], Bare(identity))
        counts = Counter(call.kind for call in recording.calls)
        measured = [
            Row(
                kind=kind,
                label=label,
                count=counts[kind] / lots,
                bare_us=printed_us if kind == _PRINT else bare[kind] / counts[kind],
                ours_us=None if kind == _PRINT else ours[kind] / counts[kind],
                cold_us=None if kind == _PRINT else cold[kind] / counts[kind],
            )
            for kind, label in LABELS.items()
            if counts[kind]
        ]
        records = [call for call in recording.calls if call.kind == "produce"]
        commits = _commits(recording, lots) if dsn is None else await _postgres_commits(recording, lots, dsn)
        return [*measured, commits, await _records(records, lots)]


@contextmanager
def neighbours() -> Iterator[None]:
    """A process for every other core that computes until it is no longer wanted."""
    started = [
        subprocess.Popen([sys.executable, "-c", "while True: sum(range(1000))"])
        for _ in range((os.cpu_count() or 1) - 1)
    ]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def _forgetting() -> Callable[[], object]:
    """Reads so much that a core has forgotten what it had read before."""
    ballast = bytearray(_FORGOTTEN_BYTES)
    return lambda: ballast.count(1)


def _played(
    calls: Sequence[Call],
    make: Callable[[Call], list[Play]],
    passes: int = _PASSES,
    before_each: Callable[[], object] = lambda: None,
) -> Counter[str]:
    """CPU by kind of one pass over everything, microseconds; the quickest pass of each kind."""
    ready = [(call.kind, make(call)) for call in calls if call.kind in LABELS and call.kind != _PRINT]
    best: Counter[str] = Counter()
    for _ in range(passes):
        took: Counter[str] = Counter()
        for kind, plays in ready:
            before_each()
            began = time.thread_time_ns()
            for play in plays:
                play()
            took[kind] += time.thread_time_ns() - began
        best = took if not best else Counter({kind: min(best[kind], took[kind]) for kind in took})
    return Counter({kind: nanos // 1000 for kind, nanos in best.items()})


def _printed_us(calls: list[Call], bare: Bare) -> float:
    """Each once, after one to warm up: typst remembers what it has set and would be done in no time."""
    first, *others = [play for call in calls for play in bare.of(call)]
    first()
    return _process_cpu(lambda: [play() for play in others]) / len(others) * 1e6


def _commits(recording: Recording, lots: int) -> Row:
    """The same statements in the same groups on an empty database; a look that found nothing to do is left out."""
    groups = _groups(recording)
    took, cold = (_committed_s(groups, before_each) for before_each in (lambda: None, _forgetting()))
    return Row(
        kind="commit",
        label="group of transactions committed (SQLite)",
        count=len(groups) / lots,
        bare_us=took / len(groups) * 1e6,
        ours_us=None,
        cold_us=cold / len(groups) * 1e6,
    )


def _committed_s(groups: list[list[Statement]], before_each: Callable[[], object]) -> float:
    with _folder() as folder, closing(connect(str(folder / _blank(folder)), 5.0)) as connection:
        return _run(connection, groups, before_each)


async def _postgres_commits(recording: Recording, lots: int, dsn: str) -> Row:
    """The same on PostgreSQL: psycopg's own pipeline, a transaction a trip; the server's CPU is another machine's."""
    import psycopg

    groups = _groups(recording)
    with postgres_url(dsn) as url:
        await (await open_store(url)).close()  # lays the tables
        with psycopg.connect(url) as connection:
            took = _process_cpu(lambda: _run_postgres(connection, groups))
    return Row(
        kind="commit",
        label="transaction committed (PostgreSQL)",
        count=len(groups) / lots,
        bare_us=took / len(groups) * 1e6,
        ours_us=None,
    )


def _run_postgres(connection: Any, groups: list[list[Statement]]) -> None:
    for group in groups:
        with connection.pipeline():
            for statement in group:
                connection.execute(statement.sql, statement.values, prepare=True)
            connection.commit()


def _groups(recording: Recording) -> list[list[Statement]]:
    return [kept for group in recording.commits if (kept := [one for one in group if _matters(one)])]


def _matters(statement: Statement) -> bool:
    """A claim that took nothing is the dispatcher's own look around, not work of a payment."""
    return statement.changed > 0 or "SET lease_owner = " not in statement.sql


def _run(connection: sqlite3.Connection, groups: list[list[Statement]], before_each: Callable[[], object]) -> float:
    """Seconds of CPU."""
    took = 0
    for group in groups:
        before_each()
        began = time.thread_time_ns()
        connection.execute("BEGIN IMMEDIATE")
        for statement in group:
            connection.execute(statement.sql, statement.values).fetchall()
        connection.execute("COMMIT")
        took += time.thread_time_ns() - began
    return took / 1e9


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
