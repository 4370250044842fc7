"""What happens to an order of ours on its way over the rail, a payment or a return: sent, silent, asked about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The rail has taken the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeUnknown:
    """It may or may not have reached the rail."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceElapsed:
    """No final answer within the rail's time: nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnquiryDue:
    """Time to ask (again)."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnquirySent:
    """The rail has the question, the so many-th; only such a one counts."""

    enquiry_id: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnquiryRefused:
    """camt.025/ERRC to an enquiry of ours (AOS-R5). `code` is the rail's; NOOR: it has no such order."""

    enquiry_id: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotKnownToRail:
    """Asked, the rail has never seen the order: the same message goes again under the same ids."""

    enquiry_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnquiriesExhausted:
    """We asked as often as the profile says; a person goes on."""
