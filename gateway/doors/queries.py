"""What doors may read: frozen views and the one Protocol through which REST and SOAP fetch them.

`actor` is a bank's code, or None for a counterparty that sees every lot (the platform). A bank sees only what is its
own (EHR-4): another's id answers None, exactly like an id that never was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from gateway.domain.dispatches import Notice
from gateway.domain.money import Money
from gateway.domain.values import Account, Regime


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferView:
    """An offer to the claimant bank (EHR-5)."""

    id: str
    lot_id: str
    title: str
    amount: Money
    case_number: str | None
    deadline: datetime
    state: str
    version: int
    payer: Account | None = None  # named by the bank when it accepted
    reason: str | None = None  # given by the bank when it declined


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentView:
    """A payment; `reference` is the rail's own (MSID), `reason` why it was refused or is not known."""

    id: str
    lot_id: str
    kind: str
    amount: Money
    debtor: Account
    creditor: Account
    case_number: str | None
    state: str
    version: int
    reason: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolView:
    """A protocol's particulars; the document is asked for by form."""

    id: str
    number: str
    lot_id: str
    result: str
    state: str
    version: int
    sha256: str | None = None  # of the ASiC-E container, hex; None until it is sealed


class DocumentForm(StrEnum):
    """In which form a protocol is fetched; the value is its media type."""

    XML = "application/xml"
    PDF = "application/pdf"
    ASICE = "application/vnd.etsi.asic-e+zip"


@dataclass(frozen=True, slots=True, kw_only=True)
class LotView:
    """A lot."""

    id: str
    title: str
    address: str
    regime: Regime
    case_number: str | None
    starting_price: Money
    claimant: str
    state: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedItem:
    """One notice of a recipient's feed: the same id, sequence and version that its callback carries."""

    id: str
    sequence: int
    version: int
    notice: Notice


class Queries(Protocol):
    """Reads of the present state. Every method answers None or nothing where the actor may not look."""

    async def offers(self, actor: str | None, *, after: str = "", limit: int) -> tuple[OfferView, ...]:
        """In order of id, from the one that follows `after`."""

    async def offer(self, id: str, actor: str | None) -> OfferView | None: ...

    async def payment(self, id: str, actor: str | None) -> PaymentView | None: ...

    async def protocol(self, id: str, actor: str | None) -> ProtocolView | None: ...

    async def document(self, protocol_id: str, form: DocumentForm, actor: str | None) -> bytes | None: ...

    async def lot(self, id: str, actor: str | None) -> LotView | None: ...

    async def feed(self, recipient: str, *, after: int, limit: int) -> tuple[FeedItem, ...]: ...

    async def unacknowledged(self, recipient: str, *, after: int, limit: int) -> tuple[FeedItem, ...]:
        """Those of the feed that the recipient's callbacks have not acknowledged yet."""
