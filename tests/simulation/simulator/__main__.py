"""One seed with its whole trace, or many: `python -m simulator SEED=7`, `python -m simulator SEEDS=1000 FROM=0`."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

from simulator.trace import Trace
from simulator.world import Run, run, runs

PROGRESS_EVERY = 200


def report(found: Run, lines: int = 60) -> str:
    """What a person needs of a seed that failed."""
    tail = "\n".join(found.lines[-lines:])
    return (
        f"{tail}\n\nseed {found.seed}: {found.failure}\n{found.plan}\n"
        f"again, with everything that happens:  make simulate SEED={found.seed}"
    )


class Tally:
    """How many seeds held, and what they cost."""

    def __init__(self, first: int) -> None:
        self.first, self.seeds, self.failed, self.virtual_s, self.events = first, 0, 0, 0.0, 0
        self._began, self._worked = time.monotonic(), time.process_time()

    def count(self, found: Run) -> None:
        self.seeds, self.virtual_s, self.events = (
            self.seeds + 1,
            self.virtual_s + found.virtual_s,
            self.events + found.events,
        )
        if found.failure is not None:
            self.failed += 1
            print(report(found), flush=True)

    def __str__(self) -> str:
        spent_s, worked_s = time.monotonic() - self._began, time.process_time() - self._worked
        return (
            f"{self.seeds} seeds from {self.first}: {self.failed} failed; {self.events} events in "
            f"{self.virtual_s / 3600:.0f} h of their time; {spent_s:.0f} s, of one core {worked_s:.0f} s "
            f"({self.seeds / worked_s:.1f} seeds a second)"
        )


def main(words: list[str]) -> int:
    """Exit status 1 when a seed failed."""
    said = dict(word.split("=", 1) for word in words)
    if said.get("SEED"):
        found = run(int(said["SEED"]), trace=Trace(keep=None, echo=print))
        print(f"\nseed {found.seed}: {found.failure or 'everything held'}\n{found.plan}\ndigest {found.digest}")
        return int(found.failure is not None)
    first, number = int(said.get("FROM") or 0), int(said.get("SEEDS") or 1000)
    tally = Tally(first)
    with suppress(KeyboardInterrupt):
        for found in runs(range(first, first + number)):
            tally.count(found)
            if tally.seeds % PROGRESS_EVERY == 0:
                print(tally, flush=True)
    print(tally, flush=True)
    return int(tally.failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
