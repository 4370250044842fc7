"""Which signed requests were answered already: a mark each, until it is too old to be accepted anyway."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0007"
down_revision = "v0006"


def upgrade() -> None:
    op.create_table(
        "signatures_seen",
        sa.Column("mark", sa.LargeBinary(), primary_key=True),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("signatures_seen_by_until", "signatures_seen", ["until"])
