"""What was refused at the doors is found by sender and by code, without walking the journal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0006"
down_revision = "v0005"

_CODE = {"sqlite": "json_extract(data, '$.code')", "postgresql": "(CAST(data AS jsonb) ->> 'code')"}


def upgrade() -> None:
    code = sa.text(_CODE[op.get_context().dialect.name])
    for name, columns in (
        ("journal_refusals", ()),
        ("journal_refusals_of_sender", ("noun_id",)),
        ("journal_refusals_with_code", (code,)),
        ("journal_refusals_of_sender_with_code", ("noun_id", code)),
    ):
        refused = sa.text("event = 'RequestRefused'")
        op.create_index(name, "journal", ["event", *columns, "seq"], sqlite_where=refused, postgresql_where=refused)
