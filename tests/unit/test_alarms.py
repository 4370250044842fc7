"""Every alarm that is raised is in the book, in three languages, and on the page; alerts ask for what there is."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

import gateway
from contracts.errors import ErrorCode
from gateway.alarms import book, page
from gateway.bootstrap import ways_in
from gateway.doors.console import words
from gateway.doors.metrics import Metrics
from gateway.engine.room import Room
from gateway.engine.watchdog import Census
from gateway.logs import _HEARD_MAX, _count_alarm, alarms_heard
from gateway.store import Pressure, Turn
from gateway.store.rows import OutboxCount
from gateway.timeline import LANGUAGES
from gateway.wire.arrivals import Sockets

ROOT = Path(gateway.__file__).parents[1]
ALERTS = ROOT / "docs" / "deploy" / "prometheus" / "alerts.yaml"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
_CODE = re.compile(r"[A-Z]+(?:_[A-Z]+)+")
_METRIC = re.compile(r"\beherrac_\w+")


def raised() -> set[str]:
    """Every code that stands in an `Alarm(…)`, in a log line's `alarm=…`, or among the brokers' alarms."""
    files = [*(ROOT / "gateway").rglob("*.py"), *(ROOT / "adapters").rglob("*.py")]
    return {code for path in files for code in _codes(path, ast.parse(path.read_text("utf-8")))}


def _codes(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Alarm" and node.args:
            yield from _constants(node.args[0])
        elif isinstance(node, ast.keyword) and node.arg == "alarm":
            yield from _constants(node.value)
        elif isinstance(node, ast.Yield) and path.name == "grant_watch.py" and isinstance(node.value, ast.Tuple):
            yield from _constants(node.value.elts[0])


def _constants(node: ast.expr) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and _CODE.fullmatch(part.value):
            yield part.value
        elif isinstance(part, ast.Attribute) and part.attr in ErrorCode.__members__:
            yield part.attr


def test_every_alarm_that_is_raised_is_in_the_book_and_no_other() -> None:
    assert raised() == set(book("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_alarm_says_what_it_means_what_goes_by_itself_and_what_to_do(language: str) -> None:
    here, there = book(language), book("en")
    assert here.keys() == there.keys()
    for code, entry in here.items():
        texts = (entry.title, entry.means, entry.itself, entry.todo)
        assert all(text.strip() for text in texts), code
        assert language == "en" or entry.means != there[code].means, code


def test_the_page_of_alarms_is_the_one_that_is_written() -> None:
    assert (ROOT / "docs" / "alarms.md").read_text("utf-8") == "\n".join(page()), "make alarms"


def test_every_check_of_readiness_has_an_entry() -> None:
    """A row of the table under “Readiness” for each name that `/readyz` may say."""
    names = set(re.findall(r'"(\w+)"[:\]]', inspect.getsource(ways_in.readiness)))
    assert {"store", "broker", "revocation", "timeStamps"} <= names
    rows = set(re.findall(r"^\| `(\w+)` \|", OPERATIONS, re.MULTILINE))
    assert names - rows == set()
    assert {f"check.{name}" for name in names} <= words.catalogue("en").keys()


def test_every_alert_asks_for_what_is_shown_and_names_alarms_there_are() -> None:
    shown = _shown()
    for rule in _rules():
        assert set(_METRIC.findall(rule["expr"])) <= shown, rule["alert"]
        named = re.findall(r'code=~?"([^"]*)"', rule["expr"])
        codes = {code for names in named for code in names.split("|")}
        assert codes <= set(book("en")) | set(ErrorCode.__members__), rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert {"summary", "runbook"} == rule["annotations"].keys()
        for name in re.findall(r"docs/[\w/]+\.md", rule["annotations"]["runbook"]):
            assert (ROOT / name).is_file(), rule["alert"]


def test_every_metric_has_its_unit_in_its_name_or_counts_things() -> None:
    units = ("_seconds", "_seconds_bucket", "_seconds_count", "_seconds_sum", "_total", "_created", "_qepik", "_bytes")
    things = {
        "eherrac_nouns",
        "eherrac_outbox_rows",
        "eherrac_store_waiting",
        "eherrac_sockets",
        "eherrac_loop_share_most",
        "eherrac_waiting_for_person",
        "eherrac_not_scheduled",
        "eherrac_check",
        "eherrac_revocation_state",
        "eherrac_certificate_days_left",
    }
    assert {name for name in _shown() if not name.endswith(units)} <= things


def _rules() -> list[dict[str, object]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"] for rule in group["rules"]]


def _shown() -> set[str]:
    """The names of all series that a process with everything configured may show."""
    metrics, now = Metrics(), datetime.now(UTC)
    lane = OutboxCount(
        channel="banks",
        recipient="999101",
        state="due",
        count=1,
        oldest_due_at=now,
        oldest_created_at=now,
        oldest_parked_at=None,
    )
    metrics.watch_census(
        lambda: Census(at=now, nouns={("payment", "unknown"): 1}, outbox=(lane,), room=Room(used=2, free=1))
    )
    metrics.watch_alarms(dict)
    metrics.watch_sockets(Sockets)
    metrics.watch_loop(lambda: 0.0, lambda: 1.0)
    metrics.shed("stranger")
    metrics.watch_store(
        lambda: Pressure(waiting=dict.fromkeys(Turn, 0), waited_s=dict.fromkeys(Turn, 0.0), is_answering=True)
    )
    metrics.watch_revocation(tuple)
    metrics.watch_stamping(lambda: 0.0)
    metrics.watch_liquidity(lambda: None)
    metrics.watch_expiry(tuple, lambda: now)
    metrics.checks({"store": True})
    metrics.request("rest", "OK", 0.01)
    metrics.delivery("banks", "acknowledged")
    return set(re.findall(r"^(?:# TYPE )?(eherrac_\w+)", metrics.text().decode(), re.MULTILINE))


def test_the_same_alarm_again_counts_as_one_however_long_its_grace_still_is() -> None:
    for left in ("60", "30"):
        event = {"alarm": "TIME_STAMP_MISSING", "facts": {"what": "of this test", "grace_left_s": left}}
        assert _count_alarm(None, "error", event) is event
    last = alarms_heard()[0]
    assert (last.code, last.times, last.facts["grace_left_s"]) == ("TIME_STAMP_MISSING", 2, "30")
    assert last.first_at <= last.last_at


def test_of_a_flood_of_alarms_the_last_are_remembered() -> None:
    for number in range(_HEARD_MAX + 2):
        _count_alarm(None, "error", {"alarm": "DELIVERY_LATE", "facts": {"recipient": str(number)}})
    heard = alarms_heard()
    assert (len(heard), heard[0].facts["recipient"]) == (_HEARD_MAX, str(_HEARD_MAX + 1))
