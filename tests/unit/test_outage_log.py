"""An outage is said once and its end once, not several times a second for hours."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.reader import Reader, ReaderSettings
from gateway.logs import set_up


@pytest.fixture
def logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, loud = root.handlers[:], root.level, logging.getLogger("aiokafka").level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("aiokafka").setLevel(loud)


async def _nothing(_: object) -> None:
    """Handled."""


def test_a_reader_says_each_fault_once_and_that_it_reads_again(caplog: pytest.LogCaptureFixture) -> None:
    reader = Reader(ReaderSettings(kafka=KafkaSettings(bootstrap_servers="x:1"), topic="t", group="g"), _nothing)
    for fault in (OSError("away"), OSError("away"), OSError("away"), TimeoutError("slow"), TimeoutError("slow")):
        reader._note(fault)
    reader._note_end()
    reader._note_end()
    reader._note(OSError("away"))
    assert [record.getMessage() for record in caplog.records] == [
        "reading t: OSError: away",
        "reading t: TimeoutError: slow",
        "reading t again",
        "reading t: OSError: away",
    ]


@pytest.mark.usefixtures("logging_restored")
@pytest.mark.parametrize("level", ["DEBUG", "WARNING"])
def test_the_kafka_clients_own_cries_are_left_out(level: str) -> None:
    set_up(level, json_lines=True)
    assert not logging.getLogger("aiokafka.consumer.fetcher").isEnabledFor(logging.ERROR)
    assert logging.getLogger("gateway").isEnabledFor(logging.WARNING)
