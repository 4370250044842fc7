"""What people read out on the telephone: names kept as things happen, and everything they may mean found again.

Ids of ours are keys of the store already. What others call a thing (an MSID, a case number) may be the name of several:
it is kept by its digest, in a form that sorts alike in every collation, and found by one seek. So are alarms, by time.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain import asking, credit, deficiency, inquiry, liquidity, payment
from gateway.domain.events import payment as payments
from gateway.domain.nouns import TABLES
from gateway.store.interface import Reader
from gateway.store.mapping import to_micros
from gateway.store.rows import AliasRow, JournalRow, NounRow

QUOTED = "quoted"  # scheme of what others call a noun
ALARM = "alarm"  # scheme of alarms: microseconds since 1970, then the line in its noun's chain
TEXT_MAX_CHARS = 200
_FOUND_MAX = 50
_HALF = 32  # hexadecimal digits of a name's digest, and of its noun's
_UNSAID = frozenset({"visit", "door"})  # who is at the console; who was refused, whom `What.PARTICIPANT` finds
SCHEMES = (
    payments.ORDER_ALIAS,
    payments.END_TO_END_ALIAS,
    asking.ENQUIRY_ALIAS,
    payment.AZIPS_ALIAS,
    payment.RECALL_ALIAS,
    credit.MESSAGE_ALIAS,
    credit.RETURN_ALIAS,
    deficiency.REPORT_ALIAS,
    inquiry.QUESTION_ALIAS,
    inquiry.COPY_ALIAS,
    liquidity.QUESTION_ALIAS,
    liquidity.INCREASE_ALIAS,
)


class What(StrEnum):
    """As what a text was found."""

    ITS_ID = "its_id"  # of a lot, an offer, a payment, an invoice, a guarantee, a protocol, an account of ours
    MESSAGE = "message"  # of a rail, ours or theirs
    QUOTED = "quoted"  # what others call it: an MSID, a case number, a number of Asan Pay's, a guarantee's reference
    RECEIVED = "received"  # a message somebody sent us: a bank's, the platform's, Asan Pay's, a ministry's
    DELIVERY = "delivery"  # ours, by its own id: the webhook-id of a callback
    TOLD = "told"  # a recipient's code and a number of its sequence
    PARTICIPANT = "participant"  # somebody's code


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing that may be meant. Without a noun `id` names a delivery, or a participant where `what` says so."""

    what: What
    id: str
    noun: str | None = None
    row: NounRow | None = None


def quoted(said: str, noun: str, id: str) -> AliasRow:
    """The row by which `find` knows that somebody calls this noun so."""
    value = _digest(_heard(said)) + _digest(f"{noun}/{id}")
    return AliasRow(scheme=QUOTED, value=value, noun=noun, id=id)


def alarm(noun: str, id: str, version: int, at: datetime) -> AliasRow:
    """The row by which `alarms` knows that this line of a noun's chain is one."""
    value = f"{_micros(at)}{version:010d}{_digest(f'{noun}/{id}')}"
    return AliasRow(scheme=ALARM, value=value, noun=noun, id=id)


def alarms(reader: Reader, *, since: datetime, limit: int) -> Iterator[JournalRow]:
    """The lines of the journal that are alarms, the newest first; those written by a program that kept none are not."""
    first, last = _micros(since), "9" * (len(_micros(since)) + 10 + _HALF)
    for name in reader.aliases_between(ALARM, first=first, last=last, limit=limit):
        version = int(name.value[16:26])
        lines = reader.journal_of(name.noun, name.id, after=version - 1, limit=1)
        yield from (line for line in lines if line.version == version)


def find(reader: Reader, text: str, sources: Iterable[str]) -> list[Found]:
    """Everything that may be meant by what was read out, each once; by seeks alone, however much the store has."""
    senders = tuple(sources)
    said = list(dict.fromkeys([text.strip(), text.strip().upper(), "".join(text.split()).upper()]))
    found: dict[tuple[str | None, str], Found] = {}
    for one in said:
        for item in _found(reader, one, senders) if one.isprintable() and 0 < len(one) <= TEXT_MAX_CHARS else ():
            found.setdefault((item.noun, item.id), item)
    return list(found.values())


def _found(reader: Reader, said: str, sources: tuple[str, ...]) -> Iterator[Found]:
    if said in sources:
        yield Found(what=What.PARTICIPANT, id=said)
    for what, noun, id in _named(reader, said, sources):
        row = reader.noun(noun, id)
        if row is not None and noun not in _UNSAID:
            yield Found(what=what, noun=noun, id=id, row=row)
    if (sent := reader.find_outbox(said)) is not None and sent.name is None:
        yield Found(what=What.DELIVERY, id=said)
    yield from _told(reader, said)


def _named(reader: Reader, said: str, sources: Iterable[str]) -> Iterator[tuple[What, str, str]]:
    """Every noun that may be meant, by key; each look-up is one seek."""
    yield from ((What.ITS_ID, noun, said) for noun in TABLES)
    for scheme in SCHEMES:
        if (alias := reader.find_alias(scheme, said)) is not None:
            yield What.MESSAGE, alias.noun, alias.id
    first = _digest(_heard(said))
    for name in reader.aliases_between(QUOTED, first=first + "0" * _HALF, last=first + "f" * _HALF, limit=_FOUND_MAX):
        yield What.QUOTED, name.noun, name.id
    for source in sources:
        if (taken := reader.find_inbox(source, said)) is not None:
            yield What.RECEIVED, taken.noun, taken.noun_id


def _told(reader: Reader, said: str) -> Iterator[Found]:
    """ "999101 17": what a recipient was told under that number of its sequence."""
    named = re.fullmatch(r"(\S+)\s+(?:№\s*)?([0-9]{1,15})", said)
    if named is not None and int(named[2]) > 0:
        for line in reader.read_feed(named[1], after=int(named[2]) - 1, limit=1):
            if line.sequence == int(named[2]):
                yield Found(what=What.TOLD, id=line.outbox_id)


def _heard(said: str) -> str:
    """As it sounds: without blanks, case, and the dots that part i from ı."""
    parts = unicodedata.normalize("NFKD", "".join(said.split()).casefold())
    return "".join(sign for sign in parts if not unicodedata.combining(sign)).replace("ı", "i")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HALF]


def _micros(at: datetime) -> str:
    return f"{to_micros(at):016d}"
