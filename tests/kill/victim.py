"""The gateway's program with points around it: `python -m kill.victim MARK POINT NTH COMMAND …`.

MARK is the file that the one killed at a point leaves behind. POINT armed from the start may be empty. Then a line on
standard input arms another (`arm NTH POINT`; `stall NTH POINT` is SIGSTOP instead of SIGKILL) or asks how often each
was passed (`counts`); each is answered by a line.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

from kill.hooks import Sentry, install


def main() -> None:
    """Install the points and become the gateway."""
    from gateway.cli import main as gateway

    mark, point, nth, *command = sys.argv[1:]
    sentry = Sentry(Path(mark))
    sentry.arm(point, int(nth))
    install(sentry)
    threading.Thread(target=_listen, args=(sentry,), daemon=True).start()
    sys.argv = ["eherrac-gateway", *command]
    gateway()


def _listen(sentry: Sentry) -> None:
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word in ("arm", "stall"):
            nth, _, point = rest.partition(" ")
            sentry.arm(point, int(nth), deadly=word == "arm")
            _say("armed")
        elif word == "counts":
            _say(json.dumps(sentry.counts))


def _say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


if __name__ == "__main__":
    main()
