"""The queries of the doors over the store: nouns as they stand, shown only to whom they belong (EHR-4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from certs.asice import extract
from contracts.fields import TEXT_MAX
from contracts.visible import one_line
from gateway.domain.lot import Lot
from gateway.domain.nouns import TABLES
from gateway.domain.offer import Offer
from gateway.domain.payment.data import Payment
from gateway.domain.protocol import Protocol
from gateway.doors.queries import DocumentForm, FeedItem, LotView, OfferView, PaymentView, ProtocolView
from gateway.engine import codec
from gateway.engine.step import FeedBody
from gateway.engine.unavailable import store_unavailable
from gateway.store.errors import StoreError
from gateway.store.interface import Reader, Store
from gateway.store.rows import FeedRow, NounRow

View = TypeVar("View")
Found = TypeVar("Found")
_PROTOCOL_FILES: Mapping[DocumentForm, str] = {DocumentForm.XML: "protokol.xml", DocumentForm.PDF: "protokol.pdf"}


class StoreQueries:
    """`gateway.doors.queries.Queries` over a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def offers(self, actor: str | None, *, after: str = "", limit: int) -> tuple[OfferView, ...]:
        """A bank's own offers; all for the platform. In order of id, from the one that follows `after`."""
        rows = await self._read(lambda reader: reader.list_nouns("offer", owner=actor, after=after, limit=limit))
        return tuple(_offer(row) for row in rows)

    async def offer(self, id: str, actor: str | None) -> OfferView | None:
        """One offer."""
        return await self._one("offer", id, actor, _offer)

    async def payment(self, id: str, actor: str | None) -> PaymentView | None:
        """One payment."""
        return await self._one("payment", id, actor, _payment)

    async def protocol(self, id: str, actor: str | None) -> ProtocolView | None:
        """One protocol's particulars."""
        return await self._one("protocol", id, actor, _protocol)

    async def lot(self, id: str, actor: str | None) -> LotView | None:
        """One lot."""
        return await self._one("lot", id, actor, _lot)

    async def document(self, protocol_id: str, form: DocumentForm, actor: str | None) -> bytes | None:
        """The sealed container, or one file out of it, exactly as it was sealed (EHR-16)."""

        def work(reader: Reader) -> bytes | None:
            row = _visible(reader, "protocol", protocol_id, actor)
            document_id = None if row is None else _data(row).document_id
            document = None if document_id is None else reader.document(document_id)
            return None if document is None else document.content

        container = await self._read(work)
        if container is None or form is DocumentForm.ASICE:
            return container
        return extract(container, _PROTOCOL_FILES[form])

    async def feed(self, recipient: str, *, after: int, limit: int) -> tuple[FeedItem, ...]:
        """The recipient's notices after a sequence number, gap-free."""
        rows = await self._read(lambda reader: reader.read_feed(recipient, after=after, limit=limit))
        return tuple(map(_feed_item, rows))

    async def unacknowledged(self, recipient: str, *, after: int, limit: int) -> tuple[FeedItem, ...]:
        """Those of the feed that the recipient's callbacks have not acknowledged yet."""
        rows = await self._read(lambda reader: reader.unacknowledged(recipient, after=after, limit=limit))
        return tuple(map(_feed_item, rows))

    async def _read(self, work: Callable[[Reader], Found]) -> Found:
        """Raises `store_unavailable`."""
        try:
            return await self._store.read(work)
        except StoreError as error:
            raise store_unavailable(error) from error

    async def _one(self, noun: str, id: str, actor: str | None, view: Callable[[NounRow], View]) -> View | None:
        row = await self._read(lambda reader: _visible(reader, noun, id, actor))
        return None if row is None else view(row)


def _visible(reader: Reader, noun: str, id: str, actor: str | None) -> NounRow | None:
    row = reader.noun(noun, id)
    return row if row is not None and actor in (None, row.owner) else None


def _feed_item(row: FeedRow) -> FeedItem:
    body = codec.decode(FeedBody, row.body)
    return FeedItem(id=row.outbox_id, sequence=row.sequence, version=body.version, notice=body.notice)


def _data(row: NounRow) -> Any:
    return codec.decode(TABLES[row.noun].data, row.data)


def _offer(row: NounRow) -> OfferView:
    offer: Offer = _data(row)
    return OfferView(
        id=row.id,
        lot_id=offer.lot_id,
        title=offer.title,
        amount=offer.amount,
        case_number=offer.case_number,
        deadline=offer.deadline,
        state=offer.state,
        version=row.version,
        payer=offer.payer,
        reason=offer.reason,
    )


def _payment(row: NounRow) -> PaymentView:
    payment: Payment = _data(row)
    refusal = one_line(f"{payment.refusal_code or ''} {payment.refusal_reason or ''}", TEXT_MAX)
    return PaymentView(
        id=row.id,
        lot_id=payment.lot_id,
        kind=payment.kind,
        amount=payment.amount,
        debtor=payment.debtor,
        creditor=payment.creditor,
        case_number=payment.case_number,
        state=payment.state,
        version=row.version,
        reason=refusal or None,
        reference=payment.msid or payment.reference,
    )


def _protocol(row: NounRow) -> ProtocolView:
    protocol: Protocol = _data(row)
    return ProtocolView(
        id=row.id,
        number=protocol.content.number,
        lot_id=protocol.lot_id,
        result=protocol.content.result,
        state=protocol.state,
        version=row.version,
        sha256=protocol.sha256,
    )


def _lot(row: NounRow) -> LotView:
    lot: Lot = _data(row)
    return LotView(
        id=row.id,
        title=lot.title,
        address=lot.address,
        regime=lot.regime,
        case_number=lot.case_number,
        starting_price=lot.starting_price,
        claimant=lot.owner,
        state=lot.state,
        version=row.version,
    )
