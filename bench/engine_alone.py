"""The engine by itself: the same payments through tables, journal, outbox and dispatcher, without a network.

Adapters here acknowledge at once, and what banks, AÖS and ministries would say is told to the engine directly, each
with as many bytes of evidence as on the wire. Nothing is signed, verified, parsed or printed.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.auctioneer import now
from bench.inside import BANK, dispatching, unsold
from gateway.bootstrap import policies
from gateway.config import Config, build_rulebook, load_config
from gateway.domain.credit.data import MESSAGE_ALIAS as CREDIT_ALIAS
from gateway.domain.credit.data import credit_id
from gateway.domain.dispatches import (
    Channel,
    CreditAnswer,
    Notice,
    NoticeKind,
    PaymentOrder,
    ProtocolDelivery,
    SealOrder,
)
from gateway.domain.events import credit as credits
from gateway.domain.events import offer as offers
from gateway.domain.events import order as orders
from gateway.domain.events import payment as payments
from gateway.domain.events import protocol as protocols
from gateway.domain.nouns import TABLES
from gateway.domain.payment import MESSAGE_ALIAS as PAYMENT_ALIAS
from gateway.domain.table import ByAlias, Event
from gateway.domain.values import Account
from gateway.engine.dispatcher import Dispatcher
from gateway.engine.engine import Engine
from gateway.ports import Acknowledged, Dispatch, Document, Exhibit, Message, Outcome, Target
from gateway.store import Reader, Store, open_store
from gateway.store.testing import blank_store_url

_PATIENCE_S = 120.0
_MESSAGES_MAX = 1000  # of one lot
_EVIDENCE = bytes(5000)
_DOCUMENT = bytes(60_000)
_PAYER = Account(holder="Xəzər Nümunə Bankı", iban="AZ85XZRN38010000000000090001", bic="XZRNAZ22", tax_id="1234567891")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineResult:
    """One run."""

    payments_s: float  # payments a second
    cpu_ms: float  # for one payment


class _Town:
    """Everybody outside, as far as the engine can tell."""

    def __init__(self, receipts_expected: int, first: int) -> None:
        self.engine: Engine | None = None
        self.receipted = asyncio.Event()  # by every authority for every protocol
        self._receipts_left = receipts_expected
        self._number = first * _MESSAGES_MAX
        self._tasks: list[asyncio.Task[None]] = []

    async def tell(self, noun: str, id: str | ByAlias, event: Event, *, source: str, actor: str | None = None) -> None:
        """A verified statement, with its evidence."""
        assert self.engine is not None
        self._number += 1
        content = self._number.to_bytes(8, "big") + _EVIDENCE
        message = Message(
            source=source,
            id=f"m{self._number}",
            target=Target(noun=noun, id=id),
            event=event,
            digest=hashlib.sha256(content).hexdigest(),
            exhibits=(Exhibit(direction="in", media_type="application/xml", content=content, signer=source),),
            actor=actor,
        )
        await self.engine.receive(message)

    def later(self, work: Any) -> None:
        """Say something beside the present attempt."""
        self._tasks.append(asyncio.create_task(work))

    async def all_said(self) -> None:
        """Raises what the engine refused."""
        await asyncio.gather(*self._tasks)

    def react(self, dispatch: Dispatch) -> Event | None:
        """What an acknowledgement tells at once; what follows is told later."""
        match body := dispatch.body:
            case Notice(kind=NoticeKind.OFFER_OPENED, subject_id=offer) if dispatch.recipient == BANK:
                accepted = offers.Accepted(payer=_PAYER)
                self.later(self.tell("offer", offer, accepted, source=BANK, actor=BANK))
            case PaymentOrder():
                self.later(self._offer_credit(body))
                return orders.Sent()
            case CreditAnswer():
                self.later(self._settle(body))
            case SealOrder():
                return protocols.Sealed(document_id=f"{body.content.protocol_id}.d", sha256="0" * 64, sealed_at=now())
        return None

    async def receipt(self, authority: str, delivery: ProtocolDelivery) -> None:
        """A ministry has it."""
        received = protocols.Receipted(
            authority=authority,
            receipt_id=f"{authority}-{delivery.protocol_id}",
            sha256=delivery.sha256,
            received_at=now(),
        )
        await self.tell("protocol", delivery.protocol_id, received, source=authority)
        self._receipts_left -= 1
        if not self._receipts_left:
            self.receipted.set()

    async def _offer_credit(self, order: PaymentOrder) -> None:
        consented = payments.Consented(msid=f"MS{order.end_to_end_id}"[:35])
        await self.tell("payment", ByAlias(PAYMENT_ALIAS, order.message_id), consented, source="AOS")
        offered = credits.Offered(
            message_id=f"X{order.message_id}",
            end_to_end_id=order.end_to_end_id,
            transaction_id=order.transaction_id,
            amount=order.amount,
            debtor_name=order.debtor.holder,
            debtor_iban=order.debtor.iban,
            creditor_iban=order.creditor.iban,
            case_number=order.case_number,
        )
        await self.tell("credit", credit_id(offered.message_id), offered, source="AOS")

    async def _settle(self, answer: CreditAnswer) -> None:
        message_id, moment = answer.original_message_id, now()
        settled = credits.Settled(settled_at=moment)
        await self.tell("credit", ByAlias(CREDIT_ALIAS, message_id), settled, source="AOS")
        final = payments.Settled(reference=answer.original_transaction_id, settled_at=moment)
        await self.tell("payment", ByAlias(PAYMENT_ALIAS, message_id.removeprefix("X")), final, source="AOS")


@dataclass(slots=True)
class _Adapter:
    """Acknowledges everything of one channel."""

    channel: str
    town: _Town

    async def send(self, dispatch: Dispatch) -> Outcome:
        event = self.town.react(dispatch)
        if isinstance(dispatch.body, ProtocolDelivery):
            self.town.later(self.town.receipt(dispatch.recipient, dispatch.body))
        document = None
        if isinstance(event, protocols.Sealed):
            document = Document(id=event.document_id, media_type="application/zip", content=_DOCUMENT)
        kept = hashlib.sha256(dispatch.id.encode()).digest()
        exhibits = tuple(
            Exhibit(direction=direction, media_type="text/xml", content=direction.encode() + kept + _EVIDENCE)
            for direction in ("out", "in")
        )
        return Acknowledged(event=event, document=document, exhibits=exhibits if document is None else ())

    async def close(self) -> None:
        """Nothing is held."""


async def measure(
    folder: Path, config_path: Path, *, total: int, in_flight: int, url: str = "", first: int = 0
) -> EngineResult:
    """So many payments through the engine, in this process.

    Args:
        folder: for a fresh SQLite, where no `url` names the store.
        first: number of the first lot, where the store has others.
    """
    config = load_config(config_path, {})
    store, town = await open_store(url or blank_store_url(folder)), _Town(total * len(config.ministries), first)
    engine = Engine(store, TABLES, build_rulebook(config), clock=now, policies=policies(config))
    town.engine = engine
    dispatcher = _dispatcher(engine, town, config)
    running = asyncio.create_task(dispatcher.run())
    began, cpu_began = time.perf_counter(), time.process_time()
    await asyncio.gather(*(_sell(town, numbers) for numbers in _shares(first, total, in_flight)))
    await asyncio.wait_for(town.receipted.wait(), _PATIENCE_S)
    await asyncio.wait_for(_delivered(store), _PATIENCE_S)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    await town.all_said()
    await dispatcher.stop()
    await running
    await store.close()
    return EngineResult(payments_s=total / wall, cpu_ms=cpu / total * 1000)


async def _delivered(store: Store) -> None:
    """Every build does the same work: deliveries that nobody waits for are ended too."""
    while await store.read(_is_sending):  # noqa: ASYNC110 - a database tells nobody
        await asyncio.sleep(0.02)


def _is_sending(reader: Reader) -> bool:
    return any(row.channel != Channel.TIMER for row in reader.count_outbox())


def _shares(first: int, total: int, parts: int) -> list[range]:
    return [range(first + part, first + total, parts) for part in range(parts)]


def _dispatcher(engine: Engine, town: _Town, config: Config) -> Dispatcher:
    channels = (Channel.AOS, Channel.BANKS, Channel.PLATFORM, Channel.MINISTRIES, Channel.NOTARY)
    adapters = {channel.value: _Adapter(channel.value, town) for channel in channels}
    return dispatching(engine, adapters, config)


async def _sell(town: _Town, numbers: range) -> None:
    for number in numbers:
        await unsold(town.tell, number)
