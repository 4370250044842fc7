"""A lease outlives every attempt: which time-outs would let two processes send the same at once.

An attempt may begin when half of its lease is gone (the dispatcher holds what it leased until there is a place), so
half a lease must be longer than the longest attempt.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from gateway.config.model import Config

BESIDE_S = 3.0  # of an attempt around the wire: reading, signing or sealing, booking the outcome
KAFKA_BEFORE_S = 16.0  # until a record is handed over: connecting, the last retry of it, and the leader; see Publisher
_USABLE = 0.5  # share of a lease that is left when an attempt begins, at least


def attempts(config: Config) -> Iterator[tuple[str, float]]:
    """(setting, seconds): how long an attempt may take by that time-out."""
    yield "aos.request_timeout_s", config.aos.request_timeout_s + BESIDE_S
    yield "asan_pay.request_timeout_s", config.asan_pay.request_timeout_s + BESIDE_S
    yield "platform.request_timeout_s", config.platform.request_timeout_s + BESIDE_S
    if config.azips is not None:
        yield "azips.request_timeout_s", config.azips.request_timeout_s + BESIDE_S
    for number, bank in enumerate(config.banks):
        yield f"banks.{number}.request_timeout_s", bank.request_timeout_s + BESIDE_S
    yield "kafka.delivery_timeout_s", KAFKA_BEFORE_S + config.kafka.delivery_timeout_s + BESIDE_S
    if config.time_stamps.url is not None:
        yield "time_stamps.timeout_s", config.time_stamps.timeout_s + BESIDE_S


def outlasting(config: Config) -> Iterator[tuple[str, str, str]]:
    """(setting, fault, remedy) of every time-out that may outlast the lease."""
    lease_s = config.dispatcher.lease_s
    if config.dispatcher.short_lease_allowed:
        return
    for path, longest_s in attempts(config):
        if longest_s > lease_s * _USABLE:
            fault = (
                f"an attempt may take {longest_s:g} s, and dispatcher.lease_s = {lease_s:g} leaves it"
                f" {lease_s * _USABLE:g} s (half): another process would send the same meanwhile"
            )
            least_s = math.ceil(longest_s / _USABLE)
            yield path, fault, f"Shorten it, or set dispatcher.lease_s to {least_s} or more"
