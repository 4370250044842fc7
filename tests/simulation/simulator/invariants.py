"""What must hold whatever the seed, and when a run is at rest."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from adapters.aos.central.orders import OrderState
from adapters.aos.faults import FaultKind
from adapters.banks.sandbox.ledger import CLEARING
from contracts.iso20022 import CreditTransfer, OrderEnquiry, PaymentRequest, RequestEnquiry
from gateway.domain.nouns import TABLES
from gateway.domain.payment.data import Payment
from gateway.engine import codec
from gateway.engine.proof import prove
from gateway.store.interface import Reader
from simulator.town import OPENING_MINOR

_ALL = 100_000
_FINAL_PAYMENT = {"settled", "refused", "returned", "unresolved", "held", "awaiting_approval"}


def watch_aos(world: Any) -> None:
    """Write down every order, request and question of ours that AÖS ever sees."""
    system = world.town.aos.system
    handle, own = system.handle, world.rules.rail.own_bic

    def may_move_money(message_id: str) -> bool:
        """Not what AÖS has nothing of, or refused: that may go under another id, on another day (AOS-C2)."""
        held = system.orders.get(message_id) or system.requests.get(message_id)
        return held is not None and held.state != "rejected"

    def handled(message: Any, sender_bic: str, now: Any) -> Any:
        followed = handle(message, sender_bic, now)
        if sender_bic == own and isinstance(message, CreditTransfer | PaymentRequest):
            ids = world.sent_to_aos.setdefault(message.end_to_end_id, set())
            ids.add(message.message_id)
            if sum(map(may_move_money, ids)) > 1:
                world.fails(f"one payment under several message ids: {message.end_to_end_id} {sorted(ids)}")
        if sender_bic == own and isinstance(message, OrderEnquiry | RequestEnquiry):
            world.asked_of_aos[message.original_message_id] += 1
        return followed

    system.handle = handled


# -- at rest -----------------------------------------------------------------------------------------------------------


async def unrest(world: Any) -> str | None:
    """What is still going on, or None."""
    if not all(gateway.engine is not None and gateway.alive for gateway in world.gateways):
        return "a gateway is not up"
    for task in world.town.playing:
        if not task.done():
            return "the platform has not said everything"
        if task.exception() is not None:
            world.fails(str(task.exception()))
    waiting = await world.gateways[0].read(_moving)
    if waiting is None:
        return "the store does not answer"
    if waiting:
        return waiting
    deliveries = world.town.aos.deliveries
    if any(not queue.empty() for queue in deliveries._queues.values()):
        return "AÖS has messages to deliver"
    if not world.broker.all_read:
        return "a topic is not read to its end"
    return None


def _moving(reader: Reader) -> str:
    behind = {row.order_key for row in reader.list_outbox(parked=True, limit=_ALL)}
    moving = reader.list_outbox(parked=False, limit=_ALL)
    rows = [row for row in moving if row.channel != "timer" and row.order_key not in behind]
    if rows:
        return f"{len(rows)} deliveries under way, the first {rows[0].id} to {rows[0].recipient}"
    for row in reader.list_nouns("payment", limit=_ALL):
        if row.state not in _FINAL_PAYMENT:
            return f"payment {row.id} is {row.state}"
    return ""


async def a_person_decides(world: Any) -> bool:
    """Everything parked is tried again; what is refused for good is given up. False: there was nothing."""
    engine = world.gateways[0].engine
    parked = await world.gateways[0].read(lambda reader: reader.list_outbox(parked=True, limit=_ALL))
    for row in parked or ():
        world.trace(world.loop.time(), f"a person sees {row.id} to {row.recipient}: {row.last_error}")
        if row.body_type == "InvoiceCancellation":  # paid before it could be taken back
            await engine.parked.discard(row.id, person="Ad Soyad", reason="ödənilib")
        else:
            await engine.parked.requeue(row.id, person="Ad Soyad")
    return bool(parked)


# -- what must hold ----------------------------------------------------------------------------------------------------


async def check(world: Any) -> None:
    """Everything, now that it is quiet."""
    found = await world.gateways[0].read(lambda reader: [*_checked(reader, world)])
    if found is None:
        world.fails("the store does not answer though the disk is well")
    for fault in found or ():
        world.fails(fault)
    for fault in _books(world):
        world.fails(fault)
    world._raise()


def _checked(reader: Reader, world: Any) -> Any:
    yield from _promises(reader, world)
    yield from _chains(reader)
    yield from _feeds(reader)
    yield from _notices(reader, world)
    yield from _payments(reader, world)
    yield from _collections(reader, world)
    yield from _protocols(reader, world)
    for row in reader.list_outbox(parked=True, limit=_ALL):
        yield f"{row.id} is parked though nobody refuses it: {row.last_error}"


def _promises(reader: Reader, world: Any) -> Any:
    """202 means on disk, once."""
    for (source, id), answer in world.promises.items():
        row = reader.find_inbox(source, id)
        if row is None:
            yield f"{source} {id} was acknowledged and is not in the inbox"
            continue
        if (row.noun, row.noun_id) != (answer.noun, answer.id):
            yield f"{source} {id} is another noun's in the inbox"
        lines = [
            line
            for line in reader.journal_of(answer.noun, answer.id)
            if (line.cause_source, line.cause_id) == (source, id)
        ]
        if not lines:
            yield f"{source} {id} left no line in the journal of {answer.noun} {answer.id}"
        moments = {line.at for line in lines}
        if len(moments) > 1 and source != "liquidity":
            yield f"{source} {id} took effect {len(moments)} times"


def _chains(reader: Reader) -> Any:
    """All is as the journal says, and every change of state is an edge of its table."""
    for kind, table in TABLES.items():
        edges = {(row.source, row.event.__name__, row.target) for row in table.rows()}
        for noun in reader.list_nouns(kind, limit=_ALL):
            chain = reader.journal_of(kind, noun.id)
            state = None
            for mismatch in prove(noun, chain, reader.outbox_of(kind, noun.id)).mismatches:
                yield f"not as the journal says: {mismatch}"
            for line in chain:
                if (line.before or None) != state and line.before is not None:
                    yield f"{kind} {noun.id} line {line.version} begins at {line.before}, not {state}"
                if line.after != (state or "") and (state, line.event, line.after) not in edges:
                    yield f"{kind} {noun.id} went from {state} to {line.after} by {line.event}"
                state = line.after or None
            if noun.state != state:
                yield f"{kind} {noun.id} is {noun.state}, its journal says {state}"


def _feeds(reader: Reader) -> Any:
    for recipient in ("EHERRAC", "999101", "999202"):
        numbers = [row.sequence for row in reader.read_feed(recipient, limit=_ALL)]
        if numbers != list(range(1, reader.feed_head(recipient) + 1)):
            yield f"the feed of {recipient} has gaps: {numbers}"


def _notices(reader: Reader, world: Any) -> Any:
    """Whatever is in a feed has arrived, and about each subject in order."""
    heard = {"EHERRAC": [(n.id, n.data.subject_id, n.data.sequence) for n in world.town.platform.notices]}
    heard |= {
        code: [(n.id, n.subject_id, n.sequence) for n in bank.notices.all] for code, bank in world.town.banks.items()
    }
    for recipient, notices in heard.items():
        ids = {id for id, _, _ in notices}
        for row in reader.read_feed(recipient, limit=_ALL):
            if row.outbox_id not in ids:
                yield f"{recipient} never got {row.outbox_id}"
        if recipient != "EHERRAC":  # a bank may have pulled its feed, which has no order of arrival
            continue
        by_subject: dict[str, list[int]] = defaultdict(list)
        for _, subject, sequence in notices:
            by_subject[subject].append(sequence)
        for subject, numbers in by_subject.items():
            if numbers != sorted(numbers):
                yield f"{recipient} heard of {subject} out of order: {numbers}"


def _payments(reader: Reader, world: Any) -> Any:
    """A payment is settled where, and only where, AÖS executed it; once."""
    orders = world.town.aos.system.orders
    executed = Counter(order.end_to_end_id for order in orders.values() if order.state is OrderState.SETTLED)
    for id, times in executed.items():
        if times > 1:
            yield f"{id} was executed {times} times"
    for row in reader.list_nouns("payment", limit=_ALL):
        payment = codec.decode(Payment, row.data)
        paid = payment.end_to_end_id in executed
        if paid and payment.state not in ("settled", "unresolved"):
            yield f"AÖS executed payment {row.id}, here it is {payment.state}"
        if payment.state == "settled" and not paid:
            yield f"payment {row.id} is settled here, AÖS has not executed it"


def _collections(reader: Reader, world: Any) -> Any:
    """One invoice for one collection; what was paid is known."""
    invoices = Counter(invoice.request.invoice_id for invoice in world.town.asan_pay.books)
    for id, times in invoices.items():
        if times > 1:
            yield f"{times} invoices for {id}"
    for invoice in world.town.asan_pay.books:
        row = reader.noun("collection", invoice.request.invoice_id)
        if row is None:
            yield f"an invoice for {invoice.request.invoice_id}, which nobody wants"
        elif invoice.state == "paid" and row.state in ("ordered", "invoiced", "cancelled"):
            yield f"{row.id} is paid, here it is {row.state}"
        elif invoice.state != "paid" and row.state not in ("ordered", "invoiced", "cancelled", "invoice_refused"):
            yield f"{row.id} is {row.state} here and {invoice.state} at Asan Pay"


def _protocols(reader: Reader, world: Any) -> Any:
    """Every authority has it, and each receipt is known."""
    for row in reader.list_nouns("protocol", limit=_ALL):
        if row.state not in ("delivered",):
            yield f"protocol {row.id} is {row.state}"
        for code, ministry in world.town.ministries.items():
            held = [taken for taken in ministry.registry.taken_in.values() if taken.event.protocol_id == row.id]
            if len(held) != 1:
                yield f"{code} has {len(held)} copies of {row.id}"


def _is_silent(world: Any) -> bool:
    """This AÖS withholds final statuses, from banks too; they do not ask."""
    return any(fault.kind is FaultKind.SILENCE for fault in world.town.aos.plan.faults)


def _books(world: Any) -> Any:
    """No money came or went: within AÖS, within each bank, within Asan Pay, and between them."""
    ledger = world.town.aos.system.ledger
    if sum(ledger.balances().values()):
        yield "the books of AÖS do not sum to zero"
    if sum(world.town.asan_pay.books.balances_minor().values()):
        yield "the books of Asan Pay do not sum to zero"
    for code, bank in world.town.banks.items():
        balances = bank.ledger.balances_minor()
        if sum(balances.values()):
            yield f"the books of {code} do not sum to zero"
        moved = ledger.balance(f"C-{world.rules.banks[code]}") - OPENING_MINOR
        if moved + balances.get(CLEARING, 0) and not _is_silent(world):
            yield f"AÖS moved {moved} for {code}, its own books say {-balances.get(CLEARING, 0)}"
