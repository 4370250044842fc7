"""Journal lines: what happened to a noun, each line carrying the hash of the one before it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import orjson

from gateway.domain.clock import aware
from gateway.domain.frozen import replace
from gateway.store.rows import JournalEntry, NounRow

GENESIS = b"\0" * 32


def link(entry: JournalEntry) -> JournalEntry:
    """The entry with its hash: SHA-256 over the previous hash and every field, in a fixed order."""
    return replace(entry, hash=digest(entry))


def bind(entry: JournalEntry, *, prev_hash: bytes, bound: str) -> JournalEntry:
    """The entry with its place in the chain, what it binds, and its hash."""
    return replace(entry, prev_hash=prev_hash, bound=bound, hash=_hash(entry, prev_hash, bound))


def digest(entry: JournalEntry) -> bytes:
    """The hash an entry must have."""
    return _hash(entry, entry.prev_hash, entry.bound)


def _hash(entry: JournalEntry, prev_hash: bytes, bound: str | None) -> bytes:
    """A line that binds nothing, of before v0011, is hashed as it was then: one field less."""
    fields = [
        entry.noun,
        entry.noun_id,
        entry.version,
        entry.lot_id,
        entry.owner,
        aware(entry.at).isoformat(),
        entry.event,
        entry.before,
        entry.after,
        entry.cause_source,
        entry.cause_id,
        entry.data,
    ]
    if bound is not None:
        fields.append(bound)
    return hashlib.sha256(prev_hash + orjson.dumps(fields)).digest()


def first_break(chain: Iterable[JournalEntry], noun: NounRow | None = None) -> int | None:
    """The place, from 1, of the first line of one noun's chain that was changed, left out or moved; None if all hold.

    Lines left out at the end show only against the noun itself, which carries the last line's version and hash.
    """
    previous, version = GENESIS, 0
    for version, entry in enumerate(chain, start=1):
        if entry.prev_hash != previous or entry.version != version or entry.hash != digest(entry):
            return version
        previous = entry.hash
    if noun is not None and (noun.version, noun.head_hash) != (version, previous):
        return version + 1
    return None
