"""The outsiders' count: what senders were told is taken, what receivers got, whose money moved; against the store.

Every function raises AssertionError with what does not agree.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import orjson

from adapters.aos.central.orders import OrderState, RequestState
from adapters.asan_pay.books import notification
from gateway.doors.aos_mapping import hear
from gateway.engine.audit import audit
from gateway.engine.journal import first_break
from gateway.engine.merkle import root_of
from gateway.store.interface import Reader
from gateway.store.rows import JournalRow
from kill.besieged import Besieged
from kill.lots import Lot

_OWN_BIC, _OWN_ADDRESS = "EHRNAZ22", "EHRNAZ22XXXX"
_OTHERS_S = 60.0  # how long other ways than ours may take: to our reader of the topics, from AÖS to the banks
_EVERY = 1_000_000
Told = tuple[str, str]  # source and message id of what was answered 2xx


@dataclass(slots=True)
class Ledger:
    """How far the town has been counted already, and everything found in it."""

    acknowledged: set[Told] = field(default_factory=set)
    feeds: dict[str, set[str]] = field(default_factory=dict)
    lots: list[Lot] = field(default_factory=list)
    records: int = 0
    callbacks: int = 0
    refusals: int = 0
    aos_from: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """One run's figures."""

    acknowledged: int  # ids that a sender got a 2xx for
    stored: int  # of those, in the inbox with one effect
    to_publish: int  # protocols that the journal says are acknowledged by the broker
    published: int  # of those, on the topics
    to_call_back: int  # lines of the feeds
    called_back: int  # of those, received
    records_again: int  # records that came more than once
    callbacks_again: int
    refused: int = 0  # receipts that could not be accepted
    refused_told: int = 0  # of those, told to the ministry
    refusals_again: int = 0


async def count(city: Besieged, ledger: Ledger, lots: tuple[Lot, ...]) -> Count:
    """Everything about these lots, once they are at their ends."""
    ledger.lots += lots
    told = _told(city, ledger, lots)
    await city.system.store.read(lambda reader: stored_once(reader, told))
    deliveries = await city.system.store.read(lambda reader: _delivered(reader, lots))
    await _published(city, deliveries, {lot.id for lot in lots})
    refused = await _told_of_refusals(city, lots)
    notices = await city.system.store.read(lambda reader: _new_lines(reader, ledger))
    _called_back(city, ledger, notices)
    await _until_money_moved_once(city, lots)
    await city.system.store.read(lambda reader: chains_hold(reader, lots))
    records = sum(city.records.seen.values()) - len(city.records.seen)
    callbacks = _callbacks_again(city)
    refusals = sum(city.refusals.told.values()) - len(city.refusals.told)
    again = (records - ledger.records, callbacks - ledger.callbacks, refusals - ledger.refusals)
    ledger.records, ledger.callbacks, ledger.refusals = records, callbacks, refusals
    notified = sum(len(ids) for ids in notices.values())
    return Count(
        acknowledged=len(told),
        stored=len(told),
        to_publish=len(deliveries),
        published=len(deliveries),
        to_call_back=notified,
        called_back=notified,
        records_again=max(again[0], 0),  # less after the broker was killed: the topics are read from their beginning
        callbacks_again=again[1],
        refused=refused,
        refused_told=refused,
        refusals_again=max(again[2], 0),
    )


# -- acknowledged and stored ------------------------------------------------------------------------------------------


def _told(city: Besieged, ledger: Ledger, lots: tuple[Lot, ...]) -> set[Told]:
    """What senders of any kind have a 2xx for, since the last count."""
    names = {lot.id for lot in lots}
    told = {("EHERRAC", event["id"]) for lot in lots for event in lot.events(city.now())}
    told |= {
        (code, f"{offer}.decision")
        for code, bank in city.banks.items()
        for offer, said in bank.told.items()
        if said.refused is None and offer.partition(".")[0] in names
    }
    told |= {
        ("ASANPAY", notification(invoice).notification_id)
        for invoice in city.asan_pay.books
        if city.asan_pay.delivery(invoice.number).acknowledged
    }
    done = city.aos.deliveries.done
    for delivered in done[ledger.aos_from :]:
        sent = delivered.outgoing
        ours = sent.to_bic == _OWN_BIC and delivered.status == 202 and not sent.copy
        if ours and hear(sent.message, _OWN_ADDRESS) is not None:
            told.add(("AOS", sent.message.message_id))
    ledger.aos_from = len(done)
    new = told - ledger.acknowledged
    ledger.acknowledged |= new
    return new


def stored_once(reader: Reader, told: Iterable[Told]) -> None:
    """Each is in the inbox, and its noun's journal tells of each effect of it once."""
    chains: dict[tuple[str, str], list[JournalRow]] = {}
    for source, id in told:
        row = reader.find_inbox(source, id)
        assert row is not None, f"acknowledged and not stored: {source} {id}"
        key = (row.noun, row.noun_id)
        chain = chains.setdefault(key, reader.journal_of(*key)) if key in chains else reader.journal_of(*key)
        chains[key] = chain
        effects = Counter(line.event for line in chain if (line.cause_source, line.cause_id) == (source, id))
        assert effects, f"stored without an effect: {source} {id}"
        assert max(effects.values()) == 1, f"more than one effect: {source} {id} {effects}"


# -- published and called back ----------------------------------------------------------------------------------------


def _delivered(reader: Reader, lots: tuple[Lot, ...]) -> set[str]:
    """The ids of what the broker has acknowledged, as the journal has them."""
    found: set[str] = set()
    for lot in lots:
        if lot.ends != "concluded":
            continue
        lines = [line for line in reader.journal_of_lot(lot.id) if line.event == "DeliveryAcknowledged"]
        said = [orjson.loads(line.data) for line in lines if line.noun == "protocol"]
        ids = [fact["delivery"] for fact in said if fact["recipient"] in ("ECONOMY", "JUSTICE", "INTERIOR")]
        assert len(ids) == len(set(ids)) == 3, f"{lot.id} went to the ministries as {ids}"
        found |= set(ids)
    return found


async def _published(city: Besieged, deliveries: set[str], lots: set[str]) -> None:
    """Each lies on a topic, and nothing about these lots lies there under another id."""

    def seen() -> set[str]:
        ids = {id for _, id in city.records.seen}
        return {id for id in ids if city.records.lots[id] in lots}

    try:
        async with asyncio.timeout(_OTHERS_S):
            while not deliveries <= seen():  # noqa: ASYNC110 - asked of what another task fills
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"acknowledged by the broker and not on the topics: {deliveries - seen()}") from None
    assert seen() == deliveries, f"published under ids nobody knows: {seen() - deliveries}"


async def _told_of_refusals(city: Besieged, lots: tuple[Lot, ...]) -> int:
    """Of each refused receipt its ministry heard, under the id of that very record, and of nothing else; how many."""
    if not city.tells_of_refusals:
        return 0
    names, seen = {lot.id for lot in lots}, city.refusals

    def all_told() -> bool:
        here = seen.of(names)
        return {seen.lots[id] for id in here} == names and here <= seen.told.keys()

    with suppress(TimeoutError):
        async with asyncio.timeout(_OTHERS_S):
            while not all_told():  # noqa: ASYNC110 - asked of what another task fills
                await asyncio.sleep(0.02)
    here = seen.of(names)
    assert all_told(), f"refused and not told: {here - seen.told.keys()} of {here}"
    assert not seen.told.keys() - seen.lots.keys(), (
        f"told of what was not refused: {seen.told.keys() - seen.lots.keys()}"
    )
    return len(here)


def _new_lines(reader: Reader, ledger: Ledger) -> dict[str, set[str]]:
    """What was to be told since the last count, by recipient; the feed's numbers have no gap."""
    new: dict[str, set[str]] = {}
    for recipient in ("EHERRAC", "999101", "999202"):
        known = ledger.feeds.setdefault(recipient, set())
        lines = reader.read_feed(recipient, after=len(known), limit=_EVERY)
        expected = list(range(len(known) + 1, len(known) + len(lines) + 1))
        assert [line.sequence for line in lines] == expected, f"the feed of {recipient} has a gap"
        new[recipient] = {line.outbox_id for line in lines}
        known |= new[recipient]
    return new


def _called_back(city: Besieged, ledger: Ledger, notices: dict[str, set[str]]) -> None:
    told = {code: {id for who, id in city.called_back if who == code} for code in city.banks}
    told["EHERRAC"] = {notice.id for notice in city.platform.notices}
    for recipient, ids in notices.items():
        assert ids <= told[recipient], f"not called back: {recipient} {ids - told[recipient]}"
        invented = told[recipient] - ledger.feeds[recipient]
        assert not invented, f"called back under ids nobody knows: {recipient} {invented}"


def _callbacks_again(city: Besieged) -> int:
    banks = sum(city.called_back.values()) - len(city.called_back)
    return banks + city.platform.callbacks - len(city.platform.notices)


# -- money and chains -------------------------------------------------------------------------------------------------


async def _until_money_moved_once(city: Besieged, lots: tuple[Lot, ...]) -> None:
    """The banks hear from AÖS on a way of their own, perhaps after us."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_OTHERS_S):
            while not _agrees(city, lots):  # noqa: ASYNC110 - asked of books
                await asyncio.sleep(0.1)
    money_moved_once(city, lots)


def _agrees(city: Besieged, lots: tuple[Lot, ...]) -> bool:
    try:
        money_moved_once(city, lots)
    except AssertionError:
        return False
    return True


def money_moved_once(city: Besieged, lots: tuple[Lot, ...]) -> None:
    """In the eyes of AÖS, of the banks' books and of Asan Pay."""
    refunds = {lot.refund for lot in lots if lot.way == "sold"}
    purchases = {lot.purchase for lot in lots if lot.is_paid_by_the_claimant}
    asked = purchases | {lot.purchase for lot in lots if lot.way == "poor"}
    ours = {lot.id for lot in lots}
    orders = [order for order in city.aos.system.orders.values() if order.state is OrderState.SETTLED]
    _same("settled by AÖS", [order.transfer.end_to_end_id for order in orders], refunds | purchases, ours)
    requests = list(city.aos.system.requests.values())
    _same("asked of banks", [held.request.end_to_end_id for held in requests], asked, ours)
    paid = [held for held in requests if held.state is RequestState.SETTLED]
    _same("paid on request", [held.request.end_to_end_id for held in paid], purchases, ours)
    postings = [posting.reference for bank in city.banks.values() for posting in bank.ledger.postings]
    told = {lot.purchase for lot in lots if lot.way == "accept"}  # of a silent one the payer's bank hears as little
    _same("in banks' books", postings, refunds | told, ours)
    invoices = [book for book in city.asan_pay.books if book.request.invoice_id.partition(".")[0] in ours]
    states = Counter(invoice.state for invoice in invoices)
    sold = sum(lot.way == "sold" for lot in lots)
    assert states == Counter(paid=5 * sold) if sold else not states, f"invoices of Asan Pay: {states}"


def _same(what: str, found: list[str], wanted: set[str], lots: set[str]) -> None:
    here = Counter(id for id in found if id.partition(".")[0] in lots)
    assert here == Counter(wanted), f"{what}: {here} and not {wanted}"


def chains_hold(reader: Reader, lots: tuple[Lot, ...]) -> None:
    for lot in lots:
        for row in reader.nouns_of_lot(lot.id):
            place = first_break(reader.journal_of(row.noun, row.id), row)
            assert place is None, f"the chain of {row.noun} {row.id} breaks at {place}"


# -- the whole town, at its end ---------------------------------------------------------------------------------------


async def count_everything(city: Besieged, ledger: Ledger) -> None:
    """No noun nobody asked for, every chain whole, every stamp where it belongs, every receiver's book complete."""
    found = await audit(city.system.store)
    assert found.holds, f"{found.mismatches} {found.stray}"
    await city.system.store.read(lambda reader: _nothing_invented(reader, ledger))
    await city.system.store.read(_stamps_hold)
    money_moved_once(city, tuple(ledger.lots))


def _nothing_invented(reader: Reader, ledger: Ledger) -> None:
    known = {"", *(lot.id for lot in ledger.lots)}
    for noun in sorted({row.noun for row in reader.count_nouns()}):
        strangers = {row.lot_id for row in reader.list_nouns(noun, limit=_EVERY)} - known
        assert not strangers, f"{noun} of lots nobody announced: {strangers}"


def _stamps_hold(reader: Reader) -> None:
    """From the first line on without gap or overlap, each over the very lines of the journal."""
    after = 0
    for stamp in reader.stamps_between(1, _EVERY * 1000):
        assert stamp.first_seq > after, f"line {stamp.first_seq} is stamped twice"
        leaves = [leaf for leaf in reader.journal_leaves(after=after, limit=10_000) if leaf.seq <= stamp.last_seq]
        hashes = [leaf.hash for leaf in leaves]
        assert stamp.leaves == b"".join(hashes), f"the stamp over {stamp.first_seq} is not over the journal"
        assert stamp.root == root_of(hashes)
        after = stamp.last_seq
