"""Which statements the store ran, and which of them were committed together. Reading alone is not recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bench.recording import Recorder, Statement, named
from gateway.store import postgres, sqlite, sqlite_works
from gateway.store.link import Control
from gateway.store.session import named_queries


def install(recorder: Recorder) -> None:
    """Record whichever database is used."""
    _install_sqlite(recorder)
    _install_postgres(recorder)


def _install_postgres(recorder: Recorder) -> None:
    """Every work is a transaction of its own, on a link that it has to itself."""
    recording, texts = recorder.recording, named_queries("postgresql")
    session, attempt = postgres.PostgresSession, postgres._attempt
    select_each, write, ask = session.select_each, session.write, session.ask
    sent: dict[Any, list[Statement]] = {}  # by link

    def selected(self: Any, query: str, each: Sequence[dict[str, Any]]) -> Any:
        columns, rows = select_each(self, query, each)
        sent[self.link] += [Statement(texts[query], named(values), len(rows)) for values in each]
        return columns, rows

    def asked(self: Any, cls: Any, query: str, each: Sequence[Any]) -> Any:
        found, mine = ask(self, cls, query, each), sent[self.link]
        first = len(mine)
        mine += [Statement(texts[query], named(values), 1) for values in each]

        def answered() -> Any:
            rows = found()
            mine[first : first + len(each)] = [replace(one, changed=len(rows)) for one in mine[first:][: len(each)]]
            return rows

        return answered

    def written(self: Any, query: str, rows: Sequence[dict[str, Any]], otherwise: Any = None) -> None:
        write(self, query, rows, otherwise)
        sent[self.link] += [Statement(texts[query], named(values), 1) for values in rows]

    def ran(link: Any, job: Any) -> None:
        sent[link] = []
        attempt(link, job)
        if job.begin is Control.WRITE and job.error is None:
            recording.commits.append(sent[link])
            recording.works += 1

    session.select_each, session.write, session.ask = selected, written, asked  # type: ignore[method-assign]
    postgres._attempt = ran


def _install_sqlite(recorder: Recorder) -> None:
    """Record what the writing connection does; the reading one commits nothing."""
    open_statements: list[Statement] = []
    recording = recorder.recording
    select, change, change_each = (
        sqlite.SqliteSession.select,
        sqlite.SqliteSession.change,
        sqlite.SqliteSession.change_each,
    )
    run_first, commit, texts = sqlite_works.Writes._run_first, sqlite_works.Writes._commit, named_queries("sqlite")

    def selected(session: Any, query: str, values: dict[str, Any]) -> Any:
        columns, rows = select(session, query, values)
        if _is_writing(session):
            open_statements.append(Statement(texts[query], named(values), len(rows)))
        return columns, rows

    def changed(session: Any, query: str, values: dict[str, Any]) -> int:
        count = change(session, query, values)
        if _is_writing(session):
            open_statements.append(Statement(texts[query], named(values), count))
        return count

    def changed_each(session: Any, query: str, rows: Sequence[dict[str, Any]]) -> int:
        count = change_each(session, query, rows)
        if _is_writing(session):
            open_statements.extend(Statement(texts[query], named(values), 1) for values in rows)
        return count

    def began(writes: Any, job: Any) -> None:
        open_statements.clear()
        run_first(writes, job)

    async def committed(writes: Any) -> None:
        recording.commits.append(list(open_statements))
        recording.works += len(writes._group)
        await commit(writes)

    sqlite.SqliteSession.select = selected  # type: ignore[method-assign, assignment]
    sqlite.SqliteSession.change = changed  # type: ignore[method-assign, assignment]
    sqlite.SqliteSession.change_each = changed_each  # type: ignore[method-assign, assignment]
    sqlite_works.Writes._run_first = began  # type: ignore[method-assign, assignment]
    sqlite_works.Writes._commit = committed  # type: ignore[method-assign, assignment]


def _is_writing(session: Any) -> bool:
    return bool(session._connection.in_transaction) and not _is_read_only(session)


def _is_read_only(session: Any) -> bool:
    if not hasattr(session, "bench_read_only"):
        session.bench_read_only = bool(session._connection.execute("PRAGMA query_only").fetchone()[0])
    return bool(session.bench_read_only)
