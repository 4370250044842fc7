"""What others have counted already, shown at every scrape: the watchdog's last census and the alarms of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.alarms import book
from gateway.domain.delivery import DeliveryState
from gateway.domain.dispatches import Channel
from gateway.engine.watchdog import Census
from gateway.store import Pressure
from gateway.wire.arrivals import Gone, Sockets


class CensusCollector(Collector):
    """The watchdog's last count; nothing but the time before the first."""

    def __init__(self, counts: Callable[[], Census]) -> None:
        self._counts = counts

    def describe(self) -> list[GaugeMetricFamily]:
        return list(_families())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        nouns, outbox, oldest, waiting, forgotten, counted = families = _families()
        census = self._counts()
        for (noun, state), count in sorted(census.nouns.items()):
            nouns.add_metric((noun, state), count)
        for row in census.outbox:
            outbox.add_metric((row.channel, row.recipient, row.state), row.count)
            if row.state == DeliveryState.DUE and row.channel != Channel.TIMER:
                oldest.add_metric((row.channel, row.recipient), row.oldest_created_at.timestamp())
        waiting.add_metric((), census.waiting)
        forgotten.add_metric((), sum(alarm.code == "NOT_SCHEDULED" for alarm in census.alarms))
        counted.add_metric((), 0.0 if census.at is None else census.at.timestamp())
        yield from families
        yield from _room(census)


def _families() -> tuple[GaugeMetricFamily, ...]:
    lane = ("channel", "recipient")
    return (
        GaugeMetricFamily("eherrac_nouns", "Nouns by state", labels=("noun", "state")),
        GaugeMetricFamily("eherrac_outbox_rows", "Not yet delivered, by recipient and state", labels=(*lane, "state")),
        GaugeMetricFamily(
            "eherrac_outbox_oldest_timestamp_seconds", "When the oldest delivery still under way was made", labels=lane
        ),
        GaugeMetricFamily("eherrac_waiting_for_person", "Nouns and parked deliveries that wait for a person"),
        GaugeMetricFamily("eherrac_not_scheduled", "Nouns that wait for nothing: forgotten"),
        GaugeMetricFamily("eherrac_counted_timestamp_seconds", "When the watchdog counted last; 0 before the first"),
    )


def _room(census: Census) -> Iterator[GaugeMetricFamily]:
    """Nothing before the first count; what is free only where somebody knows."""
    if census.at is None:
        return
    yield GaugeMetricFamily("eherrac_store_bytes", "Size of the database", value=census.room.used)
    if census.room.free is not None:
        yield GaugeMetricFamily("eherrac_store_free_bytes", "Room it has left", value=census.room.free)


class StoreCollector(Collector):
    """What waits for the store, by turn."""

    def __init__(self, pressure: Callable[[], Pressure]) -> None:
        self._pressure = pressure

    def describe(self) -> list[GaugeMetricFamily]:
        return list(_store())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        waiting, waited = families = _store()
        pressure = self._pressure()
        for turn in pressure.waiting:
            waiting.add_metric((turn,), pressure.waiting[turn])
            waited.add_metric((turn,), pressure.waited_s[turn])
        yield from families


def _store() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    return (
        GaugeMetricFamily("eherrac_store_waiting", "Works that wait for the database, by turn", labels=("turn",)),
        GaugeMetricFamily("eherrac_store_wait_seconds", "How long the next of them has waited", labels=("turn",)),
    )


class SocketsCollector(Collector):
    """The doors' sockets; every reason is there from the start."""

    def __init__(self, sockets: Callable[[], Sockets]) -> None:
        self._sockets = sockets

    def describe(self) -> list[Metric]:
        return list(_sockets())

    def collect(self) -> Iterator[Metric]:
        opened, gone = families = _sockets()
        sockets = self._sockets()
        opened.add_metric(("connection",), sockets.connections)
        opened.add_metric(("handshake",), sockets.handshakes)
        for why in Gone:
            gone.add_metric((why,), sockets.gone[why])
        yield from families


def _sockets() -> tuple[GaugeMetricFamily, CounterMetricFamily]:
    return (
        GaugeMetricFamily("eherrac_sockets", "Sockets of the doors: connections, TLS handshakes", labels=("stage",)),
        CounterMetricFamily("eherrac_sockets_gone", "Sockets closed before their owner had done", labels=("why",)),
    )


class AlarmsCollector(Collector):
    """Every code is there from the start, so that the first alarm is an increase."""

    def __init__(self, told: Callable[[], Mapping[str, int]]) -> None:
        self._told = told

    def describe(self) -> list[CounterMetricFamily]:
        return [_alarms()]

    def collect(self) -> Iterator[CounterMetricFamily]:
        family, told = _alarms(), self._told()
        for code in sorted({*book("en"), *told}):
            family.add_metric((code,), told.get(code, 0))
        yield family


def _alarms() -> CounterMetricFamily:
    return CounterMetricFamily("eherrac_alarms", "Alarms logged by this process, by code", labels=("code",))
