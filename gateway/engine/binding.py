"""What a journal line binds besides itself: digests of what its step left in the other tables. Pure.

The text stands in the line (`bound`) and under its hash: JSON with `noun`, the digest of the noun as the step left it
(on the last of its lines); `sends`, the deliveries that the line ordered, by id, in their order; `timers`, those it
set, by name; `cancelled`, the names of those it took back. What is empty is left out. Digests are SHA-256, hexadecimal,
over a JSON array of the columns named here, instants as microseconds since 1970 UTC; what changes while a delivery is
under way (attempts, times, errors, its place in a feed) is in none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from gateway.store.mapping import to_micros
from gateway.store.rows import NounRow, OutboxItem

Digest = str  # SHA-256, hexadecimal
_NOTHING: Mapping[str, Digest] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What a line binds. `noun` is None where the step wrote another line of the noun after this one."""

    noun: Digest | None = None
    sends: Mapping[str, Digest] = field(default_factory=dict)
    timers: Mapping[str, Digest] = field(default_factory=dict)
    cancelled: tuple[str, ...] = ()


def read_bound(text: str) -> Bound:
    """What the text of a line says whose hash holds."""
    found = _parts_of(text)
    return Bound(
        noun=found.get("noun"),
        sends=found.get("sends", _NOTHING),
        timers=found.get("timers", _NOTHING),
        cancelled=tuple(found.get("cancelled", ())),
    )


def bound_noun(text: str) -> Digest | None:
    """The digest of the noun in a line's text, whoever wrote that; None where it has none."""
    digest = _parts_of(text).get("noun")
    return digest if isinstance(digest, str) else None


def bound_item(text: str, item: OutboxItem) -> Digest | None:
    """The digest of this delivery or timer in a line's text, whoever wrote that; None where it has none."""
    name, key = ("sends", item.id) if item.name is None else ("timers", item.name)
    part = _parts_of(text).get(name)
    digest = part.get(key) if isinstance(part, dict) else None
    return digest if isinstance(digest, str) else None


def digest_of_noun(row: NounRow) -> Digest:
    """Of a noun as it stands; its version and the head of its chain are the line's own."""
    return _digest([row.state, row.lot_id, row.owner, _instant(row.expected_at), row.data])


def digest_of_item(item: OutboxItem) -> Digest:
    """Of a delivery, or of a timer with the instant it was set to."""
    return _digest(
        [
            item.id,
            item.channel,
            item.recipient,
            item.noun,
            item.noun_id,
            item.state_version,
            item.order_key,
            item.name,
            _instant(item.due_at) if item.name is not None else None,
            _instant(item.created_at),
            item.attachment_document_id,
            item.body_type,
            item.body,
        ]
    )


class Binder:
    """Collects what each line of a step binds; lines are named by noun, id and version."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str, int], dict[str, Any]] = {}

    def noun(self, noun: str, id: str, version: int, digest: Digest) -> None:
        self._of(noun, id, version)["noun"] = digest

    def send(self, item: OutboxItem) -> None:
        line = self._of(item.noun, item.noun_id, item.state_version)
        line.setdefault("sends", {})[item.id] = digest_of_item(item)

    def timer(self, item: OutboxItem) -> None:
        line = self._of(item.noun, item.noun_id, item.state_version)
        line.setdefault("timers", {})[item.name] = digest_of_item(item)

    def cancelled(self, noun: str, id: str, version: int, name: str) -> None:
        self._of(noun, id, version).setdefault("cancelled", []).append(name)

    def text(self, noun: str, id: str, version: int) -> str:
        """What the line binds, as it is kept."""
        parts = self._parts.get((noun, id, version))
        return "{}" if parts is None else orjson.dumps(parts).decode()

    def _of(self, noun: str, id: str, version: int) -> dict[str, Any]:
        return self._parts.setdefault((noun, id, version), {})


def _parts_of(text: str) -> Mapping[str, Any]:
    try:
        found = orjson.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _instant(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def _digest(fields: list[Any]) -> Digest:
    return hashlib.sha256(orjson.dumps(fields)).hexdigest()
