"""The monthly look at the vault as a due task (VLT-4.13): overdue, broken or tried by a stranger, it is an alarm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from certs.custody import Entry
from gateway.keys.vault import Vault, VaultError, check_due

_log = structlog.get_logger(__name__)
LOOK_S = 3600.0


class VaultWatch:
    """One per process. Attempts found at the first look are told once more: better twice than not."""

    def __init__(self, vault: Vault, *, clock: Callable[[], datetime]) -> None:
        self._vault, self._clock = vault, clock
        self._pages_seen = 0

    def look(self) -> list[str]:
        """The alarms of now."""
        try:
            book = self._vault.book()
        except VaultError as error:
            _log.error("alarm", alarm="VAULT_BROKEN", facts={"reason": str(error)})
            return ["VAULT_BROKEN"]
        alarms = []
        due = check_due(book)
        if due < self._clock():
            alarms.append("VAULT_CHECK_DUE")
            _log.error("alarm", alarm="VAULT_CHECK_DUE", facts={"due": due.isoformat()})
        for page in book[self._pages_seen :]:
            if page.entry is Entry.ATTEMPT:
                alarms.append("VAULT_ATTEMPT")
                _log.error("alarm", alarm="VAULT_ATTEMPT", facts={"page": str(page.number), "note": page.note})
        self._pages_seen = len(book)
        return alarms

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_S)
