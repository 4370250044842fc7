"""`console link|sessions|end`: who may come to the operators' console. For the gateway's host, where the store is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from contracts.errors.refusal import RefusedError
from gateway.cli.console import fail, say
from gateway.cli.outbox import Person, engine_for
from gateway.cli.settings import ConfigPath, load
from gateway.cli.show import with_store
from gateway.config import Config
from gateway.domain.clock import BAKU
from gateway.domain.visit import Role
from gateway.store import Store

if TYPE_CHECKING:
    from gateway.doors.console import Visits

app = App(name="console", help="The operators' console: make a sign-in link, see who is there, end a visit.")
Whose = Annotated[str, Parameter(help="Who it is for: everything done is written down with this name.")]
May = Annotated[Literal["viewer", "operator"], Parameter(help="A viewer looks; an operator decides too.")]


@app.command
def link(*, person: Whose, role: May = "viewer", config: ConfigPath = None) -> None:
    """Make a link that signs a person in, once, within `console.link_s` seconds."""
    settings = load(config)

    async def work(store: Store) -> None:
        try:
            secret = await _visits(store, settings).invite(person, Role(role))
        except ValueError as error:
            fail(str(error), 1)
        say(f"{address_of(settings)}/sign-in?link={secret}")

    with_store(config, work)


@app.command
def sessions(*, config: ConfigPath = None) -> None:
    """Who is there, and which links may still be used."""

    async def work(store: Store) -> None:
        for id, visit in await _visits(store, load(config)).open_visits():
            seen = "-" if visit.seen_at is None else f"{visit.seen_at.astimezone(BAKU):%Y-%m-%d %H:%M}"
            until = f"{visit.until.astimezone(BAKU):%Y-%m-%d %H:%M}"
            say(f"{id}  {visit.state:<8} {visit.role:<9} seen {seen:<17} until {until}  {visit.person}")

    with_store(config, work)


@app.command
def end(id: str, *, person: Person, config: ConfigPath = None) -> None:
    """End a visit at once, or take a link back."""

    async def work(store: Store) -> None:
        try:
            await _visits(store, load(config)).end(id, by=person)
        except RefusedError:
            fail(f"{id} is not going on", 1)
        say(f"{id} is ended")

    with_store(config, work)


def address_of(config: Config) -> str:
    """Where browsers find it: the first name that was configured, otherwise its own address. A sidecar that ends TLS
    stands before the names; the address itself then speaks plain HTTP.
    """
    console = config.console
    encrypted = console.tls_certificate is not None or (console.plaintext_allowed and bool(console.names))
    host = f"[{console.host}]" if ":" in console.host else console.host
    return f"{'https' if encrypted else 'http'}://{console.names[0] if console.names else f'{host}:{console.port}'}"


def _visits(store: Store, config: Config) -> Visits:
    from gateway.bootstrap import utc_now
    from gateway.bootstrap.console import visit_policy
    from gateway.doors.console import Visits

    return Visits(engine_for(store, config), visit_policy(config.console), clock=utc_now)
