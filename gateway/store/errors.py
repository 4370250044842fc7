"""What a store reports when it could not do its work.

StoreError (a fault of ours)
├── StoreUnavailableError   disk full, locked too long, connection lost: nothing was done, nothing may be acknowledged
│   └── StoreBusyError      it answers, and others' works left no place or lock in time: nothing was done either
├── VersionConflictError    somebody else changed the noun first: read again, decide again
└── DuplicateError          a unique row is there already and says something else
"""

from __future__ import annotations

from gateway.errors import OurFaultError


class StoreError(OurFaultError):
    """The database could not do what was asked."""


class StoreUnavailableError(StoreError):
    """The database cannot take writes (or reads) now; the caller answers "not accepted, try again"."""


class StoreBusyError(StoreUnavailableError):
    """The database does what it can; less must be asked of it, or later."""


class VersionConflictError(StoreError):
    """The noun or its journal moved on since it was read."""


class DuplicateError(StoreError):
    """A row of that key exists with other content."""
