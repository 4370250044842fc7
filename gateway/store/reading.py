"""The reading half of a transaction: named queries in, rows out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from gateway.store.mapping import from_micros, to_micros
from gateway.store.rows import (
    AliasRow,
    DocumentRow,
    EvidencePiece,
    EvidenceRow,
    FeedRow,
    InboxRow,
    JournalLeaf,
    JournalRow,
    LaneRow,
    NounCount,
    NounRow,
    OcspAnswerRow,
    OutboxCount,
    OutboxRow,
    StampRow,
)
from gateway.store.session import Session

_BEGINNING = -(2**62)  # microseconds: before any instant there is
SEQ_BEYOND = 2**62  # greater than any `seq`, and than any number of rows


class SqlReader:
    """`interface.Reader` over a session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def noun(self, noun: str, id: str) -> NounRow | None:
        return self._session.row(NounRow, "noun", noun=noun, id=id)

    def find_alias(self, scheme: str, value: str) -> AliasRow | None:
        return self._session.row(AliasRow, "find_alias", scheme=scheme, value=value)

    def aliases_between(self, scheme: str, *, first: str, last: str, limit: int) -> list[AliasRow]:
        return self._session.rows(AliasRow, "aliases_between", scheme=scheme, first=first, last=last, limit=limit)

    def nouns_of_lot(self, lot_id: str, *, limit: int | None = None) -> list[NounRow]:
        most = SEQ_BEYOND if limit is None else limit
        return self._session.rows(NounRow, "nouns_of_lot", lot_id=lot_id, limit=most)

    def list_nouns(
        self, noun: str, *, owner: str | None = None, state: str | None = None, after: str = "", limit: int = 100
    ) -> list[NounRow]:
        query = _LISTS[owner is not None, state is not None]
        chosen = {name: value for name, value in (("owner", owner), ("state", state)) if value is not None}
        return self._session.rows(NounRow, query, noun=noun, after=after, limit=limit, **chosen)

    def nouns_expected(
        self, noun: str, *, until: datetime, after: NounRow | None = None, limit: int = 100
    ) -> list[NounRow]:
        values = {
            "noun": noun,
            "until": to_micros(until),
            "after_at": _BEGINNING if after is None or after.expected_at is None else to_micros(after.expected_at),
            "after": "" if after is None else after.id,
            "limit": limit,
        }
        return self._session.rows(NounRow, "nouns_expected", **values)

    def last_noun(self, noun: str, *, first: str, last: str) -> NounRow | None:
        return self._session.row(NounRow, "last_noun", noun=noun, first=first, last=last)

    def count_nouns(self) -> list[NounCount]:
        return self._session.rows(NounCount, "count_nouns")

    def count_states(self, states: Iterable[tuple[str, str]]) -> list[NounCount]:
        each = [{"noun": noun, "state": state} for noun, state in states]
        return self._session.rows_each(NounCount, "count_state", each)

    def unscheduled(self, noun: str, state: str, *, limit: int = 100) -> list[NounRow]:
        return self._session.rows(NounRow, "unscheduled", noun=noun, state=state, limit=limit)

    def size_bytes(self) -> int:
        return int(self._session.scalar("size_bytes"))

    def find_inbox(self, source: str, message_id: str) -> InboxRow | None:
        return self._session.row(InboxRow, "find_inbox", source=source, message_id=message_id)

    def stray_inbox(self, *, limit: int) -> list[InboxRow]:
        return self._session.rows(InboxRow, "stray_inbox", limit=limit)

    def journal_of(self, noun: str, noun_id: str, *, after: int = 0, limit: int | None = None) -> list[JournalRow]:
        most = SEQ_BEYOND if limit is None else limit
        return self._session.rows(JournalRow, "journal_of", noun=noun, noun_id=noun_id, after=after, limit=most)

    def journal_between(self, noun: str, first: str, last: str) -> list[JournalRow]:
        return self._session.rows(JournalRow, "journal_between", noun=noun, first=first, last=last)

    def journal_of_lot(self, lot_id: str, *, after: int = 0, limit: int = 1000) -> list[JournalRow]:
        return self._session.rows(JournalRow, "journal_of_lot", lot_id=lot_id, after=after, limit=limit)

    def journal_line(self, seq: int) -> JournalRow | None:
        return self._session.row(JournalRow, "journal_line", seq=seq)

    def line_of(self, noun: str, noun_id: str, version: int) -> JournalRow | None:
        return self._session.row(JournalRow, "line_of", noun=noun, noun_id=noun_id, version=version)

    def last_move(self, noun: str, noun_id: str) -> JournalRow | None:
        return self._session.row(JournalRow, "last_move", noun=noun, noun_id=noun_id)

    def refusals(
        self, *, sender: str | None = None, code: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[JournalRow]:
        query = _REFUSALS[sender is not None, code is not None]
        chosen = {name: value for name, value in (("sender", sender), ("code", code)) if value is not None}
        return self._session.rows(JournalRow, query, before=before or SEQ_BEYOND, limit=limit, **chosen)

    def last_stamped(self) -> int:
        return self._session.scalar("last_stamped") or 0

    def last_line(self) -> int:
        return self._session.scalar("last_line") or 0

    def journal_writers(self) -> frozenset[str]:
        return frozenset((self._session.scalar("journal_writers") or "").split())

    def journal_leaves(self, *, after: int, limit: int) -> list[JournalLeaf]:
        return self._session.rows(JournalLeaf, "journal_leaves", after=after, limit=limit)

    def next_stamp(self, after: int) -> StampRow | None:
        return self._session.row(StampRow, "next_stamp", after=after)

    def stamps_between(self, first: int, last: int) -> list[StampRow]:
        return self._session.rows(StampRow, "stamps_between", first=first, last=last)

    def count_stray_lines(self) -> int:
        return int(self._session.scalar("count_stray_lines"))

    def count_lines_after(self, seq: int) -> int:
        return int(self._session.scalar("count_lines_after", after=seq))

    def last_unbound_at(self) -> datetime | None:
        micros = self._session.scalar("last_unbound_at")
        return None if micros is None else from_micros(micros)

    def find_outbox(self, id: str) -> OutboxRow | None:
        return self._session.row(OutboxRow, "find_outbox", id=id)

    def list_outbox(
        self,
        *,
        channel: str | None = None,
        recipient: str | None = None,
        parked: bool | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> list[OutboxRow]:
        return self._session.rows(
            OutboxRow,
            {None: "list_outbox", True: "list_outbox_parked", False: "list_outbox_moving"}[parked],
            any_channel=int(channel is None),
            channel=channel or "",
            any_recipient=int(recipient is None),
            recipient=recipient or "",
            after=after,
            limit=limit,
        )

    def outbox_of(self, noun: str, noun_id: str) -> list[OutboxRow]:
        return self._session.rows(OutboxRow, "outbox_of", noun=noun, noun_id=noun_id)

    def outbox_between(self, noun: str, first: str, last: str) -> list[OutboxRow]:
        return self._session.rows(OutboxRow, "outbox_between", noun=noun, first=first, last=last)

    def stray_outbox(self, *, limit: int) -> list[OutboxRow]:
        return self._session.rows(OutboxRow, "stray_outbox", limit=limit)

    def count_outbox(self) -> list[OutboxCount]:
        return self._session.rows(OutboxCount, "count_outbox")

    def lanes(self) -> list[LaneRow]:
        return self._session.rows(LaneRow, "lanes")

    def read_feed(self, recipient: str, *, after: int = 0, limit: int = 100) -> list[FeedRow]:
        return self._session.rows(FeedRow, "read_feed", recipient=recipient, after=after, limit=limit)

    def unacknowledged(self, recipient: str, *, after: int = 0, limit: int = 100) -> list[FeedRow]:
        return self._session.rows(FeedRow, "unacknowledged", recipient=recipient, after=after, limit=limit)

    def feed_head(self, recipient: str) -> int:
        return self._session.scalar("feed_head", recipient=recipient) or 0

    def document(self, id: str) -> DocumentRow | None:
        return self._session.row(DocumentRow, "document", id=id)

    def evidence_of(self, noun: str, noun_id: str, *, after: int = 0, limit: int | None = None) -> list[EvidenceRow]:
        most = SEQ_BEYOND if limit is None else limit
        return self._session.rows(EvidenceRow, "evidence_of", noun=noun, noun_id=noun_id, after=after, limit=most)

    def evidence_of_lot(self, lot_id: str, *, after: int = 0, limit: int | None = None) -> list[EvidenceRow]:
        most = SEQ_BEYOND if limit is None else limit
        return self._session.rows(EvidenceRow, "evidence_of_lot", lot_id=lot_id, after=after, limit=most)

    def evidence_piece(self, seq: int) -> EvidencePiece | None:
        return self._session.row(EvidencePiece, "evidence_piece", seq=seq)

    def ocsp_answers_of(self, participant: str, *, since: datetime, until: datetime) -> list[OcspAnswerRow]:
        return self._session.rows(
            OcspAnswerRow,
            "ocsp_answers_of",
            participant=participant,
            since=to_micros(since),
            until=to_micros(until),
        )


_LISTS = {
    (False, False): "list_nouns",
    (False, True): "list_nouns_by_state",
    (True, False): "list_nouns_by_owner",
    (True, True): "list_nouns_by_owner_and_state",
}
_REFUSALS = {
    (False, False): "refusals",
    (False, True): "refusals_with_code",
    (True, False): "refusals_of_sender",
    (True, True): "refusals_of_sender_with_code",
}
