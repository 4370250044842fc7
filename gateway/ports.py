"""What the engine asks of the world: adapters that send, and the outcomes they may report.

Outcomes are typed by what is done next (STYLE 7): acknowledged (done), refused (their no), not sent (safe to try
again), unknown (it may have arrived: ask or resend the same id, by the kind's policy).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from gateway.domain.frozen import quick
from gateway.domain.table import ByAlias, Event


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """Bytes kept as evidence: what was received or sent, exactly, with its signature."""

    direction: str  # "in" | "out"
    media_type: str
    content: bytes
    signer: str | None = None  # participant code whose signature was verified
    certificate_sha256: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which noun a message speaks to; `noun` None with an alias: whichever has that name."""

    noun: str | None
    id: str | ByAlias


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A verified statement from outside, on its way to a noun.

    `id` is the sender's own and is the key of idempotency together with `source`; `digest` (hex SHA-256 of the signed
    content) tells a replay from a conflict. `actor` limits what the noun may belong to: None for counterparties that
    see everything of their own channel, a bank's code for a bank (EHR-4).
    """

    source: str
    id: str
    target: Target
    event: Event
    digest: str
    exhibits: tuple[Exhibit, ...] = ()
    actor: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the sender is told, now and at every repetition: the noun it concerned and the state it is in."""

    noun: str
    id: str
    state: str
    version: int
    accepted_at: datetime
    repeated: bool = False


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """One outbox row handed to an adapter. `id` is constant over all attempts; `sequence` is gap-free per recipient.

    `may_have_left`: whoever had it before never said how that ended, so a copy of it may be with the recipient.
    """

    id: str
    channel: str
    recipient: str
    body: Any  # a dataclass of `gateway.domain.dispatches`
    attempt: int  # 1 at the first
    created_at: datetime
    may_have_left: bool = False
    sequence: int | None = None  # only for recipients with a feed (banks, platform)
    state_version: int = 0  # journal position of the noun that sends it
    attachment: bytes | None = None
    attachment_sha256: str = ""  # hex, of those very bytes, taken when they were read


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """The other side has it. `event`, if any, is told to the noun that sent it."""

    event: Event | None = None
    exhibits: tuple[Exhibit, ...] = ()
    document: Document | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file an adapter produced that must be kept (a sealed protocol)."""

    id: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The other side's final no. Parked for a person unless `event` lets the noun deal with it."""

    code: str
    reason: str
    event: Event | None = None
    exhibits: tuple[Exhibit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """It certainly did not arrive; try again later."""

    reason: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """It may have arrived. With `event` the noun takes over (a payment asks); without, the same id is sent again.

    `ours`: it is we who failed, so it says nothing of the recipient.
    """

    reason: str
    event: Event | None = None
    exhibits: tuple[Exhibit, ...] = ()
    ours: bool = False


Outcome = Acknowledged | Refused | NotSent | Unknown


class Adapter(Protocol):
    """One way out. `send` never raises for what the network or the counterparty does; it reports an outcome."""

    channel: str

    async def send(self, dispatch: Dispatch) -> Outcome: ...

    async def close(self) -> None: ...


@runtime_checkable
class Wide(Protocol):
    """An adapter that gains by several dispatches to one recipient in one hand: what goes out together costs less.

    `send_all` is given at most `together_max` and reports an outcome for each, in their order. Each keeps its own fate:
    what is wrong with one is no reason for another's. As `Adapter.send` it never raises for what the world does. With
    more places than that, one hand is on its way while another's end is written down.
    """

    places_per_recipient: int
    together_max: int

    async def send_all(self, dispatches: Sequence[Dispatch]) -> Sequence[Outcome]: ...


class Receiver(Protocol):
    """What doors hand verified messages to."""

    async def receive(self, message: Message) -> Answer: ...
