"""Deficiency: something came from AÖS that does not verify; it changes nothing and is reported at once (AOS-S2).

The bytes are kept as evidence. The same bytes are one deficiency however often they come; a report that AÖS does not
take is a person's to bring to the central bank by another way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from contracts.errors import ErrorCode, Refusal
from gateway.domain import ids
from gateway.domain.clock import local_date
from gateway.domain.dispatches import Channel, DeficiencyReport
from gateway.domain.frozen import replace
from gateway.domain.table import Alarm, Alias, Change, Context, Send, StateTable

REPORT_ALIAS = "aos.report"  # the id of the message that reports it
NOT_VERIFYING = frozenset(
    {
        ErrorCode.SIGNATURE_MISSING,
        ErrorCode.SIGNATURE_MALFORMED,
        ErrorCode.SIGNATURE_INCOMPLETE,
        ErrorCode.SIGNATURE_INVALID,
        ErrorCode.SIGNATURE_AGE,
        ErrorCode.DIGEST_MISMATCH,
        ErrorCode.ALGORITHM_NOT_ALLOWED,
        ErrorCode.CERTIFICATE_MALFORMED,
        ErrorCode.CERTIFICATE_UNTRUSTED,
        ErrorCode.CERTIFICATE_EXPIRED,
        ErrorCode.CERTIFICATE_REVOKED,
        ErrorCode.CERTIFICATE_USAGE,
        ErrorCode.REVOCATION_UNKNOWN,
        ErrorCode.PARTICIPANT_UNKNOWN,
        ErrorCode.PARTICIPANT_MISMATCH,
    }
)


class DeficiencyState(StrEnum):
    """Where the report is."""

    REPORTING = "reporting"  # on its way to the central bank
    REPORTED = "reported"
    UNREPORTED = "unreported"  # AÖS would not take the report: a person brings it


@dataclass(frozen=True, slots=True, kw_only=True)
class Deficiency:
    """What did not verify. `sha256` is of the octets received, hexadecimal."""

    state: DeficiencyState
    lot_id: str = ""
    owner: str = ""
    code: str
    sha256: str
    found_at: datetime
    message_id: str  # of the report
    refusal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Bytes from AÖS that do not verify. `what` is the path or answer they came by."""

    code: str
    what: str
    sha256: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """The central bank's system has the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRefused:
    """camt.025/ERRC to the report (AOS-R5), or it could not be delivered."""

    code: str
    reason: str


_S = DeficiencyState
TABLE = StateTable(
    "deficiency",
    Deficiency,
    DeficiencyState,
    final=(_S.REPORTED,),
    waiting_for_person=(_S.UNREPORTED,),
    scheduled=(_S.REPORTING,),
)


def deficiency_id(refusal: Refusal, sha256: str) -> str:
    """The same bytes refused for the same reason are one deficiency."""
    return f"{refusal.code}.{sha256[:32]}"


@TABLE.on(None, event=Found, to=_S.REPORTING)
def _found(_: None, event: Found, context: Context) -> Change[Deficiency]:
    address = context.rules.rail.own_address
    deficiency = Deficiency(
        state=_S.REPORTING,
        code=event.code,
        sha256=event.sha256,
        found_at=context.now,
        message_id=ids.message_id(address, local_date(context.now), f"{context.id}/report"),
    )
    report = DeficiencyReport(
        deficiency_id=context.id,
        message_id=deficiency.message_id,
        code=event.code,
        sha256=event.sha256,
        found_at=context.now,
    )
    return Change(
        deficiency,
        (
            Alarm("SIGNATURE_DEFICIENCY", {"code": event.code, "what": event.what, "sha256": event.sha256}),
            Alias(REPORT_ALIAS, deficiency.message_id),
            Send(Channel.AOS, "AOS", report),
        ),
    )


@TABLE.on(_S.REPORTING, _S.REPORTED, _S.UNREPORTED, event=Found)
def _found_again(deficiency: Deficiency, _: Found, __: Context) -> Change[Deficiency]:
    return Change(deficiency)


@TABLE.on(_S.REPORTING, event=Reported, to=_S.REPORTED)
@TABLE.on(_S.UNREPORTED, event=Reported)
def _reported(deficiency: Deficiency, _: Reported, __: Context) -> Change[Deficiency]:
    return Change(deficiency)


@TABLE.on(_S.REPORTING, _S.REPORTED, _S.UNREPORTED, event=ReportRefused, to=_S.UNREPORTED)
def _refused(deficiency: Deficiency, event: ReportRefused, context: Context) -> Change[Deficiency]:
    """The duty to report does not end with a no."""
    facts = {"deficiency": context.id, "code": event.code, "reason": event.reason}
    return Change(
        replace(deficiency, refusal=f"{event.code} {event.reason}".strip()), (Alarm("DEFICIENCY_UNREPORTED", facts),)
    )
