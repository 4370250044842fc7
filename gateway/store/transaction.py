"""The writing half of a transaction: what the engine does to the tables, the same on both databases."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.store.errors import DuplicateError, StoreError, VersionConflictError
from gateway.store.interface import NONE_TAKEN, Lane
from gateway.store.mapping import to_micros, to_values
from gateway.store.reading import SqlReader
from gateway.store.rows import (
    AliasRow,
    Concluded,
    DocumentRow,
    EvidenceLink,
    FeedRow,
    InboxRow,
    JournalEntry,
    NounRow,
    OcspAnswerRow,
    OutboxItem,
    OutboxRow,
    StampRow,
)
from gateway.store.session import Otherwise


class SqlTransaction(SqlReader):
    """`interface.Transaction` over a session that is inside a transaction."""

    def noun(self, noun: str, id: str) -> NounRow | None:
        query = "lock_noun" if self._session.has("lock_noun") else "noun"
        return self._session.row(NounRow, query, noun=noun, id=id)

    def prove_writable(self) -> None:
        self._session.write("prove_writable", [{}])

    def lock_lot_of(self, noun: str, id: str) -> None:
        if self._session.has("lock_lot_of"):
            self._session.write("lock_lot_of", [{"noun": noun, "id": id}])

    def lock_lots_of(self, names: Sequence[tuple[str, str]]) -> None:
        if self._session.has("lock_lots_of"):
            nouns, ids = zip(*names, strict=True)
            self._session.write("lock_lots_of", [{"nouns": list(nouns), "ids": list(ids)}])

    def save_noun(self, row: NounRow, *, expected_version: int, before: NounRow | None = None) -> None:
        query, values = "insert_noun", to_values(row)
        if expected_version:
            query = _updating(row, before)
            values["expected_version"] = expected_version

        def otherwise() -> StoreError:
            return VersionConflictError(f"{row.noun} {row.id} is not at version {expected_version}")

        self._session.write(query, [values], otherwise)

    def add_alias(self, row: AliasRow) -> bool:
        return bool(self._session.change("insert_alias", row)) or row == self.find_alias(row.scheme, row.value)

    def add_inbox(self, row: InboxRow) -> None:
        def otherwise() -> StoreError:
            return DuplicateError(f"message {row.message_id} of {row.source} is in the inbox already")

        self._session.write("insert_inbox", [row], otherwise)

    def append_journal(self, *entries: JournalEntry) -> None:
        def otherwise() -> StoreError:
            chains = sorted({f"{entry.noun} {entry.noun_id}" for entry in entries})
            return VersionConflictError(f"a line of that version is in the chain already: {', '.join(chains)}")

        self._insert_all("insert_journal", entries, otherwise)

    def enqueue(self, *items: OutboxItem) -> None:
        for item in items:
            self._lock_order(item.order_key)
        self._insert_all("insert_outbox", items)

    def set_timer(self, *items: OutboxItem) -> None:
        if any(item.name is None or item.order_key is not None for item in items):
            raise ValueError("a timer has a name and no order key")
        self._insert_all("set_timer", items)

    def cancel_timer(self, noun: str, noun_id: str, name: str, *, now: datetime) -> None:
        values = {"noun": noun, "noun_id": noun_id, "name": name, "now": to_micros(now)}
        self._session.write("cancel_timer", [values])

    def claim(
        self,
        *,
        now: datetime,
        worker: str,
        lease_s: float,
        limits: Mapping[str, int],
        taken: Mapping[Lane, int] = NONE_TAKEN,
        lanes: Iterable[Lane] | None = None,
    ) -> list[OutboxRow]:
        values = {"worker": worker, "now": to_micros(now), "lease_end": to_micros(now + timedelta(seconds=lease_s))}
        claims = []
        for lane in self._due_lanes(now) if lanes is None else lanes:
            places = limits.get(lane[0], 0) - taken.get(lane, 0)
            if places > 0:
                claims.append({"channel": lane[0], "recipient": lane[1], "limit": places} | values)
        return sorted(self._session.rows_each(OutboxRow, "claim", claims), key=lambda row: (row.due_at, row.seq))

    def _due_lanes(self, now: datetime) -> list[Lane]:
        return [(lane.channel, lane.recipient) for lane in self.lanes() if lane.visible_at <= now]

    def conclude(self, row: OutboxRow, *, now: datetime, state: str, note: str | None = None) -> Concluded:
        self._lock_order(row.order_key)
        values = {"now": to_micros(now), "state": state, "note": note, "order_key": row.order_key}
        _, found = self._session.select("conclude", self._lease(row) | values)
        if not found:
            return Concluded.LOST
        if not found[0][0]:
            return Concluded.DONE
        self._promote(row.order_key)
        return Concluded.FOLLOWED

    def reschedule(self, row: OutboxRow, *, due_at: datetime, state: str = "due", error: str | None = None) -> bool:
        return self._leased("reschedule", row, due_at=to_micros(due_at), state=state, error=error)

    def park(self, row: OutboxRow, *, now: datetime, state: str = "parked", error: str | None = None) -> bool:
        return self._leased("park", row, now=to_micros(now), state=state, error=error)

    def give_back(self, row: OutboxRow) -> bool:
        return self._leased("give_back", row)

    def release(self) -> int:
        return self._session.change("release", {})

    def requeue(self, id: str, *, now: datetime, state: str = "due") -> bool:
        return self._session.change("requeue", {"id": id, "now": to_micros(now), "state": state}) > 0

    def discard(self, id: str, *, now: datetime, state: str, note: str) -> bool:
        row = self.find_outbox(id)
        if row is None:
            return False
        self._lock_order(row.order_key)
        values = {"id": id, "now": to_micros(now), "state": state, "note": note}
        discarded = self._session.change("discard", values) > 0
        if discarded:
            self._promote(row.order_key)
        return discarded

    def next_sequence(self, recipient: str) -> int:
        return int(self._session.scalar("next_sequence", recipient=recipient))

    def add_feed(self, *rows: FeedRow) -> None:
        self._insert_all("insert_feed", rows)

    def add_stamp(self, row: StampRow) -> bool:
        return bool(self._session.change("insert_stamp", row))

    def add_signature(self, mark: bytes, *, until: datetime) -> bool:
        return self._session.change("insert_signature", {"mark": mark, "until": to_micros(until)}) > 0

    def forget_signatures(self, *, before: datetime, limit: int) -> int:
        return self._session.change("forget_signatures", {"before": to_micros(before), "limit": limit})

    def add_document(self, row: DocumentRow) -> None:
        if self._session.change("insert_document", row):
            return
        if self._session.scalar("document_digest", id=row.id) != row.sha256:
            raise DuplicateError(f"document {row.id} exists with other content")

    def add_evidence(self, *pieces: tuple[EvidenceLink, bytes]) -> None:
        if not pieces:
            return
        if any(hashlib.sha256(content).hexdigest() != link.sha256 for link, content in pieces):
            raise ValueError("the evidence is not what its digest says")
        contents = [{"sha256": link.sha256, "content": content} for link, content in pieces]
        self._session.write("insert_evidence", contents)
        self._insert_all("insert_evidence_link", [link for link, _ in pieces])

    def _insert_all(self, query: str, rows: Sequence[Any], otherwise: Otherwise | None = None) -> None:
        """Insert rows in their order; `otherwise` where one has no room."""
        if rows:
            self._session.write(query, rows, otherwise)

    def add_ocsp_answer(self, row: OcspAnswerRow) -> None:
        self._session.write("insert_ocsp_answer", [row])

    def _leased(self, query: str, row: OutboxRow, **values: Any) -> bool:
        """Change a row on the strength of its lease; a later claim, a cancellation or a conclusion has ended it."""
        return self._session.change(query, self._lease(row) | values) > 0

    @staticmethod
    def _lease(row: OutboxRow) -> dict[str, Any]:
        return {"seq": row.seq, "lease_owner": row.lease_owner, "attempt": row.attempt}

    def _lock_order(self, order_key: str | None) -> None:
        if order_key is not None and self._session.has("lock_order"):
            self._session.write("lock_order", [{"order_key": order_key}])

    def _promote(self, order_key: str | None) -> None:
        if order_key is not None:
            self._session.write("promote", [{"order_key": order_key}])


def _updating(row: NounRow, before: NounRow | None) -> str:
    """The narrowest statement that saves the row."""
    if before is None or _filed(before) != _filed(row):
        return "update_noun"
    return "touch_noun" if before.state == row.state else "move_noun"


def _filed(row: NounRow) -> tuple[Any, ...]:
    """What indexes hold besides the state."""
    return row.lot_id, row.owner, row.expected_at
