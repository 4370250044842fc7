"""`backup FILE`, `restore FILE`: the whole state in one file, and back, believed only when it is what was written."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from gateway.cli.console import fail, say
from gateway.cli.proofs import Language, judged, tell
from gateway.cli.settings import ConfigPath, load
from gateway.errors import OurFaultError
from gateway.store.backup import back_up, restored

Verified = Annotated[
    bool, Parameter(name="--verify", negative=(), help="Judge the store first; what does not hold is not copied.")
]


def backup(file: Path, *, verify: Verified = False, config: ConfigPath = None, language: Language = "az") -> None:
    """Copy the whole state into a new file while the gateway runs.

    With --verify everything is first held against the journal; exit code 3: it does not hold, no file was written.
    """
    settings = load(config)
    try:
        if verify:
            began = time.monotonic()
            tell(asyncio.run(judged(settings.store.url, settings)), began, language)
        began = time.monotonic()
        back_up(settings.store.url, file)
    except OurFaultError as error:
        fail(str(error), 1)
    say(f"{file}: {file.stat().st_size} bytes in {time.monotonic() - began:.1f} s")


def restore(file: Path, *, config: ConfigPath = None, language: Language = "az") -> None:
    """Make the configured store of a backup; everything in it is held against the journal before it is called good.

    The store must not exist yet. Exit code 3: it is not what was written, the store is not to be used.
    """
    settings, began = load(config), time.monotonic()
    try:
        with restored(file, settings.store.url) as url:
            tell(asyncio.run(judged(url, settings)), began, language)
    except OurFaultError as error:
        fail(str(error), 1)
