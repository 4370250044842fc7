"""What the doors read for a bank, out of a real store: its own from beginning to end, and nobody else's (EHR-4).

The doors' own tests stand on a fake of these queries; here it is the queries themselves, on both databases.
"""

from __future__ import annotations

import hashlib
import itertools

import pytest
from tests_house import BANK_ACCOUNT, RULES, START, announced

from contracts.fields import TEXT_MAX
from contracts.soap import model
from contracts.soap.outgoing import written
from gateway.domain.dispatches import Channel, NoticeKind
from gateway.domain.events import lot as lots
from gateway.domain.events import offer as offers
from gateway.domain.events import payment as payments
from gateway.domain.events import protocol as protocols
from gateway.domain.nouns import TABLES
from gateway.domain.table import Event
from gateway.doors.queries import DocumentForm
from gateway.doors.reading import StoreQueries
from gateway.doors.soap_operations import payment_element
from gateway.engine.engine import Engine
from gateway.ports import Message, Target
from gateway.store import Store
from gateway.store.rows import DocumentRow

OURS, THEIRS = "999101", "999202"
LOTS = {"L1": OURS, "L2": THEIRS, "L3": OURS}
CONTAINER = b"PK: a sealed container"
_numbers = itertools.count()


async def tell(engine: Engine, noun: str, id: str, event: Event) -> None:
    """A verified statement of the platform's."""
    said = f"m{next(_numbers)}"
    digest = hashlib.sha256(said.encode()).hexdigest()
    await engine.receive(
        Message(source="EHERRAC", id=said, target=Target(noun=noun, id=id), event=event, digest=digest)
    )


@pytest.fixture
async def queries(store: Store) -> StoreQueries:
    """Three unsold lots: one accepted and to be paid, one declined and its protocol sealed, one still open."""
    engine = Engine(store, TABLES, RULES, clock=lambda: START, policies={})
    for lot, claimant in LOTS.items():
        await tell(engine, "lot", lot, announced(claimant=claimant))
        await tell(engine, "lot", lot, lots.AuctionUnsold(held_at=START, reason="nobody came"))
    await tell(engine, "offer", "L1.offer", offers.Accepted(payer=BANK_ACCOUNT))
    await tell(engine, "offer", "L2.offer", offers.Declined(reason="no"))
    sealed = protocols.Sealed(document_id="D2", sha256=hashlib.sha256(CONTAINER).hexdigest(), sealed_at=START)
    await tell(engine, "protocol", "L2.protocol", sealed)
    document = DocumentRow(
        id="D2", media_type="application/zip", sha256=sealed.sha256, content=CONTAINER, created_at=START
    )
    await store.transact(lambda tx: tx.add_document(document))
    return StoreQueries(store)


async def test_a_rails_words_fit_the_contract_however_they_came(queries: StoreQueries, store: Store) -> None:
    """AZIPS writes on several lines, and what AÖS explains was cut in the middle: our own schema refused the answer."""
    engine = Engine(store, TABLES, RULES, clock=lambda: START, policies={})
    words = f"no money\r\n{'x' * 480} \n and more"
    await tell(engine, "payment", "L1.purchase", payments.Rejected(code="AM04", reason=words))
    view = await queries.payment("L1.purchase", OURS)
    assert view is not None
    assert view.reason is not None
    assert view.reason.startswith("AM04 no money xxx")
    assert len(view.reason) <= TEXT_MAX
    written(model.GetPaymentResponse(in_reply_to="q-1", payment=payment_element(view)))


@pytest.mark.parametrize(
    ("actor", "seen"),
    [
        (OURS, ["L1.offer", "L3.offer"]),
        (THEIRS, ["L2.offer"]),
        ("999303", []),
        (None, ["L1.offer", "L2.offer", "L3.offer"]),  # the platform
    ],
)
async def test_a_bank_lists_its_own_offers_and_the_platform_all(
    queries: StoreQueries, actor: str | None, seen: list[str]
) -> None:
    """EHR-4, EHR-5."""
    assert [offer.id for offer in await queries.offers(actor, limit=10)] == seen


async def test_offers_are_listed_page_by_page(queries: StoreQueries) -> None:
    (first,) = await queries.offers(OURS, limit=1)
    (second,) = await queries.offers(OURS, after=first.id, limit=1)
    assert (first.id, second.id) == ("L1.offer", "L3.offer")
    assert await queries.offers(OURS, after=second.id, limit=1) == ()


@pytest.mark.parametrize(("actor", "is_seen"), [(OURS, True), (None, True), (THEIRS, False), ("", False)])
async def test_a_lot_its_offer_and_its_payment_are_their_banks_alone(
    queries: StoreQueries, actor: str | None, is_seen: bool
) -> None:
    """EHR-4: another's is answered like one that never was."""
    lot, offer = await queries.lot("L1", actor), await queries.offer("L1.offer", actor)
    payment = await queries.payment("L1.purchase", actor)
    assert [view is not None for view in (lot, offer, payment)] == [is_seen] * 3
    if lot is not None and offer is not None and payment is not None:
        assert (lot.claimant, offer.state, offer.payer) == (OURS, "accepted", BANK_ACCOUNT)
        assert (payment.debtor, payment.amount, payment.case_number) == (BANK_ACCOUNT, offer.amount, lot.case_number)


@pytest.mark.parametrize(("actor", "is_seen"), [(THEIRS, True), (None, True), (OURS, False), ("", False)])
async def test_a_protocol_and_its_container_are_their_banks_alone(
    queries: StoreQueries, actor: str | None, is_seen: bool
) -> None:
    """EHR-4."""
    protocol = await queries.protocol("L2.protocol", actor)
    assert (protocol is not None) is is_seen
    assert await queries.document("L2.protocol", DocumentForm.ASICE, actor) == (CONTAINER if is_seen else None)


async def test_what_is_not_sealed_yet_has_no_document(queries: StoreQueries) -> None:
    assert await queries.document("L3.protocol", DocumentForm.ASICE, None) is None


@pytest.mark.parametrize(("bank", "lots_told"), [(OURS, {"L1", "L3"}), (THEIRS, {"L2"}), ("999303", set())])
async def test_a_feed_tells_a_bank_of_its_own_lots_without_a_gap(
    queries: StoreQueries, bank: str, lots_told: set[str]
) -> None:
    """EHR-4; nothing was sent yet, so all of it is unacknowledged."""
    told = await queries.feed(bank, after=0, limit=100)
    assert {item.notice.lot_id for item in told} == lots_told
    assert [item.sequence for item in told] == list(range(1, len(told) + 1))
    assert await queries.unacknowledged(bank, after=0, limit=100) == told


async def test_an_acknowledged_notice_stays_in_the_feed_and_is_no_longer_unacknowledged(
    queries: StoreQueries, store: Store
) -> None:
    first, *others = await queries.feed(OURS, after=0, limit=100)
    assert first.notice.kind is NoticeKind.OFFER_OPENED
    limits = {str(Channel.BANKS): 1}
    claimed = await store.transact(lambda tx: tx.claim(now=START, worker="w", lease_s=30, limits=limits))
    (row,) = [row for row in claimed if row.recipient == OURS]
    assert await store.transact(lambda tx: tx.conclude(row, now=START, state="acknowledged"))
    assert await queries.unacknowledged(OURS, after=0, limit=100) == tuple(others)
    assert await queries.feed(OURS, after=0, limit=1) == (first,)
    assert await queries.feed(OURS, after=1, limit=100) == tuple(others)
