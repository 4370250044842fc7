"""Keeping every OCSP answer that signers are judged by, once, with the time since when: evidence names it later.

Kept when it is fetched and not with each message: an answer judges thousands of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from certs.keystore import participant_codes
from gateway.store.errors import StoreError
from gateway.store.interface import Store
from gateway.store.rows import OcspAnswerRow
from gateway.store.turns import Turn

_log = structlog.get_logger(__name__)


class AnswerKeeper:
    """What the fetcher of revocation data tells of each believed answer."""

    def __init__(self, store: Store, *, clock: Callable[[], datetime]) -> None:
        self._store, self._clock = store, clock

    async def keep(self, certificate: x509.Certificate, content: bytes) -> None:
        """Keep one answer; while the store is away no message is taken either, so a lost one judges nothing."""
        row = OcspAnswerRow(
            sha256=hashlib.sha256(content).hexdigest(),
            participant=next(iter(participant_codes(certificate)), ""),
            certificate_sha256=certificate.fingerprint(SHA256()).hex(),
            kept_at=self._clock(),
            content=content,
        )
        try:
            await self._store.transact(lambda tx: tx.add_ocsp_answer(row), Turn.UNDER_WAY)
        except StoreError as error:
            _log.warning("an OCSP answer was not kept", certificate=row.certificate_sha256, reason=str(error))
