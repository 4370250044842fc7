"""Refusals at the doors, written down in batches: a flood of them must not take the store from honest senders.

At most one transaction is under way for all refusals of a book. Whoever is refused meanwhile waits for the next one,
which holds everybody who came, so that a flooding sender slows down itself alone. Of one sender up to `LINES_MAX` in a
batch have a journal line of their own; the others are counted by code in one line more, and where a `pause` is given
the next batch waits for it: that is for strangers, whom no quota bounds, and who would fill the disk line by line.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from contracts.errors import Refusal
from gateway.domain.door import RequestRefused, RequestsRefused
from gateway.store.errors import StoreUnavailableError

TEXT_MAX_CHARS = 300  # of a line's path and of each of its facts: a stranger's path may have 8 kB
LINES_MAX = 32  # a step follows 500 events at most, and nobody reads more of one moment
Lines = Mapping[str, Sequence[RequestRefused | RequestsRefused]]
"""What each sender was refused, in order."""


@dataclass(slots=True)
class _Batch:
    """What is written together; `done` when it is durable, or with what broke."""

    done: asyncio.Future[None]
    lines: dict[str, list[RequestRefused]] = field(default_factory=dict)
    more: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, sender: str, event: RequestRefused) -> None:
        own = self.lines.setdefault(sender, [])
        if len(own) < LINES_MAX:
            own.append(event)
        else:
            self.more.setdefault(sender, Counter())[event.code] += 1

    def events(self) -> dict[str, list[RequestRefused | RequestsRefused]]:
        return {
            sender: [*own, *([RequestsRefused(codes=dict(self.more[sender]))] if sender in self.more else [])]
            for sender, own in self.lines.items()
        }


class RefusalBook:
    """Collects refusals and has `write` put each batch into one transaction."""

    def __init__(
        self,
        write: Callable[[Lines], Awaitable[None]],
        *,
        nameless: str,
        pause: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._write, self._nameless, self._pause = write, nameless, pause
        self._next: _Batch | None = None
        self._writing: asyncio.Task[None] | None = None

    async def note(self, source: str | None, what: str, refusal: Refusal, *, digest: str = "") -> None:
        """Return once the refusal is durable, by itself or among those counted.

        Raises:
            StoreError: what the store raises, or that the writing was given up; then nothing is known to be written.
        """
        if self._next is None:
            self._next = _Batch(done=asyncio.get_running_loop().create_future())
        batch = self._next
        event = RequestRefused.of(what, refusal, digest=digest, chars_max=TEXT_MAX_CHARS)
        batch.add(source or self._nameless, event)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="refusals")
        await asyncio.shield(batch.done)

    async def _write_all(self) -> None:
        try:
            while (batch := self._next) is not None:
                self._next = None
                await self._write_one(batch)
                if self._pause is not None and batch.more:
                    await self._pause()
        finally:
            self._writing = None
            if self._next is not None:  # the writing was cancelled: nobody would take up who came meanwhile
                self._next.done.set_exception(_given_up())
                self._next = None

    async def _write_one(self, batch: _Batch) -> None:
        try:
            await self._write(batch.events())
        except Exception as error:  # told to everybody who waits for it
            batch.done.set_exception(error)
        except BaseException:  # cancelled: whoever waits is not
            batch.done.set_exception(_given_up())
            raise
        else:
            batch.done.set_result(None)


def _given_up() -> StoreUnavailableError:
    return StoreUnavailableError("the writing of refusals was given up")
