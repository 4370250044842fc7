"""Whether a connection stays with one session of the server, which a pooler in between may not grant.

Our statements are prepared and our settings made once for each connection, and a connection says by a lock that it is
there. Behind a pooler that gives the session to another client between two transactions (PgBouncer with
`pool_mode = transaction`) all of this holds by chance, as long as there are no more sessions than connections.
"""

from __future__ import annotations

from psycopg import Connection

from gateway.store.errors import StoreError

_PROCESS = "SELECT pg_backend_pid()"


class SharedSessionError(StoreError):
    """The session behind our connection goes from hand to hand."""

    def __init__(self) -> None:
        super().__init__(
            "between this program and PostgreSQL stands a pooler that shares a session among its clients:"
            " it must keep one for each connection (PgBouncer: pool_mode = session)"
        )


def check_session(dsn: str) -> None:
    """See that a connection keeps its session while another one works.

    Raises:
        SharedSessionError: it does not.
        psycopg.Error: no connection.
    """
    with Connection.connect(dsn, autocommit=True) as ours:
        process = _process(ours)
        if process == ours.info.backend_pid:
            return  # nobody stands in between: a pooler makes up a number of its own
        with Connection.connect(dsn) as another:
            _process(another)  # it has begun a transaction, and most likely been given what we have let go of
            if _process(ours) != process:
                raise SharedSessionError


def _process(connection: Connection) -> int:
    row = connection.execute(_PROCESS).fetchone()
    assert row is not None
    number: int = row[0]
    return number
