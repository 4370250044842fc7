"""Door: what was refused at the house's doors, a chain of journal lines per sender."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from contracts.errors import Refusal
from gateway.domain.dispatches import Channel, ReceiptRefusal
from gateway.domain.frozen import replace
from gateway.domain.table import Change, Context, Send, StateTable

_NOT_KEPT = re.compile("[\\x00\\ud800-\\udfff]")  # by no database: NUL, and half a surrogate pair


class DoorState(StrEnum):
    """A door only stands open."""

    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """The refusals of one sender (or of all nameless ones)."""

    state: DoorState
    lot_id: str = ""
    owner: str = ""
    refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefused:
    """One request was refused. `digest` is the SHA-256 of its body, hexadecimal, empty if it was not read."""

    what: str  # the operation or path
    code: str
    facts: dict[str, str]
    digest: str

    @classmethod
    def of(cls, what: str, refusal: Refusal, *, digest: str, chars_max: int | None = None) -> RequestRefused:
        """As it can be written down: `what` and the facts may quote a stranger, of each so many characters."""

        def kept(text: str) -> str:
            return _NOT_KEPT.sub("\ufffd", text[:chars_max])

        facts = {name: kept(fact) for name, fact in refusal.facts.items()}
        return cls(what=kept(what), code=refusal.code, facts=facts, digest=digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsRefused:
    """More requests of one sender were refused in a moment than have lines of their own: how many by code."""

    codes: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalTold:
    """Whoever sent what was refused just now over Kafka is told so."""

    authority: str
    answer: ReceiptRefusal


TABLE = StateTable("door", Door, DoorState, final=())


@TABLE.on(None, event=RequestRefused, to=DoorState.OPEN)
def _first(_: None, __: RequestRefused, ___: Context) -> Change[Door]:
    return Change(Door(state=DoorState.OPEN, refused=1))


@TABLE.on(DoorState.OPEN, event=RequestRefused)
def _next(door: Door, _: RequestRefused, __: Context) -> Change[Door]:
    return Change(replace(door, refused=door.refused + 1))


@TABLE.on(DoorState.OPEN, event=RequestsRefused)
def _more(door: Door, event: RequestsRefused, _: Context) -> Change[Door]:
    return Change(replace(door, refused=door.refused + sum(event.codes.values())))


@TABLE.on(DoorState.OPEN, event=RefusalTold)
def _tell(door: Door, event: RefusalTold, _: Context) -> Change[Door]:
    return Change(door, (Send(Channel.REFUSALS, event.authority, event.answer),))
