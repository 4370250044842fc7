"""What the gateway's own books say of a run: counts that make it valid, and waits from journal and outbox."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

_MICROS = 1e-6
_SQLITE = "sqlite:///"
_COUNTS = {
    "accepted": "SELECT count(*) FROM nouns WHERE noun = 'offer' AND state = 'accepted'",
    "settled": "SELECT count(*) FROM nouns WHERE noun = 'payment' AND state = 'settled'",
    "called_back": """
        SELECT count(*) FROM outbox o JOIN journal j
          ON j.noun = o.noun AND j.noun_id = o.noun_id AND j.version = o.state_version
        WHERE j.noun = 'payment' AND j.event = 'Settled' AND o.channel = 'banks' AND o.state = 'acknowledged'
    """,
    "delivered": "SELECT count(*) FROM nouns WHERE noun = 'protocol' AND state = 'delivered'",
    "open": "SELECT count(*) FROM outbox WHERE channel <> 'timer' AND concluded_at IS NULL",
    "tried_again": "SELECT count(*) FROM outbox WHERE channel <> 'timer' AND attempt > 1",
}
_DECIDED_TO_SETTLED = """
    SELECT settled.at - decided.at FROM journal settled JOIN journal decided
      ON decided.lot_id = settled.lot_id AND decided.noun = 'offer' AND decided.event = 'Accepted'
    WHERE settled.noun = 'payment' AND settled.event = 'Settled' AND settled.before <> 'settled'
"""
_DECIDED_TO_SENT = """
    SELECT o.concluded_at - decided.at FROM outbox o
      JOIN nouns n ON n.noun = 'payment' AND n.id = o.noun_id
      JOIN journal decided ON decided.lot_id = n.lot_id AND decided.noun = 'offer' AND decided.event = 'Accepted'
    WHERE o.noun = 'payment' AND o.channel = 'aos' AND o.body_type = 'PaymentOrder' AND o.concluded_at IS NOT NULL
    ORDER BY o.created_at
"""
_REFUND_SENT_AT = """
    SELECT n.lot_id, o.concluded_at FROM outbox o JOIN nouns n ON n.noun = 'payment' AND n.id = o.noun_id
    WHERE o.noun = 'payment' AND o.channel = 'aos' AND o.body_type = 'PaymentOrder' AND o.state = 'acknowledged'
      AND o.noun_id LIKE '%.refund.%'
"""
_FINAL_TO_CALLBACK = """
    SELECT o.concluded_at - o.created_at FROM outbox o JOIN journal j
      ON j.noun = o.noun AND j.noun_id = o.noun_id AND j.version = o.state_version
    WHERE j.noun = 'payment' AND j.event = 'Settled' AND o.channel = 'banks' AND o.state = 'acknowledged'
"""
_LAST_SETTLED = "SELECT max(at) FROM journal WHERE noun = 'payment' AND event = 'Settled' AND before <> 'settled'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Of one run. `open`: deliveries not concluded; `tried_again`: deliveries that took more than one attempt."""

    accepted: int
    settled: int
    called_back: int  # banks that acknowledged the callback of the settled payment
    delivered: int  # protocols with all receipts
    open: int
    tried_again: int

    def is_balanced(self, lots: int) -> bool:
        """Whether the run counts: everything that was asked for happened, and nothing is under way."""
        return self.accepted == self.settled == self.called_back == self.delivered == lots and not self.open

    def __str__(self) -> str:
        return " ".join(f"{name}={getattr(self, name)}" for name in self.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Percentiles of waits, in milliseconds."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, waits_s: Sequence[float]) -> Spread:
        """By nearest rank. Raises IndexError without any wait."""
        ranked = sorted(waits_s)
        p50, p95, p99 = (ranked[min(len(ranked) - 1, int(len(ranked) * share))] for share in (0.50, 0.95, 0.99))
        return cls(p50=p50 * 1000, p95=p95 * 1000, p99=p99 * 1000)

    def __str__(self) -> str:
        return f"p50 {self.p50:>6.0f}   p95 {self.p95:>6.0f}   p99 {self.p99:>6.0f} ms"


class Books:
    """A reader of the gateway's database, beside it; `url` is its `[store] url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def counts(self) -> Counts:
        """Now."""
        return Counts(**{name: int(self._numbers(query)[0]) for name, query in _COUNTS.items()})

    def decided_to_settled_s(self) -> list[float]:
        """Per payment, from the bank's acceptance to the rail's final status, both as journalled."""
        return [micros * _MICROS for micros in self._numbers(_DECIDED_TO_SETTLED)]

    def decided_to_sent_s(self) -> list[float]:
        """Per payment, from the bank's acceptance to the rail's acknowledgement of the order."""
        return [micros * _MICROS for micros in self._numbers(_DECIDED_TO_SENT)]

    def refund_sent_at(self) -> dict[str, float]:
        """When the rail had acknowledged a lot's order to return a deposit, seconds since the epoch."""
        return {lot: micros * _MICROS for lot, micros in self._rows(_REFUND_SENT_AT)}

    def final_to_callback_s(self) -> list[float]:
        """Per payment, from the rail's final status to the bank's acknowledgement of its callback."""
        return [micros * _MICROS for micros in self._numbers(_FINAL_TO_CALLBACK)]

    def last_settled_at(self) -> float:
        """When the last payment was settled, seconds since the epoch."""
        return self._numbers(_LAST_SETTLED)[0] * _MICROS

    def _numbers(self, query: str) -> list[int]:
        return [int(row[0]) for row in self._rows(query)]

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(self._connected()) as connection:
            return list(connection.execute(query))

    def _connected(self) -> Any:
        if self._url.startswith(_SQLITE):
            return sqlite3.connect(f"file:{self._url.removeprefix(_SQLITE)}?mode=ro", uri=True, timeout=5.0)
        import psycopg

        return psycopg.connect(self._url)
