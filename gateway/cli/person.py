"""`payment approve|decline|recall`, `credit return|keep`: decisions sealed with a person's own key (VLT-3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from certs.asice import seal
from contracts.errors.catalogue import describe
from contracts.errors.refusal import RefusedError
from contracts.person import Decision, MoneyStatement, write
from contracts.person.statement import FILE_NAME, MEDIA_TYPE
from gateway.cli.console import fail, say
from gateway.cli.settings import ConfigPath, load
from gateway.config import Config, build_rulebook
from gateway.config.expected import expected_of
from gateway.domain.credit.data import Credit
from gateway.domain.nouns import TABLES
from gateway.domain.payment.data import Payment
from gateway.doors.persons import decide
from gateway.engine import codec
from gateway.engine.engine import Engine
from gateway.errors import OurFaultError
from gateway.keys import KeyFolder
from gateway.store import Store

Keys = Annotated[Path, Parameter(name="--keys", help="Folder with the person's own key folder in it (see `pki`).")]
Person = Annotated[
    str, Parameter(name="--person", help="Code in the person's certificate; also the key folder's name.")
]
_KEYS = Path("keys")
_ABOUT: Mapping[Decision, Literal["payment", "credit"]] = {
    Decision.APPROVE: "payment",
    Decision.DECLINE: "payment",
    Decision.RECALL: "payment",
    Decision.GIVE_BACK: "credit",
    Decision.KEEP: "credit",
}

credit_app = App(name="credit", help="Incoming credits: return one that is asked back, or keep it.")


def approve(id: str, *, person: Person, keys: Keys = _KEYS, config: ConfigPath = None) -> None:
    """Approve a payment above the custody limit; it leaves when as many persons as the rule wants have done so."""
    _say_it(id, Decision.APPROVE, person=person, keys=keys, config=config)


def decline(id: str, *, person: Person, reason: str, keys: Keys = _KEYS, config: ConfigPath = None) -> None:
    """Decline a payment that waits for approval; it is refused, and the one who wanted it paid is told."""
    _say_it(id, Decision.DECLINE, person=person, keys=keys, config=config, reason=reason)


def recall(id: str, *, person: Person, reason: str, keys: Keys = _KEYS, config: ConfigPath = None) -> None:
    """Ask for a settled payment back; its bank returns it or says why not."""
    _say_it(id, Decision.RECALL, person=person, keys=keys, config=config, reason=reason)


@credit_app.command(name="return")
def give_back(id: str, *, person: Person, keys: Keys = _KEYS, config: ConfigPath = None) -> None:
    """Return a credit that its payer's bank asks back."""
    _say_it(id, Decision.GIVE_BACK, person=person, keys=keys, config=config)


@credit_app.command
def keep(id: str, *, person: Person, reason: str, keys: Keys = _KEYS, config: ConfigPath = None) -> None:
    """Refuse to return a credit that its payer's bank asks back."""
    _say_it(id, Decision.KEEP, person=person, keys=keys, config=config, reason=reason)


def _say_it(
    id: str, decision: Decision, *, person: str, keys: Path, config: ConfigPath, reason: str | None = None
) -> None:
    from gateway.cli.show import with_store
    from gateway.keys.keyring import key_folder

    settings, about = load(config), _ABOUT[decision]
    try:
        credential, trust = KeyFolder(directory=keys / person).identity().credential, key_folder(settings).trust()
    except OurFaultError as error:
        fail(str(error))

    async def work(store: Store) -> None:
        amount, iban = await _shown(store, about, id)
        now = datetime.now(UTC)
        statement = MoneyStatement(
            about=about,
            decision=decision,
            subject_id=id,
            amount=amount,
            creditor_iban=iban,
            reason=reason,
        )
        container = seal({FILE_NAME: (MEDIA_TYPE, write(statement))}, credential, now=now)
        try:
            answer = await decide(_engine(store, settings), container, trust, now=now, expected=expected_of(settings))
        except RefusedError as error:
            problem = describe(error.refusal)
            fail(f"{error.refusal.code}: {problem.title}. {problem.detail}", 1)
        say(f"{id} {answer.state}")

    with_store(config, work)


async def _shown(store: Store, about: str, id: str) -> tuple[str, str]:
    """Amount and account, after the person has seen them."""
    row = await store.read(lambda reader: reader.noun(about, id))
    if row is None:
        fail(f"no {about} {id}", 1)
    if about == "credit":
        credit = codec.decode(Credit, row.data)
        say(f"{credit.amount} AZN → {credit.creditor_iban}, {credit.debtor_iban} {credit.debtor_name}")
        return str(credit.amount), credit.creditor_iban
    payment = codec.decode(Payment, row.data)
    say(f"{payment.amount} AZN → {payment.creditor.iban} {payment.creditor.holder}: {payment.purpose}")
    return str(payment.amount), payment.creditor.iban


def _engine(store: Store, settings: Config) -> Engine:
    """For one message; what follows from it is sent by the serving process."""
    return Engine(store, TABLES, build_rulebook(settings), clock=lambda: datetime.now(UTC), policies={})
