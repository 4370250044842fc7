"""One seed with its whole trace, or many: `python -m simulator SEED=7`, `python -m simulator SEEDS=1000 FROM=0`."""

from __future__ import annotations

import sys
import time

from simulator.trace import Trace
from simulator.world import Run, run, runs


def report(found: Run, lines: int = 60) -> str:
    """What a person needs of a seed that failed."""
    tail = "\n".join(found.lines[-lines:])
    return (
        f"{tail}\n\nseed {found.seed}: {found.failure}\n{found.plan}\n"
        f"again, with everything that happens:  make simulate SEED={found.seed}"
    )


def main(words: list[str]) -> int:
    """Exit status 1 when a seed failed."""
    said = dict(word.split("=", 1) for word in words)
    if said.get("SEED"):
        found = run(int(said["SEED"]), trace=Trace(keep=None, echo=print))
        print(f"\nseed {found.seed}: {found.failure or 'everything held'}\n{found.plan}\ndigest {found.digest}")
        return int(found.failure is not None)
    first, number = int(said.get("FROM") or 0), int(said.get("SEEDS") or 1000)
    began, worked, failed, virtual_s = time.monotonic(), time.process_time(), 0, 0.0
    for found in runs(range(first, first + number)):
        virtual_s += found.virtual_s
        if found.failure is not None:
            failed += 1
            print(report(found), flush=True)
    spent_s, worked_s = time.monotonic() - began, time.process_time() - worked
    print(
        f"{number} seeds from {first}: {failed} failed; {virtual_s / 3600:.0f} hours of their time in {spent_s:.0f} s, "
        f"{worked_s:.0f} s of one core ({number / worked_s:.1f} seeds a second)"
    )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
