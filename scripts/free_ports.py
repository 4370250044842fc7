"""Print so many free ports (default 1) that no client gets by chance before their program listens, or is started again.

The system hands out ports from 32768 on; a port from there can be the client's own of some connection at that moment.
"""

import random
import socket
import sys
from contextlib import ExitStack

wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1
found = []
with ExitStack() as held:
    for port in random.sample(range(10_000, 20_000), 200):
        probe = held.enter_context(socket.socket())
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        found.append(port)
        if len(found) == wanted:
            break
print(*found)
