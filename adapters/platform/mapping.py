"""Notices to callbacks; pure. Headers and outcomes are those of every callback (`gateway.wire.callbacks`)."""

from __future__ import annotations

from contracts.events.notices import NoticeEvent
from gateway.domain.dispatches import Notice
from gateway.ports import Dispatch
from gateway.wire.notices import notice_event


def callback(dispatch: Dispatch) -> NoticeEvent:
    """The notice on the wire, equal at every attempt.

    Raises:
        TypeError: the dispatch is not a notice.
        ValueError: a notice our own contract does not allow.
    """
    if not isinstance(dispatch.body, Notice):
        raise TypeError(f"the platform takes notices, not {type(dispatch.body).__name__}")
    return notice_event(dispatch.body, id=dispatch.id, sequence=dispatch.sequence, version=dispatch.state_version)
