"""`python -m bench`: payments a second and CPU a payment, end to end, beside the floor of the same run.

Ends with 0 only if the run counts: accepted = settled = called back, and everything that follows came to its end.
"""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from bench import end_to_end, engine_alone, floor
from bench import messages as messages_bench
from bench import store as store_bench
from bench.databases import postgres_url
from bench.end_to_end import Result, VoidError
from bench.floor import Row
from bench.http import HttpCost, bare_http
from bench.recording import HTTP_IN, HTTP_OUT, SELF_CHECK, Recording
from gateway.cli.stage import StageError
from gateway.keys import KeyFolder

_WARM_UP = 6
_RECORDED_MAX = 40  # enough lots to know what each takes

app = App(name="bench", help=__doc__)


@app.default
def bench(
    *,
    lots: Annotated[int, Parameter(help="Lots of the measured run.")] = 200,
    in_flight: Annotated[int, Parameter(help="Lots between announcement and settlement at once.")] = 16,
    key: Annotated[Literal["rsa", "rsa3072", "p256"], Parameter(help="The gateway's.")] = "rsa",
    postgres: Annotated[bool, Parameter(help="On PostgreSQL too, where TEST_POSTGRES_DSN says there is one.")] = True,
    store: Annotated[bool, Parameter(help="Measure the store by itself too.")] = True,
    messages: Annotated[bool, Parameter(help="Measure every ISO 20022 message too.")] = True,
) -> None:
    """Measure and print everything."""
    with tempfile.TemporaryDirectory(prefix="eherrac-bench-") as temporary:
        try:
            _run(Path(temporary), lots, in_flight, key)
            if postgres and (dsn := os.environ.get("TEST_POSTGRES_DSN")):
                _run_on_postgres(Path(temporary) / "postgres", lots, in_flight, key, dsn)
        except (VoidError, StageError) as fault:
            print(fault, file=sys.stderr)
            raise SystemExit(1) from fault
    if store:
        store_bench.main()
    if messages:
        messages_bench.main()


def _run(folder: Path, lots: int, in_flight: int, key: str) -> None:
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, {_machine()}, gateway's key {key}"
    )
    result = asyncio.run(end_to_end.measure(folder / "town", lots=lots, in_flight=in_flight, warm_up=_WARM_UP, key=key))
    _print_result(result, in_flight)
    counted = min(lots, _RECORDED_MAX)
    asyncio.run(end_to_end.measure(folder / "recorded", lots=counted, in_flight=in_flight, recorded=True, key=key))
    recording = Recording.load(folder / "recorded" / "recording.pickle")
    identity = KeyFolder(directory=folder / "recorded" / "keys" / "GATEWAY").identity()
    rows = asyncio.run(floor.rows(recording, identity, counted))
    _print_floor(rows, recording, counted, result.cpu_ms)
    _print_above(bare_http(), rows, recording, counted)
    _print_alone(folder, lots, in_flight)


def _run_on_postgres(folder: Path, lots: int, in_flight: int, key: str, dsn: str) -> None:
    """The same town, its gateway on PostgreSQL; the server's own CPU is another machine's and not counted."""
    print("\non PostgreSQL")
    with postgres_url(dsn) as url:
        under = {"EHERRAC__STORE__URL": url}
        town = end_to_end.measure(
            folder / "town", lots=lots, in_flight=in_flight, warm_up=_WARM_UP, key=key, settings=under
        )
        result = asyncio.run(town)
    _print_result(result, in_flight)
    counted = min(lots, _RECORDED_MAX)
    with postgres_url(dsn) as url:
        under = {"EHERRAC__STORE__URL": url}
        town = end_to_end.measure(
            folder / "recorded", lots=counted, in_flight=in_flight, recorded=True, key=key, settings=under
        )
        asyncio.run(town)
    recording = Recording.load(folder / "recorded" / "recording.pickle")
    identity = KeyFolder(directory=folder / "recorded" / "keys" / "GATEWAY").identity()
    _print_floor(asyncio.run(floor.rows(recording, identity, counted, dsn=dsn)), recording, counted, result.cpu_ms)
    with postgres_url(dsn) as url:
        _print_alone(folder, lots, in_flight, url)


def _print_alone(folder: Path, lots: int, in_flight: int, url: str = "") -> None:
    config = folder / "town" / "gateway.toml"
    alone = asyncio.run(engine_alone.measure(folder, config, total=lots, in_flight=in_flight, url=url))
    print(f"\nengine, store and dispatcher alone: {alone.payments_s:.0f} payments/s, {alone.cpu_ms:.1f} ms CPU each")


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0] if names else platform.machine()}"


def _print_result(result: Result, in_flight: int) -> None:
    print(f"\nend to end: {result.lots} unsold lots, {in_flight} at a time, all ten programs on these cores")
    print(f"  {result.counts}")
    print(f"  settled              {result.lots / result.settled_s:>6.1f} payments/s   the whole town's")
    print(f"  with all receipts    {result.lots / result.quiet_s:>6.1f} payments/s")
    print(f"  CPU of the gateway   {result.cpu_ms:>6.1f} ms a payment, protocol included")
    broker_ms = result.gateway.broker_cpu_s / result.lots * 1000
    print(f"  (embedded broker     {broker_ms:>6.1f} ms more: it stands for another machine)")
    print(f"  memory of the gateway {result.gateway.resident_bytes / 1_048_576:>5.0f} MiB")
    print(f"  event to 202                          {result.event_to_202}")
    print(f"  bank's decision to settlement         {result.decided_to_settled}")
    print(f"  final status to acknowledged callback {result.final_to_callback}")


def _print_floor(rows: list[Row], recording: Recording, lots: int, cpu_ms: float) -> None:
    print("\nfloor: the same calls bare, with the same inputs, CPU")
    print(f"  {'':<42}{'a payment':>10}{'bare µs':>10}{'ours µs':>10}{'cold µs':>10}{'floor ms':>10}{'cold ms':>10}")
    for row in rows:
        ours, cold = ("" if us is None else f"{us:.0f}" for us in (row.ours_us, row.cold_us))
        print(
            f"  {row.label:<42}{row.count:>10.1f}{row.bare_us:>10.0f}{ours:>10}{cold:>10}"
            f"{row.floor_ms:>10.2f}{row.cold_ms:>10.2f}"
        )
    total_ms, cold_ms = sum(row.floor_ms for row in rows), sum(row.cold_ms for row in rows)
    print(f"  {'floor':<42}{'':>40}{total_ms:>10.2f}{cold_ms:>10.2f}")
    print(
        f"  {'gateway':<42}{'':>40}{cpu_ms:>10.2f}   = {cpu_ms / total_ms:.2f} x floor, {cpu_ms / cold_ms:.2f} x cold"
    )
    print(
        f"  in those commits: {recording.works / lots:.1f} transactions, {_statements(recording) / lots:.0f} statements"
    )


def _statements(recording: Recording) -> int:
    return sum(len(group) for group in recording.commits)


def _print_above(http: HttpCost, rows: list[Row], recording: Recording, lots: int) -> None:
    asked, answered = (recording.counts[name] / lots for name in (HTTP_OUT, HTTP_IN))
    http_ms = (asked * http.asked_us + answered * http.answered_us) / 1000
    wrappers_ms = sum(row.count * (row.ours_us - row.bare_us) for row in rows if row.ours_us is not None) / 1000
    print("\nabove the floor, measured alone")
    print(f"  HTTP by aiohttp, unsigned: {asked:.1f} asked, {answered:.1f} answered       {http_ms:>7.2f} ms a payment")
    print(f"  our functions around the primitives (ours less bare)   {wrappers_ms:>7.2f} ms a payment")
    print(f"    among them {recording.counts[SELF_CHECK] / lots:.1f} checks of our own signatures before they leave")


if __name__ == "__main__":
    app()
