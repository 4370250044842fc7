"""What a step and a dispatcher find before they go on: that somebody changed the store behind the journal's back.

The check is always on. It costs a digest of some kilobytes, and nothing else would stop a payment whose account was
changed between the order and the rail. What is found is left as it is; nothing is written over it, nothing is sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.engine.binding import bound_item, bound_noun, digest_of_item, digest_of_noun
from gateway.engine.journal import digest
from gateway.errors import OurFaultError
from gateway.store.interface import Reader
from gateway.store.rows import HeldNoun, JournalEntry, LeasedRow

OLD_LINES_MAX = timedelta(
    days=14
)  # how long a delivery may wait by order of a line of before v0011, which binds nothing


class TamperedError(OurFaultError):
    """A noun is not what its last journal line says; nothing is to be done with it until a person has looked."""

    def __init__(self, noun: str, noun_id: str, what: str) -> None:
        super().__init__(f"{noun} {noun_id}: {what}")
        self.facts = {"noun": noun, "id": noun_id, "what": what}


def check_noun(reader: Reader, row: HeldNoun) -> None:
    """Hold a noun against its line before a step goes by it.

    The line came along with it, but for nouns of before v0011 and where another transaction was waited for.

    Raises:
        TamperedError: it is not what the line says, or there is no such line.
    """
    if row.bound is not None and row.line_hash == row.head_hash:
        if bound_noun(row.bound) != digest_of_noun(row):
            raise TamperedError(row.noun, row.id, f"not as journal line {row.version} left it")
        return
    line = reader.line_of(row.noun, row.id, row.version)
    if line is None or not line.hash == row.head_hash == digest(line):
        raise TamperedError(row.noun, row.id, f"journal line {row.version} is not its head")
    if line.bound is not None and bound_noun(line.bound) != digest_of_noun(row):
        raise TamperedError(row.noun, row.id, f"not as journal line {row.version} left it")


def is_as_ordered(row: LeasedRow) -> bool:
    """Whether the line that came along ordered just this; False means to look closer."""
    return row.ordered is not None and bound_item(row.ordered, row) == digest_of_item(row)


def doubt_of(row: LeasedRow, line: JournalEntry | None, now: datetime) -> str | None:
    """Why what did not come along with its order is not to be sent; None if it may be, by a line that binds nothing."""
    if line is None:
        return f"journal line {row.state_version} is not there"
    if line.hash != digest(line):
        return f"journal line {line.version} was changed"
    if line.bound is None and (row.name is not None or now - line.at <= OLD_LINES_MAX):
        return None
    ordered = None if line.bound is None else bound_item(line.bound, row)
    return None if ordered == digest_of_item(row) else f"not what journal line {line.version} ordered"
