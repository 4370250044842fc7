"""The tables of the mechanism: nouns, aliases, inbox, journal, outbox, feeds, documents, evidence.

Instants are microseconds since 1970 UTC. Narrow tables only ever reached by their key have no row id on SQLite.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "v0001"
down_revision = None

INSTANT = sa.BigInteger()
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _nouns()
    _inbox()
    _journal()
    _outbox()
    _feeds()
    _kept()


def _text(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=null)


def _instant(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, INSTANT, nullable=null)


def _seq() -> sa.Column[Any]:
    return sa.Column("seq", SERIAL, sa.Identity(always=True), primary_key=True)


def _partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _nouns() -> None:
    op.create_table(
        "nouns",
        _text("noun"),
        _text("id"),
        _text("state"),
        sa.Column("version", sa.BigInteger(), nullable=False),
        _text("lot_id"),
        _text("owner"),
        _text("data"),
        sa.Column("head_hash", sa.LargeBinary(), nullable=False),
        _instant("updated_at"),
        sa.PrimaryKeyConstraint("noun", "id"),
    )
    op.create_index("nouns_by_lot", "nouns", ["lot_id", "noun", "id"])
    op.create_index("nouns_by_state", "nouns", ["noun", "state", "id"])
    op.create_index("nouns_by_owner", "nouns", ["owner", "noun", "id"])
    op.create_index("nouns_by_owner_and_state", "nouns", ["owner", "noun", "state", "id"])
    op.create_table(
        "aliases",
        _text("scheme"),
        _text("value"),
        _text("noun"),
        _text("id"),
        sa.PrimaryKeyConstraint("scheme", "value"),
        sqlite_with_rowid=False,
    )


def _inbox() -> None:
    op.create_table(
        "inbox",
        _text("source"),
        _text("message_id"),
        _text("digest"),
        _text("noun"),
        _text("noun_id"),
        _text("answer"),
        _instant("received_at"),
        sa.PrimaryKeyConstraint("source", "message_id"),
        sqlite_with_rowid=False,
    )


def _journal() -> None:
    op.create_table(
        "journal",
        _seq(),
        _text("noun"),
        _text("noun_id"),
        sa.Column("version", sa.BigInteger(), nullable=False),
        _text("lot_id"),
        _text("owner"),
        _instant("at"),
        _text("event"),
        _text("before", null=True),
        _text("after"),
        _text("cause_source"),
        _text("cause_id"),
        _text("data"),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
    )
    op.create_index("journal_chain", "journal", ["noun", "noun_id", "version"], unique=True)
    op.create_index("journal_by_lot", "journal", ["lot_id", "seq"])
    op.create_index("journal_by_owner", "journal", ["owner", "seq"])


def _outbox() -> None:
    op.create_table(
        "outbox",
        _seq(),
        _text("id"),
        _text("channel"),
        _text("recipient"),
        _text("order_key", null=True),
        _text("noun"),
        _text("noun_id"),
        _text("name", null=True),
        _text("body_type"),
        _text("state"),
        _instant("due_at"),
        _instant("visible_at", null=True),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        _text("lease_owner", null=True),
        _instant("parked_at", null=True),
        _instant("concluded_at", null=True),
        _instant("created_at"),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("state_version", sa.BigInteger(), nullable=False),
        _text("attachment_document_id", null=True),
        _text("last_error", null=True),
        _text("body"),
    )
    op.create_index("outbox_id", "outbox", ["id"], unique=True)
    _partial_index("outbox_claimable", "outbox", ["channel", "visible_at", "seq"], "visible_at IS NOT NULL")
    open_in_order = "order_key IS NOT NULL AND concluded_at IS NULL"
    _partial_index("outbox_in_order", "outbox", ["order_key", "seq"], open_in_order)
    _partial_index("outbox_of_noun", "outbox", ["noun", "noun_id", "name"], "concluded_at IS NULL", unique=True)
    _partial_index("outbox_open", "outbox", ["seq"], "concluded_at IS NULL")
    _partial_index("outbox_parked", "outbox", ["seq"], "parked_at IS NOT NULL")
    if op.get_context().dialect.name == "postgresql":
        # Every row is rewritten a few times in a short life: swept early, or claims walk along dead entries.
        op.execute("ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0.01, fillfactor = 80)")


def _feeds() -> None:
    op.create_table(
        "feed",
        _text("recipient"),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        _text("outbox_id"),
        _text("kind"),
        _text("body"),
        _instant("created_at"),
        sa.PrimaryKeyConstraint("recipient", "sequence"),
    )
    op.create_table(
        "feed_heads",
        sa.Column("recipient", sa.Text(), primary_key=True),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )


def _kept() -> None:
    op.create_table(
        "documents",
        sa.Column("id", sa.Text(), primary_key=True),
        _text("media_type"),
        _text("sha256"),
        _instant("created_at"),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "evidence",
        sa.Column("sha256", sa.Text(), primary_key=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "evidence_links",
        _seq(),
        _text("noun"),
        _text("noun_id"),
        _text("lot_id"),
        _text("direction"),
        _text("message_source"),
        _text("message_id"),
        _instant("at"),
        _text("signer", null=True),
        _text("certificate_sha256", null=True),
        _text("media_type"),
        _text("sha256"),
    )
    op.create_index("evidence_by_noun", "evidence_links", ["noun", "noun_id", "seq"])
    op.create_index("evidence_by_lot", "evidence_links", ["lot_id", "seq"])
