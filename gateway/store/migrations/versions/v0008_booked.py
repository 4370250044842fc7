"""The schedule goes by the attempts whose end is known: a claim that a death interrupted uses none of it up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0008"
down_revision = "v0007"


def upgrade() -> None:
    op.add_column("outbox", sa.Column("booked", sa.BigInteger(), nullable=False, server_default="0"))
    # What is under way now has not ended yet; every claim before it is taken to have been booked.
    op.execute("UPDATE outbox SET booked = attempt - CASE WHEN lease_owner IS NULL THEN 0 ELSE 1 END WHERE attempt > 0")
