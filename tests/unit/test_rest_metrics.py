"""What is counted is shown in a registry of its own."""

from __future__ import annotations

from gateway.doors.metrics import Metrics
from gateway.engine.watchdog import Census


def test_requests_and_deliveries_are_counted_by_their_labels() -> None:
    metrics = Metrics()
    metrics.request("rest", "OK", 0.01)
    metrics.request("rest", "LOT_UNKNOWN", 0.01)
    metrics.delivery("banks", "unknown")
    text = metrics.text().decode()
    assert 'eherrac_requests_total{code="OK",door="rest"} 1.0' in text
    assert 'eherrac_requests_total{code="LOT_UNKNOWN",door="rest"} 1.0' in text
    assert 'eherrac_request_seconds_count{door="rest"} 2.0' in text
    assert 'eherrac_deliveries_total{channel="banks",outcome="unknown"} 1.0' in text


def test_nouns_are_asked_for_at_every_scrape() -> None:
    metrics, counts = Metrics(), {("payment", "unknown"): 1}
    metrics.watch_census(lambda: Census(nouns=counts))
    assert 'eherrac_nouns{noun="payment",state="unknown"} 1.0' in metrics.text().decode()
    counts["payment", "unknown"] = 2
    assert 'eherrac_nouns{noun="payment",state="unknown"} 2.0' in metrics.text().decode()


def test_two_processes_in_one_test_do_not_share_counters() -> None:
    one, other = Metrics(), Metrics()
    one.delivery("aos", "acknowledged")
    assert b'channel="aos"' not in other.text()
