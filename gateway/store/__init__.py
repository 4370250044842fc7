"""Where everything is written down: nouns, inbox, journal, outbox, feeds, documents, evidence.

`open_store(url)` gives a `Store` on SQLite or PostgreSQL; both run the same queries through the same code.
"""

from gateway.store.errors import (
    DuplicateError,
    StoreBusyError,
    StoreError,
    StoreUnavailableError,
    VersionConflictError,
)
from gateway.store.interface import Reader, Store, Transaction
from gateway.store.opening import disk_free, open_store
from gateway.store.turns import Pressure, Turn

__all__ = [
    "DuplicateError",
    "Pressure",
    "Reader",
    "Store",
    "StoreBusyError",
    "StoreError",
    "StoreUnavailableError",
    "Transaction",
    "Turn",
    "VersionConflictError",
    "disk_free",
    "open_store",
]
