"""A person's retry of all that is parked, of one recipient or of everybody: in pages, each row decided by itself."""

from __future__ import annotations

from gateway.engine.engine import Engine

_PAGE = 500


async def requeue_parked(engine: Engine, *, recipient: str | None, person: str, most: int | None = None) -> int:
    """How many are due again, `most` of them at most. What another has decided about meanwhile is passed over."""
    count = after = 0
    while most is None or count < most:
        limit = _PAGE if most is None else min(_PAGE, most - count)
        rows = await engine.store.read(
            lambda reader, after=after, limit=limit: reader.list_outbox(  # type: ignore[misc]
                recipient=recipient, parked=True, after=after, limit=limit
            )
        )
        if not rows:
            break
        for row in rows:
            count += await engine.requeue(row.id, person=person)
        after = rows[-1].seq
    return count
