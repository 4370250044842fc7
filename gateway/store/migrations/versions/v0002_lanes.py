"""Claims go lane by lane (channel and recipient), so the index they walk begins with both."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0002"
down_revision = "v0001"


def upgrade() -> None:
    waiting = sa.text("visible_at IS NOT NULL")
    op.drop_index("outbox_claimable", "outbox")
    op.create_index(
        "outbox_claimable",
        "outbox",
        ["channel", "recipient", "visible_at", "seq"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
