"""From leased rows to outcomes: what goes with them is read, an adapter sends, and what it raises is an outcome too."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from gateway.domain.dispatches import DISPATCHES
from gateway.engine import codec
from gateway.engine.attachments import Attachment, Attachments
from gateway.ports import Adapter, Dispatch, NotSent, Outcome, Unknown, Wide
from gateway.store.errors import StoreUnavailableError
from gateway.store.interface import Store
from gateway.store.rows import LeasedRow

_log = structlog.get_logger(__name__)


class Sending:
    """Sends by the adapter of each row's channel. `wide` has those that take several rows in one hand."""

    def __init__(self, store: Store, adapters: Mapping[str, Adapter]) -> None:
        self._adapters, self._attachments = dict(adapters), Attachments(store)
        self.wide = {channel: adapter for channel, adapter in adapters.items() if isinstance(adapter, Wide)}

    async def attempt(self, rows: Sequence[LeasedRow]) -> Sequence[Outcome]:
        """How each of one lane ended. Where one makes the adapter fail for all, each goes by itself, under its id."""
        wanted = [row.attachment_document_id for row in rows if row.attachment_document_id is not None]
        try:
            attached = await self._attachments.find(wanted) if wanted else {}
        except StoreUnavailableError as error:
            return [NotSent(reason=f"what is to be sent cannot be read: {error}")] * len(rows)
        if len(rows) > 1:
            try:
                return await self._send_together(rows, attached)
            except Exception:
                _log.exception("sent one by one", channel=rows[0].channel, count=len(rows))
        return await asyncio.gather(*(self._send(row, attached) for row in rows))

    async def _send_together(self, rows: Sequence[LeasedRow], attached: Mapping[str, Attachment]) -> Sequence[Outcome]:
        outcomes = await self.wide[rows[0].channel].send_all([_dispatch(row, attached) for row in rows])
        if len(outcomes) != len(rows):
            raise ValueError(f"{len(outcomes)} outcomes of {len(rows)} dispatches")
        return outcomes

    async def _send(self, row: LeasedRow, attached: Mapping[str, Attachment]) -> Outcome:
        """An adapter that raises has a bug; what it sent is not known, so the row is not lost and not called done."""
        try:
            return await self._adapters[row.channel].send(_dispatch(row, attached))
        except Exception as error:
            _log.exception("adapter failed", channel=row.channel, delivery=row.id)
            return Unknown(reason=f"adapter failed: {type(error).__name__}", ours=True)


def _dispatch(row: LeasedRow, attached: Mapping[str, Attachment]) -> Dispatch:
    attachment = attached.get(row.attachment_document_id or "")
    return Dispatch(
        id=row.id,
        channel=row.channel,
        recipient=row.recipient,
        body=codec.decode_again(DISPATCHES[row.body_type], row.body),  # a protocol is the same for every ministry
        attempt=row.attempt,
        may_have_left=row.attempt > row.booked + 1,
        created_at=row.created_at,
        sequence=row.sequence,
        state_version=row.state_version,
        attachment=None if attachment is None else attachment.content,
        attachment_sha256="" if attachment is None else attachment.sha256,
    )
