"""When the world is to do something to a noun: what an auction that closes within the hour may cost is found by it."""

from __future__ import annotations

import json
from datetime import datetime

import sqlalchemy as sa
from alembic import op

from gateway.store.mapping import to_micros

revision = "v0005"
down_revision = "v0004"


def upgrade() -> None:
    known = sa.text("expected_at IS NOT NULL")
    op.add_column("nouns", sa.Column("expected_at", sa.BigInteger(), nullable=True))
    _announced_lots()
    op.create_index(
        "nouns_expected", "nouns", ["noun", "expected_at", "id"], sqlite_where=known, postgresql_where=known
    )


def _announced_lots() -> None:
    """Lots that were announced before say when they are auctioned in their data."""
    connection = op.get_bind()
    announced = sa.text("SELECT id, data FROM nouns WHERE noun = 'lot' AND state = 'announced'")
    change = sa.text("UPDATE nouns SET expected_at = :at WHERE noun = 'lot' AND id = :id")
    for id, data in connection.execute(announced).all():
        at = datetime.fromisoformat(json.loads(data)["auction_at"])
        connection.execute(change, {"id": id, "at": to_micros(at)})
