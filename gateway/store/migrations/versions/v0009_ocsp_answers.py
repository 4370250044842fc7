"""OCSP answers as they were when signers were judged by them: what an evidence file brings along."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0009"
down_revision = "v0008"


def upgrade() -> None:
    op.create_table(
        "ocsp_answers",
        sa.Column("sha256", sa.Text(), primary_key=True),
        sa.Column("participant", sa.Text(), nullable=False),
        sa.Column("certificate_sha256", sa.Text(), nullable=False),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ocsp_answers_by_participant", "ocsp_answers", ["participant", "kept_at"])
