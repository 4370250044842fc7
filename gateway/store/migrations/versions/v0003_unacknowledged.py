"""What a recipient has not acknowledged is found without walking its feed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0003"
down_revision = "v0002"


def upgrade() -> None:
    open_in_feed = sa.text("sequence IS NOT NULL AND concluded_at IS NULL")
    op.create_index(
        "outbox_unacknowledged",
        "outbox",
        ["recipient", "sequence"],
        sqlite_where=open_in_feed,
        postgresql_where=open_in_feed,
    )
