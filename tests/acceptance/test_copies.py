"""Copies of executed orders, over real sockets: asked for and compared, or told by AÖS itself (AOS-I3, AOS-P6)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest_asyncio
from city import OWN_BIC, PAYER_IBAN, City

from contracts.iso20022.samples import TRANSFER
from gateway.cli.evidence import exported
from gateway.domain.clock import local_date
from gateway.domain.dispatches import InformationKind
from gateway.domain.inquiry import Asked
from gateway.evidence import gather, verify_evidence
from gateway.keys.keyring import key_folder, known_revocation
from gateway.ports import Message, Target
from gateway.wire.iso_envelope import CONTENT_TYPE, MESSAGES_PATH, seal

BANK, BANK_BIC, INDIRECT_BIC = "999101", "XZRNAZ22", "GNSNAZ22"
PAYEE_IBAN = "AZ69GNSN38010000000000020202"
PURCHASE = "L1.purchase"


@pytest_asyncio.fixture
async def city(tmp_path: Path) -> AsyncIterator[City]:
    city = City(tmp_path)
    yield city
    await city.close()


async def _ask_for_the_copy_of_a_purchase(city: City) -> None:
    """And wait until AÖS has told it."""
    await city.open()
    await city.announce()
    await city.unsold()
    await city.until_state("payment", PURCHASE, "settled")
    order_id = (await city.data("payment", PURCHASE)).msid
    event = Asked(kind=InformationKind.COPY, order_id=order_id)
    target = Target(noun="inquiry", id="copy.1")
    await city.system.engine.receive(Message(source="test", id="ask", target=target, event=event, digest="1"))
    await city.until_state("inquiry", "copy.1", "answered")


async def test_the_copy_of_a_purchase_is_that_of_its_banks_order_and_agrees(city: City) -> None:
    """AOS-I3: the MSID names it; camt.033 out, camt.034 in, compared with what we asked for."""
    await _ask_for_the_copy_of_a_purchase(city)
    assert "CopyTold" in await city.events("payment", PURCHASE)
    assert not any(event.startswith("Alarm") for event in await city.events("payment", PURCHASE))


async def test_the_evidence_about_a_lot_holds_with_the_copy_that_an_inquiry_was_answered_with(city: City) -> None:
    """PSP-7.7: the copy is kept with the inquiry, of no lot, and is the cause of what a payment learnt by it."""
    await _ask_for_the_copy_of_a_purchase(city)
    await city.system.answers.write()
    gathered = await city.system.store.read(lambda reader: gather(reader, "L1"))
    revocation = await known_revocation(city.config, city.now)
    file = exported(gathered, key_folder(city.config), revocation, now=city.now())
    report = verify_evidence(file, (city.folder / "keys" / "GATEWAY" / "anchors.pem").read_bytes())
    assert [finding for finding in report.findings if not finding.holds] == []
    assert report.index is not None
    copies = [item.direction for item in report.index.items if item.noun_id == "copy.1"]
    assert copies == ["in", "out"]


async def test_a_direct_participant_keeps_the_copies_of_its_indirect_ones_orders(city: City) -> None:
    """AOS-P6: an order between two others that one of ours takes part in; kept as evidence, nothing to confirm."""
    await city.open(accounts={OWN_BIC: {"wants_copies": True}, INDIRECT_BIC: {"settled_by": OWN_BIC}})
    order = replace(
        TRANSFER,
        created_at=city.now(),
        settlement_date=local_date(city.now()),
        instructing_bic=BANK_BIC,
        instructed_bic=INDIRECT_BIC,
        debtor=replace(TRANSFER.debtor, iban=PAYER_IBAN, bic=BANK_BIC),
        creditor=replace(TRANSFER.creditor, iban=PAYEE_IBAN, bic=INDIRECT_BIC),
        debtor_agent_account=None,
        creditor_agent_account=None,
    )
    answer = await city.client(BANK).request(
        "POST",
        city.aos.address + MESSAGES_PATH,
        body=await seal(order, from_bic=BANK_BIC, to_bic="NABZAZ2CIPS", credential=city.identity(BANK).credential),
        content_type=CONTENT_TYPE,
        expected_participant="AOS",
    )
    assert answer.status == 202
    inquiry = f"copy.{order.message_id}"
    await city.until_state("inquiry", inquiry, "told")
    evidence = await city.system.store.read(lambda reader: reader.evidence_of("inquiry", inquiry))
    assert [row.signer for row in evidence if row.direction == "in"] == ["AOS"]
    assert (await city.counts()).keys() == {("inquiry", "told")}
