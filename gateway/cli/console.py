"""What the command line prints, in one place: standard output for answers, standard error for faults."""

from __future__ import annotations

import sys
from typing import NoReturn

from contracts.visible import visible


def say(text: str) -> None:
    """One line of the answer, at once."""
    print(visible(text), flush=True)  # noqa: T201 - this is the command line's output


def fail(text: str, status: int = 2) -> NoReturn:
    """Say what is wrong and end with `status`."""
    sys.stderr.write(f"eherrac-gateway: {visible(text)}\n")
    raise SystemExit(status)
