"""Rows for the store's tests, with one thing to say at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gateway.store.rows import InboxRow, JournalEntry, NounRow, OutboxItem

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

NOUN = NounRow(
    noun="payment",
    id="P1",
    state="open",
    version=1,
    lot_id="L1",
    owner="999101",
    data='{"amount":"1 ₼"}',
    head_hash=b"\x00\xff",
    updated_at=NOW,
)
INBOX = InboxRow(
    source="999101",
    message_id="m1",
    digest="d",
    noun="payment",
    noun_id="P1",
    answer='{"state":"open"}',
    received_at=NOW,
)
ENTRY = JournalEntry(
    noun="payment",
    noun_id="P1",
    version=1,
    lot_id="L1",
    owner="999101",
    at=NOW,
    event="PaymentWanted",
    before=None,
    after="open",
    cause_source="999101",
    cause_id="m1",
    data="{}",
    prev_hash=b"",
    hash=b"\x01",
    bound='{"noun":"ff"}',
)
ITEM = OutboxItem(
    id="o1",
    channel="banks",
    recipient="999101",
    noun="payment",
    noun_id="P1",
    body_type="Notice",
    body="{}",
    due_at=NOW,
    created_at=NOW,
)
TIMER = replace(ITEM, id="t1", channel="timer", recipient="", name="deadline", body_type="Lapsed")


def item(id: str, **other: Any) -> OutboxItem:
    """An outbox row of that id."""
    return replace(ITEM, id=id, **other)
