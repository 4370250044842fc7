"""One process may serve a SQLite file: it takes back every lease at its start, as if nobody else were there."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

from gateway.errors import OurFaultError

_PATIENCE_S = 5.0  # for one that is just ending
_LOOK_S = 0.1


async def keep_others_out(url: str) -> int | None:
    """The lock of this store's file, held until the descriptor is closed or the process is gone, however it goes; None
    for a server's store, which many may share.

    Raises:
        OurFaultError: another process serves it.
    """
    scheme, _, path = url.partition("://")
    if scheme != "sqlite":
        return None
    descriptor = _open_beside(Path(path[1:]))
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while not _taken(descriptor):  # noqa: ASYNC110 - a lock of the system tells nobody
                await asyncio.sleep(_LOOK_S)
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, TimeoutError):
            raise OurFaultError(f"another process serves {path[1:]}; several need PostgreSQL") from None
        raise
    return descriptor


def _open_beside(store: Path) -> int:
    """Beside the file itself, by whatever name it is known."""
    file = Path(f"{store.resolve()}.serve")
    file.parent.mkdir(parents=True, exist_ok=True)
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
