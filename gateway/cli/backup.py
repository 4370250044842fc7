"""`backup FILE`, `restore FILE`: the whole state in one file, and back, believed only when every chain holds."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from gateway.cli.console import fail, say
from gateway.cli.settings import ConfigPath, load
from gateway.engine.audit import Audit, audit
from gateway.store import StoreError, open_store
from gateway.store.backup import back_up, restored

_SHOWN = 20  # broken chains named


def backup(file: Path, *, config: ConfigPath = None) -> None:
    """Copy the whole state into a new file while the gateway runs."""
    began = time.monotonic()
    try:
        back_up(load(config).store.url, file)
    except StoreError as error:
        fail(str(error), 1)
    say(f"{file}: {file.stat().st_size} bytes in {time.monotonic() - began:.1f} s")


def restore(file: Path, *, config: ConfigPath = None) -> None:
    """Make the configured store of a backup and recompute every journal chain before it is called good.

    The store must not exist yet. Exit code 3: a chain does not hold, the store is not to be used.
    """
    began = time.monotonic()
    try:
        with restored(file, load(config).store.url) as url:
            found = asyncio.run(_audited(url))
            if not found.holds:
                _tell(found)
    except StoreError as error:
        fail(str(error), 1)
    say(f"{found.nouns} nouns, {found.lines} journal lines, every chain holds; {time.monotonic() - began:.1f} s")


async def _audited(url: str) -> Audit:
    store = await open_store(url)
    try:
        return await audit(store)
    finally:
        await store.close()


def _tell(found: Audit) -> None:
    for noun, id, place in found.breaks[:_SHOWN]:
        say(f"{noun} {id}: journal line {place} was changed, left out or moved")
    fail(f"{len(found.breaks)} chains do not hold, {found.stray} lines belong to nothing: this is not what we wrote", 3)
