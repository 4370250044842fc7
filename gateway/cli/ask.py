"""`ask day|statement|copy`: questions to AÖS that move nothing; the answer is kept and shown by `ask show`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from cyclopts import App, Parameter

from gateway.cli.console import fail, say
from gateway.cli.settings import ConfigPath, load
from gateway.cli.show import with_store
from gateway.config import build_rulebook
from gateway.domain.dispatches import InformationKind
from gateway.domain.inquiry import Asked
from gateway.domain.nouns import TABLES
from gateway.domain.payment.data import Payment
from gateway.engine import codec
from gateway.engine.engine import Engine
from gateway.ports import Message, Target
from gateway.store import Store
from gateway.timeline import Language, line

app = App(name="ask", help="Ask AÖS: operating day, statement, copy of an executed order; see what it told.")


@app.command
def day(*, config: ConfigPath = None) -> None:
    """The current operating day (camt.018)."""
    _ask(Asked(kind=InformationKind.DAY), config)


@app.command
def statement(of: Annotated[date, Parameter(help="The day, YYYY-MM-DD.")], *, config: ConfigPath = None) -> None:
    """The statement of our clearing account for a day (camt.060); the account is `liquidity.account`."""
    liquidity = load(config).liquidity
    if liquidity is None:
        fail("the configuration names no account: add [liquidity] account")
    _ask(Asked(kind=InformationKind.STATEMENT, account=liquidity.account, day=of), config)


@app.command
def copy(payment: str, *, config: ConfigPath = None) -> None:
    """The copy of a payment's executed order (camt.033): ours, or the payer's bank's that its MSID names.

    It is compared with the payment; one that nobody knew the end of is settled by it.
    """

    async def order_id(store: Store) -> str:
        row = await store.read(lambda reader: reader.noun("payment", payment))
        if row is None:
            fail(f"no payment {payment}", 1)
        paid = codec.decode(Payment, row.data)
        return paid.msid or paid.message_id

    _ask(Asked(kind=InformationKind.COPY, order_id=with_store(config, order_id)), config)


@app.command
def show(id: str | None = None, *, config: ConfigPath = None, language: Language = "az") -> None:
    """What was asked and told; with an ID everything about it. The messages themselves are kept as evidence."""

    async def work(store: Store) -> None:
        if id is None:
            for row in await store.read(lambda reader: reader.list_nouns("inquiry", limit=1000)):
                say(f"{row.id:<50} {row.state}")
            return
        for entry in await store.read(lambda reader: reader.journal_of("inquiry", id)):
            say(line(entry, language))

    with_store(config, work)


def _ask(event: Asked, config: ConfigPath) -> None:
    settings, now = load(config), datetime.now(UTC)
    id = f"{event.kind}.{now:%Y%m%dT%H%M%S%f}"

    async def work(store: Store) -> None:
        engine = Engine(store, TABLES, build_rulebook(settings), clock=lambda: datetime.now(UTC), policies={})
        target = Target(noun="inquiry", id=id)
        await engine.receive(Message(source="operator", id=id, target=target, event=event, digest=""))
        say(f"asked: {id}")

    with_store(config, work)
