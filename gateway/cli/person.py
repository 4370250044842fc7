"""`payment approve|decline`: a person's decision, sealed with that person's key and kept as evidence (VLT-3.2)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from certs.asice import seal
from contracts.errors.catalogue import describe
from contracts.errors.refusal import RefusedError
from contracts.person import Decision, PaymentStatement, write
from contracts.person.statement import FILE_NAME, MEDIA_TYPE
from gateway.cli.console import fail, say
from gateway.cli.settings import ConfigPath, load
from gateway.config import Config, build_rulebook
from gateway.domain.nouns import TABLES
from gateway.domain.payment_data import Payment
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


def approve(id: str, *, person: Person, keys: Keys = _KEYS, config: ConfigPath = None) -> None:
    """Approve a payment above the custody limit; it leaves when as many persons as the rule wants have done so."""
    _say_it(id, Decision.APPROVE, person=person, keys=keys, config=config)


def decline(id: str, *, person: Person, reason: str, keys: Keys = _KEYS, config: ConfigPath = None) -> None:
    """Decline a payment that waits for approval; it is refused, and the one who wanted it paid is told."""
    _say_it(id, Decision.DECLINE, person=person, keys=keys, config=config, reason=reason)


def _say_it(
    id: str, decision: Decision, *, person: str, keys: Path, config: ConfigPath, reason: str | None = None
) -> None:
    from gateway.bootstrap import key_folder
    from gateway.cli.show import with_store

    settings = load(config)
    try:
        credential, trust = KeyFolder(directory=keys / person).identity().credential, key_folder(settings).trust()
    except OurFaultError as error:
        fail(str(error))

    async def work(store: Store) -> None:
        row = await store.read(lambda reader: reader.noun("payment", id))
        if row is None:
            fail(f"no payment {id}", 1)
        payment = codec.decode(Payment, row.data)
        say(f"{payment.amount} AZN → {payment.creditor.iban} {payment.creditor.holder}: {payment.purpose}")
        now = datetime.now(UTC)
        statement = PaymentStatement(
            decision=decision,
            payment_id=id,
            amount=str(payment.amount),
            creditor_iban=payment.creditor.iban,
            reason=reason,
        )
        container = seal({FILE_NAME: (MEDIA_TYPE, write(statement))}, credential, now=now)
        try:
            answer = await decide(_engine(store, settings), container, trust, now=now)
        except RefusedError as error:
            problem = describe(error.refusal)
            fail(f"{error.refusal.code}: {problem.title}. {problem.detail}", 1)
        say(f"{id} {answer.state}")

    with_store(config, work)


def _engine(store: Store, settings: Config) -> Engine:
    """For one message; what follows from it is sent by the serving process."""
    return Engine(store, TABLES, build_rulebook(settings), clock=lambda: datetime.now(UTC), policies={})
