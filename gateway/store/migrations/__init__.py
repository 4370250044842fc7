"""Schema history (alembic): one file per step in `versions`, the same for SQLite and PostgreSQL."""
