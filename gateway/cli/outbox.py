"""`outbox list|retry|discard`: what waits to be sent, and a person's decisions about what is parked."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from gateway.cli.console import fail, say
from gateway.cli.settings import ConfigPath, load
from gateway.cli.show import with_store
from gateway.config import Config
from gateway.engine.engine import Engine
from gateway.store import Store

Person = Annotated[str, Parameter(help="Your name: the decision is written down with it.")]

app = App(name="outbox", help="What waits to be sent; sending it again, or never.")


@app.command(name="list")
def list_(*, config: ConfigPath = None, parked: bool = False, recipient: str | None = None, limit: int = 100) -> None:
    """What is not yet delivered, oldest first; `--parked` only what waits for a person."""

    async def work(store: Store) -> None:
        rows = await store.read(
            lambda reader: reader.list_outbox(recipient=recipient, parked=True if parked else None, limit=limit)
        )
        for row in rows:
            name = row.name or row.body_type
            say(
                f"{row.state:<8} {row.channel:<10} {row.recipient:<10} {name:<18} {row.id:<50} "
                f"attempts {row.booked} due {row.due_at:%Y-%m-%d %H:%M:%S} {row.last_error or ''}"
            )
        say(f"{len(rows)} rows")

    with_store(config, work)


@app.command
def retry(
    id: str | None = None,
    *,
    person: Person,
    recipient: Annotated[str | None, Parameter(help="Everything parked of this recipient.")] = None,
    all_parked: Annotated[bool, Parameter(help="Everything parked.")] = False,
    config: ConfigPath = None,
) -> None:
    """Send what is parked again now, under the same ids: one row, one recipient's, or all."""
    if [id is not None, recipient is not None, all_parked].count(True) != 1:
        fail("give one of: ID, --recipient CODE, --all-parked")

    async def work(store: Store) -> None:
        engine = engine_for(store, load(config))
        if id is not None:
            if not await engine.parked.requeue(id, person=person):
                fail(f"{id} is not parked", 1)
            say(f"{id} is due again")
            return
        count = await engine.parked.requeue_all(recipient=recipient, person=person)
        say(f"{count} rows are due again")

    with_store(config, work)


@app.command
def discard(
    id: str,
    *,
    reason: Annotated[str, Parameter(help="Why it need never be sent.")],
    person: Person,
    config: ConfigPath = None,
) -> None:
    """Never send a parked row; what waited behind it goes on."""

    async def work(store: Store) -> None:
        if not await engine_for(store, load(config)).parked.discard(id, person=person, reason=reason):
            fail(f"{id} is not parked", 1)
        say(f"{id} is discarded")

    with_store(config, work)


def engine_for(store: Store, settings: Config) -> Engine:
    """For a person's decision; what follows from it is sent by the serving process."""
    from gateway.bootstrap import policies, utc_now
    from gateway.config import build_rulebook
    from gateway.domain.nouns import TABLES

    return Engine(store, TABLES, build_rulebook(settings), clock=utc_now, policies=policies(settings))
