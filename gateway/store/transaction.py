"""The writing half of a transaction: what the engine does to the tables, the same on both databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
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
    EndedRow,
    Ending,
    EvidenceItem,
    FeedRow,
    HeldNoun,
    InboxRow,
    JournalEntry,
    LeasedRow,
    NounRow,
    OcspAnswerRow,
    OutboxItem,
    OutboxRow,
    StampRow,
)
from gateway.store.session import Otherwise, Session


class SqlTransaction(SqlReader):
    """`interface.Transaction` over a session that is inside a transaction."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._locked: set[tuple[str, str]] = set()  # nouns; only a database of many writers asks for it

    def noun(self, noun: str, id: str) -> HeldNoun | None:
        return self.nouns([(noun, id)]).get((noun, id))

    def nouns(self, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], HeldNoun]:
        found = self._session.rows_each(HeldNoun, "hold_noun", [{"noun": noun, "id": id} for noun, id in names])
        rows = {(row.noun, row.id): row for row in found}
        if self._session.has("lock_order"):
            self._locked |= rows.keys()
        return rows

    def ask_inbox(self, source: str, message_id: str) -> Callable[[], InboxRow | None]:
        asked = self._session.ask(InboxRow, "find_inbox", [{"source": source, "message_id": message_id}])
        return lambda: next(iter(asked()), None)

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

    def add_alias(self, row: AliasRow) -> Callable[[], bool]:
        added = self._session.ask(AliasRow, "insert_alias", [row])
        return lambda: bool(added()) or row == self.find_alias(row.scheme, row.value)

    def add_inbox(self, row: InboxRow) -> None:
        def otherwise() -> StoreError:
            return DuplicateError(f"message {row.message_id} of {row.source} is in the inbox already")

        self._session.write("insert_inbox", [row], otherwise)

    def append_journal(self, *entries: JournalEntry) -> None:
        def otherwise() -> StoreError:
            chains = sorted({f"{entry.noun} {entry.noun_id}" for entry in entries})
            return VersionConflictError(f"a line of that version is in the chain already: {', '.join(chains)}")

        self._write_all("insert_journal", entries, otherwise)

    def enqueue(self, *items: OutboxItem) -> None:
        for item in items:
            self._lock_order(item)
        self._write_all("insert_outbox", items)

    def set_timer(self, *items: OutboxItem) -> None:
        if any(item.name is None or item.order_key is not None for item in items):
            raise ValueError("a timer has a name and no order key")
        self._write_all("set_timer", items)

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
    ) -> list[LeasedRow]:
        due = [(lane.channel, lane.recipient) for lane in self.lanes() if lane.visible_at <= now]
        places = {lane: limits.get(lane[0], 0) - taken.get(lane, 0) for lane in due}
        return self.lease(now=now, worker=worker, lease_s=lease_s, places=places)()

    def lease(
        self, *, now: datetime, worker: str, lease_s: float, places: Mapping[Lane, int]
    ) -> Callable[[], list[LeasedRow]]:
        values = {"worker": worker, "now": to_micros(now), "lease_end": to_micros(now + timedelta(seconds=lease_s))}
        claims = [
            {"channel": lane[0], "recipient": lane[1], "limit": count} | values
            for lane, count in places.items()
            if count > 0
        ]
        leased = self._session.ask(LeasedRow, "claim", claims)
        if self._session.has("lease"):
            self._write_all("lease", leased())
        return lambda: sorted(leased(), key=lambda row: (row.due_at, row.seq))

    def conclude(self, row: OutboxRow, *, now: datetime, state: str, note: str | None = None) -> Concluded:
        [concluded] = self.ask_conclude([Ending(row=row, state=state, note=note)], now=now)()
        return concluded

    def ask_conclude(self, endings: Sequence[Ending], *, now: datetime) -> Callable[[], list[Concluded]]:
        for ending in endings:
            self._lock_order(ending.row)
        values, at = [], to_micros(now)
        for it in endings:
            how = {"now": at, "state": it.state, "note": it.note, "order_key": it.row.order_key}
            values.append(self._lease(it.row) | how)
        asked = self._session.ask(EndedRow, "conclude", values)
        if self._session.has("end"):
            self._write_all("end", values)

        def concluded() -> list[Concluded]:
            followed = {(found.seq, found.attempt): found.followed for found in asked()}
            # one lease ends once, though two that are brought together both name it
            return [self._concluded(it.row, followed.pop((it.row.seq, it.row.attempt), None)) for it in endings]

        return concluded

    def _concluded(self, row: OutboxRow, followed: bool | None) -> Concluded:
        """What became of it; the next of its order key is let go. None: the lease was lost."""
        if followed is None:
            return Concluded.LOST
        if not followed:
            return Concluded.DONE
        self._promote(row.order_key)
        return Concluded.FOLLOWED

    def reschedule(self, row: OutboxRow, *, due_at: datetime, state: str = "due", error: str | None = None) -> bool:
        return self._leased("reschedule", row, due_at=to_micros(due_at), state=state, error=error)

    def park(self, row: OutboxRow, *, now: datetime, state: str = "parked", error: str | None = None) -> bool:
        return self._leased("park", row, now=to_micros(now), state=state, error=error)

    def hasten(self, channel: str, recipient: str, *, now: datetime) -> int:
        values = {"channel": channel, "recipient": recipient, "now": to_micros(now)}
        return self._session.change("hasten", values)

    def give_back(self, row: OutboxRow) -> bool:
        return self._leased("give_back", row)

    def renew(self, row: OutboxRow, *, until: datetime) -> bool:
        return self._leased("renew", row, lease_end=to_micros(until))

    def release(self) -> int:
        return self._session.change("release", {})

    def requeue(self, id: str, *, now: datetime, state: str = "due") -> bool:
        return self._session.change("requeue", {"id": id, "now": to_micros(now), "state": state}) > 0

    def discard(self, id: str, *, now: datetime, state: str, note: str) -> bool:
        row = self.find_outbox(id)
        if row is None:
            return False
        self._lock_order(row)
        values = {"id": id, "now": to_micros(now), "state": state, "note": note}
        discarded = self._session.change("discard", values) > 0
        if discarded:
            self._promote(row.order_key)
        return discarded

    def next_sequences(self, recipients: Sequence[str]) -> list[int]:
        counts = Counter(recipients)
        _, found = self._session.select_each(
            "next_sequences", [{"recipient": recipient, "count": count} for recipient, count in counts.items()]
        )
        numbers = {recipient: iter(range(last - counts[recipient] + 1, last + 1)) for recipient, last in found}
        return [next(numbers[recipient]) for recipient in recipients]

    def add_feed(self, *rows: FeedRow) -> None:
        self._write_all("insert_feed", rows)

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

    def add_evidence(self, *items: EvidenceItem) -> None:
        self._write_all("insert_evidence", items)

    def _write_all(self, query: str, rows: Sequence[Any], otherwise: Otherwise | None = None) -> None:
        """Write rows in their order; `otherwise` where one touched nothing."""
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

    def _lock_order(self, item: OutboxItem) -> None:
        """Whoever holds the noun has the rows of its order keys to himself."""
        if item.order_key is None or (item.noun, item.noun_id) in self._locked:
            return
        if self._session.has("lock_order"):
            self._session.write("lock_order", [{"order_key": item.order_key}])

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
