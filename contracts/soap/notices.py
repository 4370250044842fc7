"""A notice in XML, from the one list of fields that `contracts.events.notices` keeps for JSON."""

from __future__ import annotations

from contracts.events.notices import NoticeEvent
from contracts.soap.model import Amount, Notice


def notice_element(event: NoticeEvent) -> Notice:
    """The same notice for a reader of SOAP.

    Raises:
        ValueError: a notice without a sequence: it has no place in a bank's feed.
    """
    data = event.data
    if data.sequence is None:
        raise ValueError(f"notice {event.id} has no sequence")
    return Notice(
        id=event.id,
        sequence=data.sequence,
        version=data.version,
        kind=event.kind,
        lot_id=data.lot_id,
        subject_id=data.subject_id,
        state=data.state,
        occurred_at=data.occurred_at,
        amount=None if data.amount is None else Amount(value=data.amount.value, currency=data.amount.currency),
        deadline=data.deadline,
        case_number=data.case_number,
        reference=data.reference,
        reason=data.reason,
    )
