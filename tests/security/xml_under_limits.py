"""Parse each file named in standard input under hard limits of the operating system; a JSON line tells each verdict.

A process of its own: what it may take is counted from nothing but the parser itself, and the system, not a
measurement, ends whatever takes more.
"""

import json
import resource
import sys
import time
from pathlib import Path

from contracts.errors.refusal import RefusedError
from contracts.xml import parse_xml

LIMIT_S = 1
LIMIT_BYTES = 50 * 1_048_576


def taken_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def verdict(data: bytes) -> str:
    try:
        parse_xml(data)
    except RefusedError as refused:
        return refused.refusal.code
    return "accepted"


if __name__ == "__main__":
    files = [Path(line) for line in sys.stdin.read().splitlines()]
    octets = [file.read_bytes() for file in files]
    verdict(b"<a/>")  # what is made once is made
    resource.setrlimit(resource.RLIMIT_AS, (taken_bytes() + LIMIT_BYTES,) * 2)
    try:
        bytearray(LIMIT_BYTES + LIMIT_BYTES // 10)  # that much is refused, so the limit is one
    except MemoryError:
        pass
    else:
        sys.exit("the system does not keep the limit")
    for file, data in zip(files, octets, strict=True):
        began_s = time.process_time()  # of the processor: others may have it meanwhile
        resource.setrlimit(resource.RLIMIT_CPU, (int(began_s) + LIMIT_S + 1, resource.RLIM_INFINITY))  # whole seconds
        told = {"file": str(file), "verdict": verdict(data), "took_s": time.process_time() - began_s}
        sys.stdout.write(json.dumps(told) + "\n")
