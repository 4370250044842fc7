"""Ports for programs that are to be told of before they listen."""

from __future__ import annotations

import random
import socket
from contextlib import closing

_BELOW_THE_SYSTEM = range(20_000, 30_000)  # where no client's own port is ever taken from


def free_port() -> int:
    """A port nobody listens on, and nobody gets by chance before its program does."""
    for port in random.sample(_BELOW_THE_SYSTEM, 100):
        with closing(socket.socket()) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("a hundred ports are taken")
