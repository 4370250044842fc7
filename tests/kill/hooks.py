"""Puts the named points around functions of the product, from outside: the product itself has no hooks.

Every wrapped name is looked up when the program starts, so what was renamed is found at once; what is no longer called
is found by its count of zero.
"""

from __future__ import annotations

import functools
import os
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from greenlet import getcurrent, greenlet

from kill import points

ADAPTERS = {
    "aos": "adapters.aos.adapter:AosAdapter",
    "asan_pay": "adapters.asan_pay.adapter:AsanPayAdapter",
    "banks": "adapters.banks.adapter:BanksAdapter",
    "ministries": "adapters.ministries.adapter:MinistriesAdapter",
    "notary": "adapters.notary.adapter:NotaryAdapter",
    "platform": "adapters.platform.adapter:PlatformAdapter",
    "refusals": "adapters.ministries.refusals:RefusalsAdapter",
}
WORKS = {
    "add_inbox": points.INTAKE,
    "claim": points.CLAIM,
    "lease": points.CLAIM,
    "ask_conclude": points.BOOKING,
    "reschedule": points.BOOKING,
    "park": points.BOOKING,
    "add_stamp": points.STAMP,
}
CHECKPOINT_PAGES = 200  # 1000 in the product, which one run's lots do not always write
_LOOK_S = 0.0002
_NOTICE_OF_PAYMENT = "payment.state"


class Sentry:
    """Counts how often each point is passed, and kills its process at one of them, or stops it there for a while."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark
        self._armed, self._left, self._deadly = "", 0, True
        self.counts: Counter[str] = Counter()

    def arm(self, point: str, nth: int, *, deadly: bool = True) -> None:
        """Kill or stop this process when the point is passed the nth time from now, unless another was there first."""
        self._left, self._armed, self._deadly = nth, point, deadly

    def waits_for(self, point: str) -> bool:
        return self._armed == point

    def passed(self, point: str) -> None:
        self.counts[point] += 1
        if point == self._armed:
            self._left -= 1
            if self._left == 0:
                self.kill()

    def kill(self) -> None:
        """SIGKILL to itself, or SIGSTOP, once for all processes that share the mark."""
        try:
            descriptor = os.open(self._mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return
        os.write(descriptor, self._armed.encode())
        os.close(descriptor)
        if not self._deadly:
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)  # not reached


def install(sentry: Sentry) -> None:
    """Put every point in its place. Raises AttributeError where the product has no such name any more."""
    works = Works(sentry)
    _commits_of_sqlite(sentry, works)
    _commits_of_postgres(works)
    for name, work in WORKS.items():
        works.watch("gateway.store.transaction:SqlTransaction", name, work)
    for channel, where in ADAPTERS.items():
        _around_sending(sentry, where, channel)
    _before(sentry, "gateway.engine.engine:Engine", "fire", points.TIMER)
    _before(sentry, "aiokafka:AIOKafkaConsumer", "commit", points.RECEIPT)
    _after(sentry, "gateway.engine.engine:Engine", "record_refusal", points.REFUSED)
    _before(sentry, "gateway.engine.answers:AnswerBook", "write", points.ANSWER)
    _before(sentry, "gateway.engine.dispatcher:Dispatcher", "stop", points.DRAINING)
    _after(sentry, "gateway.bootstrap.assembly", "open_store", points.STORE_OPEN)
    _after(sentry, "gateway.bootstrap.assembly", "serve_app", points.DOORS_OPEN)
    _migrations(sentry)
    _dumps(sentry)


def _found(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(import_module(module), name) if name else import_module(module)


def _before(sentry: Sentry, where: str, name: str, point: str) -> None:
    owner = _found(where)
    original = getattr(owner, name)

    @functools.wraps(original)
    async def passing(*args: Any, **options: Any) -> Any:
        sentry.passed(point)
        return await original(*args, **options)

    setattr(owner, name, passing)


def _after(sentry: Sentry, where: str, name: str, point: str) -> None:
    owner = _found(where)
    original = getattr(owner, name)

    @functools.wraps(original)
    async def passing(*args: Any, **options: Any) -> Any:
        result = await original(*args, **options)
        sentry.passed(point)
        return result

    setattr(owner, name, passing)


def _around_sending(sentry: Sentry, where: str, channel: str) -> None:
    from gateway.ports import Acknowledged

    owner = _found(where)
    if hasattr(owner, "send_all"):
        _around_sending_all(sentry, owner, channel)
        return
    original = owner.send

    @functools.wraps(original)
    async def send(self: Any, dispatch: Any) -> Any:
        sentry.passed(points.claimed(channel))
        if getattr(dispatch.body, "kind", None) == _NOTICE_OF_PAYMENT and dispatch.body.state == "settled":
            sentry.passed(points.FINAL_STATUS)
        outcome = await original(self, dispatch)
        if isinstance(outcome, Acknowledged):
            sentry.passed(points.sent(channel))
        return outcome

    owner.send = send


def _around_sending_all(sentry: Sentry, owner: Any, channel: str) -> None:
    """Its `send` goes through this one too."""
    from gateway.ports import Acknowledged

    original = owner.send_all

    @functools.wraps(original)
    async def send_all(self: Any, dispatches: Any) -> Any:
        sentry.passed(points.claimed(channel))
        outcomes = await original(self, dispatches)
        if any(isinstance(outcome, Acknowledged) for outcome in outcomes):
            sentry.passed(points.sent(channel))
        return outcomes

    owner.send_all = send_all


# -- commits ----------------------------------------------------------------------------------------------------------


class Works:
    """What each transaction under way has written, by the names of `points`: one to a thread or greenlet."""

    def __init__(self, sentry: Sentry) -> None:
        self._sentry = sentry
        self._here: WeakKeyDictionary[greenlet, set[str]] = WeakKeyDictionary()

    def watch(self, where: str, name: str, work: str) -> None:
        """A call that did something (its result is not empty) marks its transaction."""
        owner = _found(where)
        original = getattr(owner, name)

        @functools.wraps(original)
        def noting(*args: Any, **options: Any) -> Any:
            result = original(*args, **options)
            if result is None or result:
                self._written().add(work)
            return result

        setattr(owner, name, noting)

    def commit(self, commit: Callable[[], Any], begun_by: greenlet | None = None) -> Any:
        """`begun_by`: whose transaction it is, where another thread commits it."""
        whose = getcurrent() if begun_by is None else begun_by
        written = sorted(self._here.get(whose, ()))
        for work in written:
            self._sentry.passed(points.uncommitted(work))
        result = commit()
        self._here.pop(whose, None)
        for work in written:
            self._sentry.passed(points.committed(work))
        return result

    def forget(self) -> None:
        self._here.pop(getcurrent(), None)

    def _written(self) -> set[str]:
        return self._here.setdefault(getcurrent(), set())


def _commits_of_sqlite(sentry: Sentry, works: Works) -> None:
    class Watched(sqlite3.Connection):
        """A connection whose commits, checkpoints and copies are points."""

        def __init__(self, database: Any, *args: Any, **options: Any) -> None:
            super().__init__(database, *args, **options)
            self._file = str(database)
            self._begun_by: greenlet | None = None
            super().execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            execute = super().execute
            if sql == "BEGIN IMMEDIATE":
                self._begun_by = getcurrent()
            if sql == "COMMIT":
                return works.commit(
                    lambda: _in_checkpoint(sentry, self._file, lambda: execute(sql)), begun_by=self._begun_by
                )
            if sql == "ROLLBACK":
                works.forget()
            return execute(sql, *values)

        def backup(self, target: sqlite3.Connection, **_: Any) -> None:
            super().backup(target, pages=64, progress=lambda *_: sentry.passed(points.BACKING_UP))

    sqlite3.connect = functools.partial(sqlite3.connect, factory=Watched)


def _in_checkpoint(sentry: Sentry, file: str, commit: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
    """A commit copies the log into the main file now and then: only then does the main file change."""
    before = _changed_at(file)
    if sentry.waits_for(points.CHECKPOINT):
        over = threading.Event()
        threading.Thread(target=_kill_at_change, args=(sentry, file, before, over), daemon=True).start()
        try:
            return commit()
        finally:
            over.set()
    result = commit()
    if _changed_at(file) != before:
        sentry.passed(points.CHECKPOINT)
    return result


def _kill_at_change(sentry: Sentry, file: str, before: int, over: threading.Event) -> None:
    while not over.is_set():
        if _changed_at(file) != before:
            sentry.kill()
        time.sleep(_LOOK_S)


def _changed_at(file: str) -> int:
    try:
        return os.stat(file).st_mtime_ns
    except OSError:
        return 0


def _commits_of_postgres(works: Works) -> None:
    link = _found("gateway.store.link:Link")
    commit, undo = link.commit, link.undo

    def committing(self: Any) -> None:
        works.commit(lambda: commit(self))

    def undoing(self: Any) -> None:
        works.forget()
        undo(self)

    link.commit, link.undo = committing, undoing


# -- migrations, copies -----------------------------------------------------------------------------------------------


def _migrations(sentry: Sentry) -> None:
    schema = _found("gateway.store.schema")
    original = schema._run_steps

    def run_steps(connection: Any) -> None:
        import sqlalchemy

        sqlalchemy.event.listen(connection, "after_cursor_execute", lambda *_: sentry.passed(points.MIGRATING))
        original(connection)
        sentry.passed(points.MIGRATED)

    schema._run_steps = run_steps


def _dumps(sentry: Sentry) -> None:
    """While `pg_dump` writes."""
    backup = _found("gateway.store.backup")
    original = backup._dump

    def dump(url: str, target: Path) -> None:
        over = threading.Event()
        looking = threading.Thread(target=_pass_when_written, args=(sentry, target, over), daemon=True)
        looking.start()
        try:
            original(url, target)
        finally:
            over.set()
        looking.join()
        sentry.passed(points.BACKING_UP)  # written between two looks; it has not got its name yet

    backup._dump = dump


def _pass_when_written(sentry: Sentry, file: Path, over: threading.Event) -> None:
    while not over.is_set():
        if file.exists():
            sentry.passed(points.BACKING_UP)
            return
        time.sleep(_LOOK_S)
