"""Evidence lies beside the line that says whose it is; what was kept before stays, by its digest (ADR 21)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0010"
down_revision = "v0009"


def upgrade() -> None:
    op.add_column("evidence_links", sa.Column("content", sa.LargeBinary(), nullable=True))
