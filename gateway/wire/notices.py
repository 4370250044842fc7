"""Domain notice to wire notice: one mapping for the callbacks of every adapter and for the feed."""

from __future__ import annotations

from contracts.events.notices import SOURCE, TYPE_PREFIX, AmountModel, NoticeData, NoticeEvent
from contracts.fields import TEXT_MAX
from contracts.visible import one_line
from gateway.domain.dispatches import Notice


def notice_event(notice: Notice, *, id: str, sequence: int | None, version: int) -> NoticeEvent:
    """The wire shape of a notice; its bytes are the same at every attempt and in the feed.

    Raises:
        ValueError: a notice that our own contract does not allow.
    """
    return NoticeEvent(
        specversion="1.0",
        id=id,
        source=SOURCE,
        type=TYPE_PREFIX + notice.kind.value,  # type: ignore[arg-type]  # the model holds it to the list
        time=notice.occurred_at,
        subject=notice.lot_id,
        data=NoticeData(
            lot_id=notice.lot_id,
            subject_id=notice.subject_id,
            state=notice.state,
            version=version,
            sequence=sequence,
            occurred_at=notice.occurred_at,
            amount=None if notice.amount is None else AmountModel(value=str(notice.amount)),
            deadline=notice.deadline,
            case_number=notice.case_number,
            reference=_line(notice.reference),
            reason=_line(notice.reason),
        ),
    )


def _line(text: str | None) -> str | None:
    """What others wrote (a rail's reason) may be of any length and hold line ends."""
    return one_line(text or "", TEXT_MAX) or None
