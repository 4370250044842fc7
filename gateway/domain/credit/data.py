"""Credit: what AÖS passes to us as creditor agent, or as debtor agent of a return. Its data, states and names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.dispatches import ReturnOrder
from gateway.domain.money import Money

RETURN_ALIAS = "aos.return"  # the message id of our pacs.004
MESSAGE_ALIAS = "aos.credit"  # the incoming pacs.008's message id


def credit_id(message_id: str) -> str:
    """An incoming pacs.008 is known by its message id."""
    return f"credit.{message_id}"


class CreditState(StrEnum):
    """Where an incoming credit is."""

    OFFERED = "offered"
    AUTHORISED = "authorised"  # pacs.002/AUTH sent (AOS-P3)
    UNKNOWN = "unknown"  # authorised, and nobody says whether it is booked; we ask
    UNRESOLVED = "unresolved"  # asked in vain: a person goes on, we keep listening
    DECLINED = "declined"  # pacs.002/NAUT sent
    SETTLED = "settled"  # pacs.002/STAT came (AOS-P4)
    RELEASED = "released"  # pacs.002/RJCT came (AOS-P5)
    ARRIVED = "arrived"  # money that came without our being asked (AZIPS)
    RETURN_ASKED = "return_asked"  # camt.056 came: a person decides (AOS-T6)
    RETURNING = "returning"  # our pacs.004 is on its way to AÖS (AOS-T1)
    RETURN_SENT = "return_sent"  # AÖS has it (AOS-T2)
    RETURN_UNKNOWN = "return_unknown"  # nobody knows what became of it; we ask
    RETURN_UNRESOLVED = "return_unresolved"  # asked in vain: a person goes on, we keep listening
    RETURNED = "returned"  # the money has gone back (AOS-T4)
    UNMATCHED = "unmatched"  # money that nothing of ours awaits: a person decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """One offered credit."""

    state: CreditState
    lot_id: str
    owner: str
    message_id: str
    end_to_end_id: str
    transaction_id: str
    amount: Money
    debtor_name: str
    debtor_iban: str
    creditor_iban: str
    case_number: str | None
    payment_id: str | None = None
    code: str | None = None
    debtor_bic: str = ""
    creditor_name: str = ""
    of_return: bool = False  # a pacs.004 that brings our own money back
    request_id: str | None = None  # of the camt.056 that asks for it
    requester_bic: str | None = None
    return_order: ReturnOrder | None = None  # our pacs.004 as it goes, now and at every resend
    returns: int = 0  # how many persons' words made one; the next comes only after AÖS has rejected the last
    enquiry_id: str | None = None  # of the last enquiry
    resends: int = 0  # how often our pacs.004 went again because the rail had never seen it
    day_refused: bool = False  # a copy of our pacs.004 came on another day than its own (AOS-C2)
