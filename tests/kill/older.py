"""A populated store of a revision before: made by the migrations, filled with what the present one holds."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.engine.journal import GENESIS, link
from gateway.engine.merkle import root_of
from gateway.store.mapping import from_micros
from gateway.store.rows import JournalEntry
from kill.points import Engine
from kill.processes import ROOT

if TYPE_CHECKING:
    from kill.besieged import Besieged

_OWN = "alembic_version"
_BY_DIGEST = """evidence (sha256, content)
SELECT sha256, content FROM {links} WHERE content IS NOT NULL ON CONFLICT DO NOTHING"""  # as up to v0009


async def make_older(city: Besieged, revision: str) -> None:
    """In place of the present store; nobody may have it open. What only later revisions know is left behind."""
    if city.backing.engine is Engine.SQLITE:
        await asyncio.to_thread(_older_sqlite, Path(city.system.url.removeprefix("sqlite:///")), revision)
    else:
        await asyncio.to_thread(_older_postgres, city.backing.dsn, city.schema, revision)


def revision_before() -> str:
    """Of the newest one."""
    return _revisions(ROOT)[-2]


def newest_of(build: Path) -> str:
    """The newest revision that the program in this folder knows."""
    return _revisions(build)[-1]


def _revisions(build: Path) -> list[str]:
    files = (build / "gateway" / "store" / "migrations" / "versions").glob("v*.py")
    return sorted(file.name.partition("_")[0] for file in files)


def _upgrade(connection: Any, revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "gateway.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _older_sqlite(path: Path, revision: str) -> None:
    import sqlalchemy

    newer = path.with_name("newer.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode=DELETE")
    path.rename(newer)
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        _upgrade(connection, revision)
    engine.dispose()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute(f"ATTACH '{newer}' AS newer")
        for (table,) in connection.execute(
            "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall():
            if table != _OWN:
                columns = _common(connection, table)
                connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")
        connection.execute(f"INSERT INTO main.{_BY_DIGEST.format(links='newer.evidence_links')}")
        _unbind(connection, "main", "?")
        connection.commit()
    newer.unlink()


def _common(connection: sqlite3.Connection, table: str) -> str:
    here, there = (
        {row[1] for row in connection.execute(f"PRAGMA {schema}.table_info({table})")} for schema in ("main", "newer")
    )
    return ", ".join(f'"{name}"' for name in sorted(here & there))


def _older_postgres(dsn: str, schema: str, revision: str) -> None:
    import psycopg
    import sqlalchemy

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"ALTER SCHEMA {schema} RENAME TO {schema}_newer".encode())
        connection.execute(f"CREATE SCHEMA {schema}".encode())
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(dsn, options=f"-csearch_path={schema}")
    )
    with engine.begin() as connection:
        _upgrade(connection, revision)
    engine.dispose()
    with psycopg.connect(dsn) as connection:
        for table, columns, serial in _tables(connection, schema):
            connection.execute(
                f"INSERT INTO {schema}.{table} ({columns}) OVERRIDING SYSTEM VALUE "
                f"SELECT {columns} FROM {schema}_newer.{table}".encode()
            )
            if serial:
                connection.execute(
                    f"SELECT setval(pg_get_serial_sequence('{schema}.{table}', '{serial}'), max({serial})) "
                    f"FROM {schema}.{table}".encode()
                )
        by_digest = _BY_DIGEST.format(links=f"{schema}_newer.evidence_links")
        connection.execute(f"INSERT INTO {schema}.{by_digest}".encode())
        _unbind(connection, schema, "%s")
        connection.execute(f"DROP SCHEMA {schema}_newer CASCADE".encode())


def _tables(connection: Any, schema: str) -> list[tuple[str, str, str | None]]:
    """Table, the columns both revisions have, and the column that numbers its rows."""
    rows = connection.execute(
        """
        SELECT here.table_name, string_agg(quote_ident(here.column_name), ', '),
               max(CASE WHEN pg_get_serial_sequence(%(here)s || '.' || here.table_name, here.column_name) IS NOT NULL
                        THEN here.column_name END)
        FROM information_schema.columns AS here
        JOIN information_schema.columns AS there USING (table_name, column_name)
        WHERE here.table_schema = %(here)s AND there.table_schema = %(there)s AND here.table_name <> %(own)s
        GROUP BY here.table_name
        """,
        {"here": schema, "there": f"{schema}_newer", "own": _OWN},
    ).fetchall()
    return [(str(table), str(columns), serial) for table, columns, serial in rows]


def _unbind(connection: Any, schema: str, mark: str) -> None:
    """Chains, heads and stamped leaves as the revision before wrote them: its lines bind nothing. Tokens stay."""
    columns = [field.name for field in fields(JournalEntry) if field.name not in ("prev_hash", "hash", "bound")]
    listing = f"SELECT seq, {', '.join(columns)} FROM {schema}.journal ORDER BY noun, noun_id, version"
    relink = f"UPDATE {schema}.journal SET prev_hash = {mark}, hash = {mark} WHERE seq = {mark}"
    ahead = f"UPDATE {schema}.nouns SET head_hash = {mark} WHERE noun = {mark} AND id = {mark}"
    head = GENESIS
    for seq, *values in connection.execute(listing).fetchall():
        known = dict(zip(columns, values, strict=True))
        known["at"] = from_micros(known["at"])
        line = link(JournalEntry(**known, prev_hash=GENESIS if known["version"] == 1 else head, hash=b""))
        head = line.hash
        connection.execute(relink, (line.prev_hash, head, seq))
        connection.execute(ahead, (head, line.noun, line.noun_id))
    leaves = f"SELECT hash FROM {schema}.journal WHERE seq >= {mark} AND seq <= {mark} ORDER BY seq"
    stamp = f"UPDATE {schema}.time_stamps SET leaves = {mark}, root = {mark} WHERE first_seq = {mark}"
    for first, last in connection.execute(f"SELECT first_seq, last_seq FROM {schema}.time_stamps").fetchall():
        hashes = [bytes(leaf) for (leaf,) in connection.execute(leaves, (first, last)).fetchall()]
        connection.execute(stamp, (b"".join(hashes), root_of(hashes), first))
