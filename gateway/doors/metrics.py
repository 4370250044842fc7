"""What the gateway counts, in a registry of its own: requests by door and code, deliveries, nouns by state.

`Metrics` is made once per process; doors, dispatcher and engine count on it, `/metrics` shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from certs.expiry import Expiry
from certs.freshness import IssuerStanding, RevocationState
from gateway.domain.liquidity import Liquidity
from gateway.doors.metrics_counted import AlarmsCollector, CensusCollector, SocketsCollector, StoreCollector
from gateway.engine.watchdog import Census
from gateway.store import Pressure
from gateway.wire.arrivals import Sockets

Counts = Callable[[], Census]
"""The watchdog's last count. Called at every scrape, so it must be quick."""

Ends = Callable[[], Sequence[Expiry]]
"""The end of every certificate we depend on."""

Standings = Callable[[], Sequence[IssuerStanding]]
"""How every issuer stands now."""

Standing = Callable[[], Liquidity | None]
"""How our account in AÖS stands, as far as we were told."""

_LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)  # the promise is 2 s (DESIGN)


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        requests = Counter(
            "eherrac_requests",
            "Requests by door and outcome: OK, or the error code",
            ("door", "code"),
            registry=self.registry,
        )
        latency = Histogram(
            "eherrac_request_seconds",
            "From the request's first byte read to the answer written, by door",
            ("door",),
            registry=self.registry,
            buckets=_LATENCY_BUCKETS_S,
        )
        deliveries = Counter(
            "eherrac_deliveries",
            "Attempts to deliver by channel and outcome",
            ("channel", "outcome"),
            registry=self.registry,
        )
        self._shed = Counter(
            "eherrac_shed",
            "Requests refused unread because the processor is short, by what their sender is known by",
            ("known_by",),
            registry=self.registry,
        )
        self._checks = Gauge("eherrac_check", "1 while a check of /readyz passes", ("check",), registry=self.registry)
        # Finding a series by its labels takes longer than counting on it, so it is found once.
        self._requests: Callable[[str, str], Counter] = cache(requests.labels)
        self._latency: Callable[[str], Histogram] = cache(latency.labels)
        self._deliveries: Callable[[str, str], Counter] = cache(deliveries.labels)

    def request(self, door: str, code: str, duration_s: float) -> None:
        """One request answered; `code` is OK or an error code."""
        self._requests(door, code).inc()
        self._latency(door).observe(duration_s)

    def shed(self, known_by: str) -> None:
        """One request refused before it was read."""
        self._shed.labels(known_by).inc()

    def delivery(self, channel: str, outcome: str) -> None:
        """One attempt to deliver; `outcome` is acknowledged, refused, not_sent or unknown."""
        self._deliveries(channel, outcome).inc()

    def watch_census(self, counts: Counts) -> None:
        """Show the watchdog's last count, asked at every scrape. Once per process."""
        self.registry.register(CensusCollector(counts))

    def watch_alarms(self, told: Callable[[], Mapping[str, int]]) -> None:
        """Show how many alarms of each code there were, asked at every scrape. Once per process."""
        self.registry.register(AlarmsCollector(told))

    def watch_store(self, pressure: Callable[[], Pressure]) -> None:
        """Show how much waits for the store and how long, asked at every scrape. Once per process."""
        self.registry.register(StoreCollector(pressure))

    def watch_loop(self, late_s: Callable[[], float], level: Callable[[], float]) -> None:
        """Show how late the loop is and what one sender may take of it, asked at every scrape. Once per process."""
        late = Gauge(
            "eherrac_loop_late_seconds",
            "How late the event loop does what is due",
            registry=self.registry,
        )
        late.set_function(late_s)
        share = Gauge("eherrac_loop_share_most", "Share of it that one sender may take", registry=self.registry)
        share.set_function(level)

    def watch_sockets(self, sockets: Callable[[], Sockets]) -> None:
        """Show what the doors' listener has open and whom it sent away, asked at every scrape. Once per process."""
        self.registry.register(SocketsCollector(sockets))

    def checks(self, passing: Mapping[str, bool]) -> None:
        """What readiness says now."""
        for name, passes in passing.items():
            self._checks.labels(name).set(passes)

    def watch_revocation(self, standings: Standings) -> None:
        """Show how each issuer's revocation data stands, asked at every scrape. Once per process."""
        self.registry.register(_Revocation(standings))

    def watch_stamping(self, grace_left_s: Callable[[], float]) -> None:
        """Show how long the journal may still wait for its time-stamp, asked at every scrape. Once per process."""
        gauge = Gauge("eherrac_time_stamp_grace_seconds", "Grace left for missing time-stamps", registry=self.registry)
        gauge.set_function(grace_left_s)

    def watch_liquidity(self, standing: Standing) -> None:
        """Show how our account in AÖS stands beside what is foreseen, asked at every scrape. Once per process."""
        self.registry.register(_LiquidityCollector(standing))

    def watch_expiry(self, ends: Ends, clock: Callable[[], datetime]) -> None:
        """Show the days left of every certificate we depend on, asked at every scrape. Once per process."""
        self.registry.register(_Expiries(ends, clock))

    def text(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)


class _Revocation(Collector):
    """Fresh, stale or closed, and the grace left before an issuer's certificates are refused."""

    def __init__(self, standings: Standings) -> None:
        self._standings = standings

    def describe(self) -> list[GaugeMetricFamily]:
        return list(self._families())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        state, grace = self._families()
        for standing in self._standings():
            for possible in RevocationState:
                state.add_metric((standing.issuer, possible), float(standing.state is possible))
            grace.add_metric((standing.issuer,), standing.grace_left_s)
        yield from (state, grace)

    @staticmethod
    def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily(
                "eherrac_revocation_state", "1 for the state an issuer's data is in", labels=("issuer", "state")
            ),
            GaugeMetricFamily(
                "eherrac_revocation_grace_left_seconds", "Grace left of stale data; 0 while fresh", labels=("issuer",)
            ),
        )


class _LiquidityCollector(Collector):
    """What the account has and what it must carry, and the forecast's lines. In whole qəpik: money is no float."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    def describe(self) -> list[GaugeMetricFamily]:
        return list(self._families())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        account, forecast = self._families()
        standing = self._standing()
        if standing is not None:
            for name in ("available", "limit", "expected"):
                account.add_metric((name,), getattr(standing, name).minor)
            for line in standing.lines:
                forecast.add_metric((line.source, line.rail), line.amount.minor)
        yield from (account, forecast)

    @staticmethod
    def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily(
                "eherrac_liquidity_qepik", "Our account in AÖS: available, limit, expected", labels=("amount",)
            ),
            GaugeMetricFamily(
                "eherrac_forecast_qepik", "Payable within the horizon, by source and rail", labels=("source", "rail")
            ),
        )


class _Expiries(Collector):
    """Days until each certificate ends."""

    def __init__(self, ends: Ends, clock: Callable[[], datetime]) -> None:
        self._ends, self._clock = ends, clock

    def describe(self) -> list[GaugeMetricFamily]:
        return [self._family()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family, now = self._family(), self._clock()
        for end in self._ends():
            family.add_metric((end.holder, end.name, end.serial), end.days_left(now))
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "eherrac_certificate_days_left", "Days until a certificate ends", labels=("holder", "name", "serial")
        )
