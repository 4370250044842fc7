"""`make kill-test RUNS=1000 SEED=…`: both engines at once, each run a line of JSON, then the table.

    python -m kill --runs 1000 --seed 20261122 --out kill-out
    python -m kill --seed 20261122 --run 417              replays one run in a town of its own

PostgreSQL and Apache Kafka are those of `scripts/services.sh` (TEST_POSTGRES_DSN, TEST_KAFKA_BOOTSTRAP); they are
killed too. Without them only SQLite is besieged.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import orjson

from kill.besieged import Backing
from kill.plan import Plan, run_of
from kill.points import Engine
from kill.processes import environment
from kill.quiet import Quiet
from kill.report import never_reached, progress, read_results, table, too_slow
from kill.siege import RUNS_A_TOWN, Result, Siege

_TOLD_EVERY = 25
_FAILURES_MAX = 10


def backing(engine: Engine, before: Path | None) -> Backing | None:
    """What the environment offers for this engine."""
    if engine is Engine.SQLITE:
        return Backing(engine=engine, before=before)
    dsn, kafka = os.environ.get("TEST_POSTGRES_DSN", ""), os.environ.get("TEST_KAFKA_BOOTSTRAP", "")
    return Backing(engine=engine, dsn=dsn, kafka=kafka, before=before) if dsn and kafka else None


async def besiege(arguments: argparse.Namespace, engine: Engine) -> None:
    """All runs of one engine, in this process; a line of JSON for each."""
    found = backing(engine, arguments.before)
    assert found is not None
    folder = Path(tempfile.mkdtemp(prefix=f"kill-{engine}-"))
    quiet = Quiet(arguments.out / f"{engine}.lock")
    siege = Siege(folder, found, runs_a_town=arguments.runs_a_town, quiet=quiet)
    numbers = [arguments.run] if arguments.run is not None else range(arguments.first, arguments.first + arguments.runs)
    runs = [run_of(arguments.seed, number, only=arguments.only, plan=arguments.plan) for number in numbers]
    ours = [run for run in runs if run.engine is engine][arguments.part :: arguments.sieges]
    failures = 0
    for run in ours:
        result = await siege.run(run)
        _write(arguments.out, engine, result, arguments.seed, arguments.plan, folder)
        failures += result.failure is not None
        if failures == _FAILURES_MAX:
            break
    last = await siege.close()
    if last is not None:
        sys.stderr.write(f"the town as a whole, {folder}:\n{last}\n")
        (arguments.out / f"{engine}-{arguments.part}.whole").write_text(last)


def _write(out: Path, engine: Engine, result: Result, seed: int, plan: Plan, folder: Path) -> None:
    with (out / f"{engine}.jsonl").open("ab") as lines:
        lines.write(orjson.dumps(asdict(result)) + b"\n")
    if result.failure is not None:
        replay = f"python -m kill --seed {seed} --plan {plan} --run {result.run}"
        sys.stderr.write(f"run {result.run} failed (seed {seed}); again: {replay}; in {folder}\n{result.failure}\n")
        sys.stderr.flush()


async def both(arguments: argparse.Namespace) -> None:
    """A process for each siege, and a line about progress now and then."""
    engines = (
        [run_of(arguments.seed, arguments.run, plan=arguments.plan).engine]
        if arguments.run is not None
        else list(Engine)
    )
    if arguments.only is not None:
        engines = [arguments.only]
    children = []
    for engine in engines:
        if backing(engine, arguments.before) is None:
            sys.stderr.write(f"{engine}: no services (make services-start, eval `scripts/services.sh env`); left out\n")
            continue
        for part in range(arguments.sieges):
            command = (sys.executable, "-m", "kill", *sys.argv[1:], "--engine", engine, "--part", str(part))
            children.append(await asyncio.create_subprocess_exec(*command, env=environment(), start_new_session=True))
    waiting = asyncio.gather(*(child.wait() for child in children))
    told = 0
    while not waiting.done():
        await asyncio.wait({waiting}, timeout=5)
        results = read_results(arguments.out)
        if len(results) // _TOLD_EVERY > told:
            told = len(results) // _TOLD_EVERY
            sys.stdout.write(progress(results) + "\n")
            sys.stdout.flush()


def main() -> int:
    """Besiege, and say what came of it; 1 if anything was lost, invented, doubled, never reached or slow to return."""
    parser = argparse.ArgumentParser(prog="kill", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--run", type=int, help="replay this run alone")
    parser.add_argument("--runs-a-town", type=int, default=RUNS_A_TOWN)
    parser.add_argument("--only", type=Engine, help="every run on this engine")
    parser.add_argument("--plan", type=Plan, default=Plan.ALL, help=f"what befalls them: {', '.join(Plan)}")
    parser.add_argument("--before", type=Path, help="the folder of an older build, for --plan upgrade")
    parser.add_argument("--sieges", type=int, default=1, help="towns besieged at once, on each engine")
    parser.add_argument("--engine", type=Engine, help=argparse.SUPPRESS)
    parser.add_argument("--part", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path("kill-out"))
    arguments = parser.parse_args()
    if arguments.plan is Plan.SERVERS:
        arguments.only = Engine.POSTGRESQL  # SQLite and its broker have no server that keeps anything
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.engine is not None:
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # of the neighbours: dead brokers are the plan here
        asyncio.run(besiege(arguments, arguments.engine))
        return 0
    for old in (*arguments.out.glob("*.jsonl"), *arguments.out.glob("*.whole")):
        old.unlink()
    asyncio.run(both(arguments))
    results = read_results(arguments.out)
    text = table(results)
    (arguments.out / "table.md").write_text(text)
    sys.stdout.write(text)
    whole = arguments.plan is Plan.ALL and arguments.runs >= 200 and arguments.run is None
    missing = never_reached(results) if whole else []
    for point in missing:
        sys.stderr.write(f"never reached: {point}\n")
    slow = too_slow(results)
    for restart in slow:
        sys.stderr.write(f"too slow to come back: {restart}\n")
    failed = any(result.failure for result in results) or list(arguments.out.glob("*.whole"))
    return 1 if failed or missing or slow or not results else 0


if __name__ == "__main__":
    raise SystemExit(main())
