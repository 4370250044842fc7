"""A journal line says what its step wrote besides; lines of before say nothing and stay as they are (ADR 22)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0011"
down_revision = "v0010"


def upgrade() -> None:
    op.add_column("journal", sa.Column("bound", sa.Text(), nullable=True))
