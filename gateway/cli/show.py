"""`lot show`, `payment show`: look into the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar

from cyclopts import App, Parameter

from gateway import timeline
from gateway.cli.console import fail, say
from gateway.cli.settings import ConfigPath, load
from gateway.domain.clock import BAKU
from gateway.domain.money import Money
from gateway.domain.nouns import TABLES
from gateway.domain.values import Account
from gateway.engine import codec
from gateway.store import Store, open_store
from gateway.timeline import line

T = TypeVar("T")
Language = Annotated[timeline.Language, Parameter(help="Language of the sentences.")]

lot_app = App(name="lot", help="Look at lots.")
payment_app = App(name="payment", help="Look at payments, approve or decline them.")
payment_app.command("gateway.cli.person:approve", name="approve", help="Approve a payment above the custody limit.")
payment_app.command("gateway.cli.person:decline", name="decline", help="Decline a payment that waits for approval.")
payment_app.command("gateway.cli.person:recall", name="recall", help="Ask for a settled payment back.")


def with_store(config: ConfigPath, work: Callable[[Store], Awaitable[T]]) -> T:
    """Do something with the configured store; it is closed afterwards."""
    settings = load(config)

    async def run() -> T:
        store = await open_store(settings.store.url)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


@lot_app.command(name="show")
def lot_show(id: str, *, config: ConfigPath = None, language: Language = "az") -> None:
    """Everything that happened to a lot, its offers, payments, collections and protocol, in order of time."""

    async def work(store: Store) -> None:
        rows = await store.read(lambda reader: reader.journal_of_lot(id, limit=10_000))
        if not rows:
            fail(f"no lot {id}", 1)
        for row in rows:
            say(line(row, language))
        for noun in await store.read(lambda reader: reader.nouns_of_lot(id)):
            waiting = noun.state in {str(state) for state in TABLES[noun.noun].waiting_for_person}
            say(f"  {noun.noun:<12} {noun.id:<30} {noun.state}{'  ← waiting for a person' if waiting else ''}")

    with_store(config, work)


@payment_app.command(name="show")
def payment_show(id: str, *, config: ConfigPath = None, language: Language = "az") -> None:
    """One payment: what it is, what is known of it, and how that came to be known."""

    async def work(store: Store) -> None:
        row = await store.read(lambda reader: reader.noun("payment", id))
        if row is None:
            fail(f"no payment {id}", 1)
        payment = codec.decode(TABLES["payment"].data, row.data)
        for name in payment.__dataclass_fields__:
            say(f"{name:<16} {_shown(getattr(payment, name))}")
        for entry in await store.read(lambda reader: reader.journal_of("payment", id)):
            say(line(entry, language))

    with_store(config, work)


def _shown(value: object) -> str:
    """A field as a person reads it."""
    if value is None or value == ():
        return "-"
    if isinstance(value, Account):
        return f"{value.holder}, {value.iban}, {value.bic}"
    if isinstance(value, datetime):
        return value.astimezone(BAKU).isoformat(sep=" ", timespec="seconds")
    return f"{value} {value.currency}" if isinstance(value, Money) else str(value)
