"""`serve` with a recorder around its primitives: `python -m bench.recorded_serve --config FILE`.

It writes `recording.pickle` beside the configuration when it is told to stop. Its own times mean nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gateway.bootstrap  # noqa: F401 - everything it imports is wrapped
from bench import recorded_store, recorded_wire
from bench.recording import Recorder
from gateway.cli.serve import serve


def main() -> None:
    """Serve, then write down what was called."""
    config = Path(sys.argv[sys.argv.index("--config") + 1])
    recorder = Recorder()
    recorded_wire.install(recorder)
    recorded_store.install(recorder)
    serve(config=config)
    recorder.recording.save(config.with_name("recording.pickle"))


if __name__ == "__main__":
    main()
