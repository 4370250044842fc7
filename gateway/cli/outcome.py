"""What came of the demonstration: the counts, what they must be, and the documents written out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from certs.asice import extract, open_sealed
from certs.trust import TrustStore
from gateway.domain.dispatches import Channel
from gateway.domain.nouns import TABLES
from gateway.domain.protocol import Protocol
from gateway.engine import codec
from gateway.engine.journal import first_break
from gateway.store import Reader

LOTS = ("LOT-A", "LOT-B", "LOT-C", "LOT-D")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The last line of the demonstration."""

    accepted: int  # offers accepted by their bank
    settled: int  # payments settled by AÖS
    protocols: int  # sealed
    receipts: int  # of authorities
    waiting: int  # nouns and deliveries that wait for a person

    def __str__(self) -> str:
        return " ".join(f"{name}={getattr(self, name)}" for name in self.__dataclass_fields__)


EXPECTED = Counts(accepted=2, settled=2, protocols=3, receipts=9, waiting=1)
EXPECTED_LOTS = {"LOT-A": "concluded", "LOT-B": "concluded", "LOT-C": "concluded", "LOT-D": "held"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The house at a moment. `busy`: deliveries under way; timers of later days do not count."""

    counts: Counts
    lots: dict[str, str]
    busy: int

    @property
    def complete(self) -> bool:
        """Everything the scenario promises has happened, and nothing else is under way."""
        return self.counts == EXPECTED and self.lots == EXPECTED_LOTS and self.busy == 0


def picture(reader: Reader) -> Picture:
    """Count."""
    nouns = [row for lot in LOTS for row in reader.nouns_of_lot(lot)]
    outbox = reader.list_outbox(limit=1000)
    protocols = [_protocol(row.data) for row in nouns if row.noun == "protocol"]
    counts = Counts(
        accepted=sum((row.noun, row.state) == ("offer", "accepted") for row in nouns),
        settled=sum((row.noun, row.state) == ("payment", "settled") for row in nouns),
        protocols=sum(protocol.document_id is not None for protocol in protocols),
        receipts=sum(len(protocol.receipts) for protocol in protocols),
        waiting=sum(row.state in TABLES[row.noun].waiting_for_person for row in nouns)
        + sum(row.parked_at is not None for row in outbox),
    )
    busy = sum(row.channel != Channel.TIMER and row.parked_at is None for row in outbox)
    return Picture(counts=counts, lots={row.id: row.state for row in nouns if row.noun == "lot"}, busy=busy)


def _protocol(data: str) -> Protocol:
    return codec.decode(Protocol, data)


def broken_chains(reader: Reader) -> list[str]:
    """Nouns whose journal does not hold together."""
    rows = [row for lot in LOTS for row in reader.nouns_of_lot(lot)]
    return [f"{row.noun} {row.id}" for row in rows if first_break(reader.journal_of(row.noun, row.id), row) is not None]


def write_documents(reader: Reader, trust: TrustStore, folder: Path) -> list[Path]:
    """Write every sealed protocol as PDF and ASiC-E, after verifying it as any reader would.

    Raises:
        RefusedError: a container that does not verify.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for lot in LOTS:
        for row in reader.nouns_of_lot(lot):
            document_id = _protocol(row.data).document_id if row.noun == "protocol" else None
            document = reader.document(document_id) if document_id else None
            if document is not None:
                open_sealed(document.content, trust)
                written += _write(folder, row.id, document.content)
    return written


def _write(folder: Path, name: str, container: bytes) -> list[Path]:
    sealed, pdf = folder / f"{name}.asice", folder / f"{name}.pdf"
    sealed.write_bytes(container)
    pdf.write_bytes(extract(container, "protokol.pdf"))
    return [sealed, pdf]
