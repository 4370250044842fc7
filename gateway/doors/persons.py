"""Where persons' sealed decisions come in: verified, fresh, and handed to the noun with the container as evidence.

Who a person is says the certificate the container is sealed with; whether that person may, says the noun's table.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from certs.asice import MEDIA_TYPE, open_sealed
from certs.expectations import STRICT, Expected
from certs.trust import TrustStore
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.person import Decision, MoneyStatement, read
from contracts.person.statement import FILE_NAME
from gateway.domain.events.credit import RecallDenied, RecallGranted
from gateway.domain.events.payment import Approved, Declined, RecallOrdered
from gateway.domain.money import Money
from gateway.domain.table import Event
from gateway.ports import Answer, Exhibit, Message, Receiver, Target


async def decide(
    receiver: Receiver, container: bytes, trust: TrustStore, *, now: datetime, expected: Expected = STRICT
) -> Answer:
    """Take one decision in; the same container again is answered as at first.

    Raises:
        RefusedError: those of the container, SIGNATURE_AGE, NOT_FOUND, JSON_MALFORMED, SCHEMA_INVALID, the table's own.
    """
    sealed = open_sealed(container, trust, at=now, expected=expected)
    signer, signed_at = sealed.verified.signer, sealed.verified.signed_at
    if signed_at is None:
        raise refuse(ErrorCode.SIGNATURE_AGE)
    expected.of(signer.participant).check_age(signed_at, now)
    if set(sealed.files) != {FILE_NAME}:
        raise refuse(ErrorCode.NOT_FOUND, path=FILE_NAME)
    content = sealed.files[FILE_NAME].content
    statement, said = read(content), _mark(signer.participant, signed_at, content)
    kept = Exhibit(
        direction="in",
        media_type=MEDIA_TYPE,
        content=container,
        signer=signer.participant,
        certificate_sha256=signer.certificate_sha256,
    )
    message = Message(
        source=signer.participant,
        id=f"decision.{said[:32]}",
        target=Target(noun=statement.about, id=statement.subject_id),
        event=_event(statement, signer.participant),
        digest=said,
        exhibits=(kept,),
    )
    return await receiver.receive(message)


def _mark(person: str, signed_at: datetime, content: bytes) -> str:
    """What the person said, in hex: not the container's digest, since anybody may pack the same files anew."""
    return sha256(b"\n".join((person.encode(), signed_at.isoformat().encode(), content))).hexdigest()


def _event(statement: MoneyStatement, person: str) -> Event:
    reason = statement.reason or ""
    match (statement.about, statement.decision):
        case ("payment", Decision.APPROVE):
            amount = Money.parse(statement.amount)
            return Approved(person=person, amount=amount, creditor_iban=statement.creditor_iban)
        case ("payment", Decision.DECLINE):
            return Declined(person=person, reason=reason)
        case ("payment", Decision.RECALL):
            return RecallOrdered(person=person, reason=reason)
        case ("credit", Decision.GIVE_BACK):
            return RecallGranted(person=person)
        case ("credit", Decision.KEEP):
            return RecallDenied(person=person, reason=reason)
    raise refuse(ErrorCode.OPERATION_UNKNOWN, operation=f"{statement.decision} {statement.about}")
