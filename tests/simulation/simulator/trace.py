"""What happened in a run, line by line: a digest for comparing two runs, and the last lines or all for a person."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable


class Trace:
    """`keep` is how many lines are kept; None keeps all. `echo` is told every line at once."""

    def __init__(self, keep: int | None = 200, echo: Callable[[str], None] | None = None) -> None:
        self._digest = hashlib.sha256()
        self._echo = echo
        self.lines: deque[str] = deque(maxlen=keep)
        self.count = 0

    def __call__(self, at_s: float, what: str) -> None:
        line = f"{at_s:12.6f} {what}"
        self._digest.update(line.encode())
        self.lines.append(line)
        self.count += 1
        if self._echo is not None:
            self._echo(line)

    @property
    def digest(self) -> str:
        """Equal for two runs in which the same things happened at the same moments."""
        return self._digest.hexdigest()
