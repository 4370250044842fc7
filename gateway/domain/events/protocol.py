"""What happens to a protocol: drawn up, sealed, received."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.domain.dispatches import ProtocolContent


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnUp:
    """The lot's outcome is certain: its protocol is due (EHR-7)."""

    content: ProtocolContent
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """XML and PDF stand in one signed container, kept as `document_id`.

    `level` is its signature's by ETSI EN 319 132-1: `B-T` proves by a time-stamp that it existed at `proven_at`.
    `unstamped` tells why a time-stamp that should be there is not.
    """

    document_id: str
    sha256: str
    sealed_at: datetime
    level: str = "B-B"
    proven_at: datetime | None = None
    unstamped: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipted:
    """An authority confirms it has the container of this digest. `number`: None in lines that were written without."""

    authority: str
    receipt_id: str
    sha256: str
    received_at: datetime
    number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllReceipted:
    """The last receipt has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptsOverdue:
    """The term ended and a receipt is missing."""
