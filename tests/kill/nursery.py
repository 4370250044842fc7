"""Starts gateways without importing everything again: a process that has it all in memory and forks on demand.

Reading the program costs over a second of CPU, which a thousand runs would pay a thousand times. A forked gateway has
nothing else from its parent: no connection, no thread, no open file. Now and then a start is a new interpreter instead.

`python -m kill.nursery FD`: on the socket come requests `{"arguments", "environ"}` with two descriptors (its standard
input and output, its log); back go `{"born"}` and, when one has ended, `{"ended", "returned"}`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path

_REQUEST_MAX_BYTES = 65_536
_READ_BEFOREHAND = (
    "alembic.command",
    "gateway.bootstrap",
    "gateway.cli.backup",
    "gateway.cli.main",
    "gateway.cli.serve",
    "gateway.store.opening",
    "gateway.store.postgres",
    "gateway.store.sqlite",
    "kill.victim",
    "sqlalchemy",
)


class Forked:
    """One child, with what is used of `asyncio.subprocess.Process`."""

    def __init__(
        self, pid: int, ended: asyncio.Future[int], stdout: asyncio.StreamReader, stdin: asyncio.StreamWriter
    ) -> None:
        self.pid, self._ended, self.stdout, self.stdin = pid, ended, stdout, stdin

    @property
    def returncode(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


class Nursery:
    """The parent's side."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._process: asyncio.subprocess.Process | None = None
        self._births: asyncio.Queue[int] = asyncio.Queue()
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._one = asyncio.Lock()

    async def start(self) -> None:
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._link.setblocking(False)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "kill.nursery", str(theirs.fileno()),
            stdin=subprocess.DEVNULL, env=self._environ, pass_fds=(theirs.fileno(),),
        )  # fmt: skip
        theirs.close()
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        assert self._process is not None
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._link.close()
        await self._process.wait()

    async def fork(self, arguments: tuple[str, ...], environ: Mapping[str, str], log: Path) -> Forked:
        """A child with these arguments; standard input and output are one socket."""
        ours, theirs = socket.socketpair()
        request = json.dumps({"arguments": arguments, "environ": dict(environ)}).encode()
        async with self._one:
            with theirs, log.open("ab") as errors:
                socket.send_fds(self._link, [request], [theirs.fileno(), errors.fileno()])
            pid = await self._births.get()
        reader, writer = await asyncio.open_connection(sock=ours)
        return Forked(pid, self._ends[pid], reader, writer)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        while said := await loop.sock_recv(self._link, _REQUEST_MAX_BYTES):
            fact = json.loads(said)
            if "born" in fact:
                self._ends[fact["born"]] = loop.create_future()
                self._births.put_nowait(fact["born"])
            else:
                self._ends[fact["ended"]].set_result(fact["returned"])


def main() -> None:
    """Until the other side closes the socket; the children end with it."""
    link = socket.socket(fileno=int(sys.argv[1]))
    for module in _READ_BEFOREHAND:
        import_module(module)
    gc.freeze()
    deaths, bell = os.pipe()
    os.set_blocking(bell, False)
    signal.set_wakeup_fd(bell)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: set[int] = set()
    while True:
        ready, _, _ = select.select([link, deaths], [], [])
        if deaths in ready:
            os.read(deaths, 4096)
            _tell_of_deaths(link, children)
        if link in ready and not _bear(link, children):
            break
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _bear(link: socket.socket, children: set[int]) -> bool:
    """One request; False when there will be no more."""
    request, descriptors, _, _ = socket.recv_fds(link, _REQUEST_MAX_BYTES, 2)
    if not request:
        return False
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        link.close()
        _become(json.loads(request), *descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    children.add(pid)
    link.send(json.dumps({"born": pid}).encode())
    return True


def _become(request: dict[str, object], channel: int, log: int) -> None:
    from kill import victim

    for ours, standard in ((channel, 0), (channel, 1), (log, 2)):
        os.dup2(ours, standard)
    os.closerange(3, 256)
    os.environ.clear()
    os.environ.update(request["environ"])  # type: ignore[arg-type]
    sys.argv = ["victim", *request["arguments"]]  # type: ignore[misc]
    code: object = 0
    try:
        victim.main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _tell_of_deaths(link: socket.socket, children: set[int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        children.discard(pid)
        link.send(json.dumps({"ended": pid, "returned": os.waitstatus_to_exitcode(status)}).encode())


if __name__ == "__main__":
    main()
