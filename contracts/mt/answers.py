"""What AZIPS answers (facts.md: told): MT196 accepted, MT158 refused with a reason, MT298 status or error.

SWIFT knows no MT158; the fields of an answer (20, 21, 79) are taken for it as for any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.mt.fin import Frame
from contracts.mt.scalars import read_reference

_REASON = re.compile(r"/([A-Z0-9]{1,10})/(.{0,60})")
_SUB_TYPE = re.compile(r"[0-9]{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """MT196: the order named is accepted; the number of the answer says so too."""

    from_bic: str
    to_bic: str
    reference: str
    related_reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """MT158: the order named is refused. `text` is of the charset x, at most 60 characters."""

    from_bic: str
    to_bic: str
    reference: str
    related_reference: str
    code: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusNotice:
    """MT298: where the order named is, or what is wrong with it; the sub-type is the system's own."""

    from_bic: str
    to_bic: str
    reference: str
    related_reference: str
    sub_type: str  # three digits
    code: str
    text: str = ""


def accepted_to_frame(answer: Accepted) -> Frame:
    """MT196."""
    return Frame(
        kind="196", from_bic=answer.from_bic, to_bic=answer.to_bic, fields=(*_references(answer), ("76", "/ACCEPTED/"))
    )


def accepted_from_frame(frame: Frame) -> Accepted:
    """MT196. Raises RefusedError with the field."""
    if frame.one("76") != "/ACCEPTED/":
        raise refuse(ErrorCode.SCHEMA_INVALID, path=":76:", fault="not an acceptance")
    return Accepted(from_bic=frame.from_bic, to_bic=frame.to_bic, **_read_references(frame))


def refused_to_frame(answer: Refused) -> Frame:
    """MT158."""
    fields = (*_references(answer), ("79", f"/{answer.code}/{answer.text}"))
    return Frame(kind="158", from_bic=answer.from_bic, to_bic=answer.to_bic, fields=fields)


def refused_from_frame(frame: Frame) -> Refused:
    """MT158. Raises RefusedError with the field."""
    code, text = _read_reason(frame.one("79"), "79")
    return Refused(from_bic=frame.from_bic, to_bic=frame.to_bic, **_read_references(frame), code=code, text=text)


def notice_to_frame(notice: StatusNotice) -> Frame:
    """MT298: the sub-type in 12, everything else in 77E."""
    words = f"/RELREF/{notice.related_reference}\r\n/{notice.code}/{notice.text}"
    fields = (("20", read_reference(notice.reference, "20")), ("12", notice.sub_type), ("77E", words))
    return Frame(kind="298", from_bic=notice.from_bic, to_bic=notice.to_bic, fields=fields)


def notice_from_frame(frame: Frame) -> StatusNotice:
    """MT298. Raises RefusedError with the field."""
    related, _, words = frame.one("77E").partition("\r\n")
    sub_type = frame.one("12")
    if not related.startswith("/RELREF/") or _SUB_TYPE.fullmatch(sub_type) is None:
        raise refuse(ErrorCode.SCHEMA_INVALID, path=":77E:", fault="the related reference is wanted")
    code, text = _read_reason(words, "77E")
    return StatusNotice(
        from_bic=frame.from_bic,
        to_bic=frame.to_bic,
        reference=read_reference(frame.one("20"), "20"),
        related_reference=read_reference(related.removeprefix("/RELREF/"), "77E"),
        sub_type=sub_type,
        code=code,
        text=text,
    )


def _references(answer: Accepted | Refused) -> tuple[tuple[str, str], ...]:
    return (
        ("20", read_reference(answer.reference, "20")),
        ("21", read_reference(answer.related_reference, "21")),
    )


def _read_references(frame: Frame) -> dict[str, str]:
    return {
        "reference": read_reference(frame.one("20"), "20"),
        "related_reference": read_reference(frame.one("21"), "21"),
    }


def _read_reason(text: str, tag: str) -> tuple[str, str]:
    match = _REASON.fullmatch(text)
    if match is None:
        raise refuse(ErrorCode.SCHEMA_INVALID, path=f":{tag}:", fault="a code between slashes is wanted")
    return match[1], match[2]
