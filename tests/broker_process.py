"""The embedded broker as a program of its own, for tests that kill the gateway: `broker_process.py TOPIC…`.

It prints `host:port` when it is ready and ends with its standard input.
"""

from __future__ import annotations

import sys

from gateway.wire.broker import EmbeddedBroker

if __name__ == "__main__":
    with EmbeddedBroker(dict.fromkeys(sys.argv[1:], 1)) as broker:
        sys.stdout.write(f"{broker.bootstrap_servers}\n")
        sys.stdout.flush()
        sys.stdin.read()
