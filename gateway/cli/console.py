"""What the command line prints, in one place: standard output for answers, standard error for faults."""

from __future__ import annotations

import sys
from typing import NoReturn


def say(text: str) -> None:
    """One line of the answer, at once."""
    print(text, flush=True)  # noqa: T201 - this is the command line's output


def fail(text: str, status: int = 2) -> NoReturn:
    """Say what is wrong and end with `status`."""
    sys.stderr.write(f"eherrac-gateway: {text}\n")
    raise SystemExit(status)
