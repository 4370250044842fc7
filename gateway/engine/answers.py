"""Keeping our signed answers beside the requests they answer, off the path of the answer itself.

Doors hand messages in through the book; when the signed answer leaves, the book is told, and writes many at once a
moment later. What a crash takes in that moment is a copy of an answer, never what it said: the state is on disk, and
the sender who asks again gets an answer that is kept. The answer to a repetition is kept, with the repetition it is
bound to, only where none was kept before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog

from gateway.engine.engine import Engine
from gateway.ports import Answer, Exhibit, Message
from gateway.store.errors import StoreError
from gateway.store.interface import Reader
from gateway.store.rows import EvidenceItem
from gateway.store.turns import Turn

PAUSE_S = 0.2  # between an answer and its writing; others join the same commit
WRITE_MAX = 256  # answers in one commit

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered:
    """An exchange that is over: `sent` left at `at`."""

    message: Message
    answer: Answer
    sent: Exhibit
    at: datetime


class AnswerBook:
    """A receiver in front of the engine's. `run` until cancelled, then `write` what is left."""

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime], pause_s: float = PAUSE_S) -> None:
        self._engine, self._clock, self._pause_s = engine, clock, pause_s
        self._open: dict[Exhibit, tuple[Message, Answer]] = {}
        self._waiting: list[_Answered] = []
        self._some = asyncio.Event()
        self._writing = asyncio.Lock()  # two who write at once would write the same

    async def receive(self, message: Message) -> Answer:
        """As the engine does; what is accepted is remembered until its answer has left."""
        answer = await self._engine.receive(message)
        for request in message.exhibits:
            self._open[request] = (message, answer)
        return answer

    def answered(self, request: Exhibit, sent: Callable[[], Exhibit]) -> None:
        """The answer to a request is leaving; `sent` makes its exhibit, and only for what was accepted."""
        opened = self._open.pop(request, None)
        if opened is None:
            return
        message, answer = opened
        self._waiting.append(_Answered(message=message, answer=answer, sent=sent(), at=self._clock()))
        self._some.set()

    async def run(self) -> None:
        """Write until cancelled; a store that is away is asked again."""
        while True:
            await self._some.wait()
            await asyncio.sleep(self._pause_s)
            self._some.clear()
            try:
                await self.write()
            except StoreError as error:
                _log.warning("answers not kept yet", reason=str(error), waiting=len(self._waiting))
                self._some.set()

    async def close(self, task: asyncio.Task[None]) -> None:
        """End `run` and write what is left."""
        async with self._writing:  # cancelled in the middle, it would be on disk and wait here all the same
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await self.write()

    async def write(self) -> None:
        """Write everything that waits.

        Raises:
            StoreError: nothing more was written; what waits still waits.
        """
        async with self._writing:
            while self._waiting:
                batch = self._waiting[:WRITE_MAX]
                await self._write(batch)
                del self._waiting[: len(batch)]

    async def _write(self, batch: list[_Answered]) -> None:
        items = await self._engine.store.read(lambda reader: _items(reader, batch), Turn.UNDER_WAY)
        await self._engine.store.transact(lambda tx: tx.add_evidence(*items), Turn.UNDER_WAY)


def _items(reader: Reader, batch: list[_Answered]) -> list[EvidenceItem]:
    return [_item(reader, done, kept) for done in batch for kept in _wanted(reader, done)]


def _wanted(reader: Reader, done: _Answered) -> tuple[Exhibit, ...]:
    if not done.answer.repeated:
        return (done.sent,)
    kept = reader.evidence_of(done.answer.noun, done.answer.id)
    key = (done.message.source, done.message.id, "out")
    if any((row.message_source, row.message_id, row.direction) == key for row in kept):
        return ()
    return (*done.message.exhibits, done.sent)


def _item(reader: Reader, done: _Answered, kept: Exhibit) -> EvidenceItem:
    noun = reader.noun(done.answer.noun, done.answer.id)
    return EvidenceItem(
        noun=done.answer.noun,
        noun_id=done.answer.id,
        lot_id="" if noun is None else noun.lot_id,
        direction=kept.direction,
        message_source=done.message.source,
        message_id=done.message.id,
        at=done.at,
        signer=kept.signer,
        certificate_sha256=kept.certificate_sha256,
        media_type=kept.media_type,
        content=kept.content,
    )
