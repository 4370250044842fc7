"""The wrappers around header and document, as data: a rail that wraps otherwise is a row here.

Namespaces are ours: neither wrapper's real one is published (facts.md); both leave header and document untouched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.iso20022.layout import Element


class Envelope(StrEnum):
    """Which wrapper a rail uses."""

    DATA_PDU = "data_pdu"  # of this vendor's systems: DataPDU/Body(AppHdr, Document)
    BUSINESS_MESSAGE = "business_message"  # the plain business message: BizMsg(AppHdr, Document)


@dataclass(frozen=True, slots=True)
class Wrapper:
    """Its namespace, and its elements from the outermost to the one that holds `AppHdr` and `Document`."""

    urn: str
    steps: tuple[str, ...]

    @property
    def tags(self) -> tuple[str, ...]:
        """The elements as lxml names them."""
        return tuple(f"{{{self.urn}}}{step}" for step in self.steps)

    @property
    def path(self) -> str:
        """Where header and document lie, for faults."""
        return "/" + "/".join(self.steps)


WRAPPERS: Mapping[Envelope, Wrapper] = {
    Envelope.DATA_PDU: Wrapper("urn:az:eherrac:aos:datapdu:1", ("DataPDU", "Body")),
    Envelope.BUSINESS_MESSAGE: Wrapper("urn:az:eherrac:business-message:1", ("BizMsg",)),
}
_BY_ROOT = {wrapper.tags[0]: wrapper for wrapper in WRAPPERS.values()}


def is_wrapper(root: Element) -> bool:
    """Whether a message comes in a wrapper that we know, or as a bare `Document`."""
    return root.tag in _BY_ROOT


def wrapper_of(root: Element, wanted: Envelope | None = None) -> Wrapper:
    """The wrapper of a message, which is the `wanted` one; any that we know where none is.

    Raises:
        RefusedError: SCHEMA_INVALID, another wrapper, or none.
    """
    allowed = WRAPPERS.values() if wanted is None else (WRAPPERS[wanted],)
    found = _BY_ROOT.get(root.tag)
    if found is None or found not in allowed:
        names = " or ".join(wrapper.steps[0] for wrapper in allowed)
        local = str(root.tag).rpartition("}")[2]
        raise refuse(ErrorCode.SCHEMA_INVALID, path=f"/{local}", fault=f"{names} is wanted")
    return found


def content_of(root: Element, wanted: Envelope | None = None) -> tuple[Wrapper, Element]:
    """The wrapper, and its element that holds `AppHdr` and `Document`: on the way there nothing stands beside it.

    Raises:
        RefusedError: SCHEMA_INVALID, as `wrapper_of`, or something else lies in the wrapper.
    """
    wrapper = wrapper_of(root, wanted)
    place = root
    for depth, tag in enumerate(wrapper.tags[1:], start=1):
        if [child.tag for child in place] != [tag]:
            path = "/" + "/".join(wrapper.steps[:depth])
            raise refuse(ErrorCode.SCHEMA_INVALID, path=path, fault=f"one {wrapper.steps[depth]} is wanted")
        place = place[0]
    return wrapper, place
