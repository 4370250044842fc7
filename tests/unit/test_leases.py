"""No configuration lets an attempt outlast its lease: every time-out is judged, and both numbers are said."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import pytest

from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.publisher import PublisherSettings
from gateway.config import ConfigError, load_config
from gateway.config.leases import KAFKA_BEFORE_S, attempts
from gateway.config.load import Fault

DEMO = Path(str(resources.files("gateway").joinpath("data", "demo.toml")))
STAMPS = {"EHERRAC__TIME_STAMPS__URL": "http://127.0.0.1:8107"}


def variable(path: str) -> str:
    return "EHERRAC__" + path.upper().replace(".", "__")


def faults(environ: Mapping[str, str]) -> list[Fault]:
    try:
        load_config(DEMO, environ)
    except ConfigError as refused:
        return list(refused.faults)
    return []


TIME_OUTS = [
    ("aos.request_timeout_s", "28", 31),
    ("asan_pay.request_timeout_s", "27.5", 30.5),
    ("azips.request_timeout_s", "60", 63),
    ("platform.request_timeout_s", "120", 123),
    ("banks.0.request_timeout_s", "30", 33),
    ("banks.1.request_timeout_s", "30", 33),
    ("kafka.delivery_timeout_s", "12", 31),
    ("time_stamps.timeout_s", "29", 32),
]


@pytest.mark.parametrize(("path", "timeout_s", "attempt_s"), TIME_OUTS, ids=[row[0] for row in TIME_OUTS])
def test_a_time_out_that_outlasts_the_lease_is_refused_with_both_numbers(
    path: str, timeout_s: str, attempt_s: float
) -> None:
    (fault,) = faults(STAMPS | {variable(path): timeout_s})
    assert fault.path == path
    assert f"may take {attempt_s:g} s" in fault.fault
    assert "dispatcher.lease_s = 60 leaves it 30 s" in fault.fault
    least_s = fault.remedy.split("lease_s to ")[1].split(" ")[0]
    assert faults(STAMPS | {variable(path): timeout_s, "EHERRAC__DISPATCHER__LEASE_S": least_s}) == []
    assert faults(STAMPS | {variable(path): timeout_s, "EHERRAC__DISPATCHER__LEASE_S": str(int(least_s) - 1)})


def test_every_time_out_of_a_way_out_is_judged() -> None:
    config = load_config(DEMO, STAMPS)
    assert {path for path, _ in attempts(config)} == {path for path, *_ in TIME_OUTS}


def test_a_short_lease_must_be_meant() -> None:
    short = {"EHERRAC__DISPATCHER__LEASE_S": "4"}
    assert len(faults(short)) == len(TIME_OUTS) - 1  # nothing is stamped here
    assert faults(short | {"EHERRAC__DISPATCHER__SHORT_LEASE_ALLOWED": "true"}) == []


def test_what_comes_before_a_kafka_record_is_what_the_publisher_takes() -> None:
    assert PublisherSettings(kafka=KafkaSettings(bootstrap_servers="k:9092")).before_s == KAFKA_BEFORE_S
