"""The documents that go out with deliveries. They never change, and a protocol goes to several at the same moment.

So those who want one at once share a read of the store, and the last few are kept in memory, each with the digest of
these very bytes: who must compare it need not take it again for every recipient.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.store.interface import Reader, Store
from gateway.store.turns import Turn

KEPT_MAX_BYTES = 16 * 2**20  # some 250 protocols of 60 kB


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A document's bytes and their hex SHA-256, taken when they were read."""

    content: bytes
    sha256: str


class Attachments:
    """Reads documents of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[str, Attachment] = OrderedDict()  # the last one wanted at the end
        self._kept_bytes = 0
        self._reads: dict[str, asyncio.Task[dict[str, Attachment]]] = {}  # several documents may share one

    async def find(self, ids: Iterable[str]) -> dict[str, Attachment]:
        """Those of these documents that are there, by id.

        Raises:
            StoreError: they cannot be read now.
        """
        wanted = dict.fromkeys(ids)
        self._begin([id for id in wanted if id not in self._kept and id not in self._reads])
        reads = dict.fromkeys(self._reads[id] for id in wanted if id in self._reads)
        found = {id: self._kept[id] for id in wanted if id in self._kept}
        for id in found:
            self._kept.move_to_end(id)
        for read in reads:
            attachments = await asyncio.shield(read)  # who gives up takes it from nobody else
            found |= {id: attachments[id] for id in wanted if id in attachments}
        return found

    def _begin(self, ids: Sequence[str]) -> None:
        if not ids:
            return
        read = asyncio.create_task(self._read(ids), name=f"read documents {ids[0]}...")
        read.add_done_callback(_heard)
        self._reads |= dict.fromkeys(ids, read)

    async def _read(self, ids: Sequence[str]) -> dict[str, Attachment]:
        try:
            found = await self._store.read(lambda reader: _attachments(reader, ids), Turn.UNDER_WAY)
        finally:
            for id in ids:
                del self._reads[id]
        for id, attachment in found.items():
            self._keep(id, attachment)
        return found

    def _keep(self, id: str, attachment: Attachment) -> None:
        self._kept[id] = attachment
        self._kept_bytes += len(attachment.content)
        while self._kept_bytes > KEPT_MAX_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= len(oldest.content)


def _attachments(reader: Reader, ids: Iterable[str]) -> dict[str, Attachment]:
    rows = {id: reader.document(id) for id in ids}
    contents = {id: row.content for id, row in rows.items() if row is not None}
    return {id: Attachment(content=it, sha256=hashlib.sha256(it).hexdigest()) for id, it in contents.items()}


def _heard(read: asyncio.Task[dict[str, Attachment]]) -> None:
    """An error nobody waits for any more is no news."""
    if not read.cancelled():
        read.exception()
