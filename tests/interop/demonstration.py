"""`eherrac-gateway demo --yours`: the town of the demonstration, in which a program of somebody else's has a place."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from waiting import PATIENCE_S


@dataclass
class Demonstration:
    """The command at work, and what it has said."""

    process: asyncio.subprocess.Process
    said: list[str] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def played(cls, folder: Path, *, yours: str) -> AsyncIterator[Demonstration]:
        """From its start until it is told to stop, which it must do well."""
        command = ("-m", "gateway.cli", "demo", "--yours", yours, "--folder", str(folder), "--language", "en")
        process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
        try:
            yield cls(process)
        finally:
            process.terminate()
            await process.wait()
        assert process.returncode == 0

    async def until_said(self, *words: str) -> None:
        """Read on until a line has all the words."""
        assert self.process.stdout is not None
        while not (self.said and all(word in self.said[-1] for word in words)):
            line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S)
            assert line, "\n".join(self.said)
            self.said.append(line.decode().rstrip())

    def place(self, name: str) -> str:
        """Host and port of one of those in the town."""
        (found,) = (line for line in self.said if line.startswith(f"  {name} "))
        place = re.search(r"([\w.]+:\d+)(?:/\S*)?$", found)
        assert place
        return place[1]
