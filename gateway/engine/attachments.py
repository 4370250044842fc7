"""The documents that go out with deliveries. They never change, and a protocol goes to several at the same moment.

So those who want one at once share a read of the store, and the last few are kept in memory.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from gateway.store.interface import Store

KEPT_MAX_BYTES = 16 * 2**20  # some 250 protocols of 60 kB


class Attachments:
    """Reads documents of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[str, bytes] = OrderedDict()  # the last one wanted at the end
        self._kept_bytes = 0
        self._reads: dict[str, asyncio.Task[bytes | None]] = {}

    async def content(self, id: str) -> bytes | None:
        """The document; None where there is none.

        Raises:
            StoreError: it cannot be read now.
        """
        if id in self._kept:
            self._kept.move_to_end(id)
            return self._kept[id]
        if id not in self._reads:
            self._reads[id] = asyncio.create_task(self._read(id), name=f"read document {id}")
            self._reads[id].add_done_callback(_heard)
        return await asyncio.shield(self._reads[id])  # who gives up takes it from nobody else

    async def _read(self, id: str) -> bytes | None:
        try:
            document = await self._store.read(lambda reader: reader.document(id))
        finally:
            del self._reads[id]
        if document is None:
            return None
        self._keep(id, document.content)
        return document.content

    def _keep(self, id: str, content: bytes) -> None:
        self._kept[id] = content
        self._kept_bytes += len(content)
        while self._kept_bytes > KEPT_MAX_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= len(oldest)


def _heard(read: asyncio.Task[bytes | None]) -> None:
    """An error nobody waits for any more is no news."""
    if not read.cancelled():
        read.exception()
