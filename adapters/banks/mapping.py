"""Notices to callbacks and SOAP answers to outcomes, pure. JSON and XML come from one list (contracts.events)."""

from __future__ import annotations

from contracts.events.notices import NoticeEvent
from contracts.soap.faults import SoapFault
from contracts.soap.model import Notify
from contracts.soap.notices import notice_element
from gateway.domain.dispatches import Notice
from gateway.ports import Acknowledged, Dispatch, Outcome, Refused, Unknown
from gateway.wire.notices import notice_event
from gateway.wire.soap_client import SoapAnswer


def rest_callback(dispatch: Dispatch) -> NoticeEvent:
    """The notice in JSON, equal at every attempt.

    Raises:
        TypeError: the dispatch is not a notice.
        ValueError: a notice our own contract does not allow.
    """
    if not isinstance(dispatch.body, Notice):
        raise TypeError(f"banks take notices, not {type(dispatch.body).__name__}")
    return notice_event(dispatch.body, id=dispatch.id, sequence=dispatch.sequence, version=dispatch.state_version)


def soap_callback(dispatch: Dispatch) -> Notify:
    """The notice in XML; the message id is the dispatch's own at every attempt. Raises as `rest_callback`."""
    return Notify(message_id=dispatch.id, notice=notice_element(rest_callback(dispatch)))


def soap_outcome(answer: SoapAnswer) -> Outcome:
    """What a bank's verified envelope means for the outbox row. A callback may safely arrive twice."""
    fault = answer.message
    if not isinstance(fault, SoapFault):
        return Acknowledged(exhibits=answer.exhibits)
    if fault.retry:
        return Unknown(reason=f"{fault.code}: {fault.reason}", exhibits=answer.exhibits)
    return Refused(code=fault.code, reason=fault.reason, exhibits=answer.exhibits)
