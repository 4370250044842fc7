"""The SOAP door over a real socket with real signatures: what it does for a bank and for the platform."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import pytest
from lxml import etree
from soap_world import (  # noqa: F401 - fixtures
    ACCOUNT,
    BANK,
    DECIDE,
    IBAN,
    NOW,
    OFFER,
    OTHER,
    PLATFORM,
    World,
    everybodys_keys,
    running_door,
)

from contracts.soap import model
from contracts.soap.names import SoapVersion
from gateway.domain.events import offer as offers
from gateway.doors.soap import PATH, PREFIX


@pytest.mark.parametrize("version", list(SoapVersion))
async def test_a_bank_accepts_its_offer_in_either_version(world: World, version: SoapVersion) -> None:
    answer = await world.ask(DECIDE, model.DecideOfferResponse, version=version)
    (message,) = world.books.received
    assert (answer.in_reply_to, answer.receipt.id, answer.receipt.repeated) == ("d-1", "L-1.offer", False)
    assert (message.source, message.actor, message.id, message.target.id) == (BANK, BANK, "d-1", "L-1.offer")
    assert message.event == offers.Accepted(payer=ACCOUNT)
    assert message.exhibits[0].signer == BANK


async def test_the_evidence_is_the_envelope_as_it_came_and_verifies_again(world: World) -> None:
    body = world.signed(DECIDE)
    await world.post(body)
    (message,) = world.books.received
    assert message.exhibits[0].content == body


async def test_a_bank_refuses_its_offer(world: World) -> None:
    decision = model.DecideOffer(
        message_id="d-2", offer_id="L-1.offer", decision=model.Decision.REFUSE, decided_by="A", reason="Lazım deyil"
    )
    await world.ask(decision, model.DecideOfferResponse)
    assert world.books.received[0].event == offers.Declined(reason="Lazım deyil")


async def test_a_repetition_signed_anew_gets_the_first_answer_and_other_content_a_conflict(world: World) -> None:
    first = await world.ask(DECIDE, model.DecideOfferResponse)
    again = await world.ask(DECIDE, model.DecideOfferResponse, version=SoapVersion.V12)
    assert (first.receipt.repeated, again.receipt.repeated, len(world.books.received)) == (False, True, 1)
    other = model.DecideOffer(
        message_id="d-1", offer_id="L-1.offer", decision=model.Decision.REFUSE, decided_by="A", reason="Başqa"
    )
    _, problem = await world.problem(world.signed(other))
    assert (problem.code, problem.in_reply_to) == ("ID_CONFLICT", "d-1")


async def test_a_bank_reads_its_offers_payment_protocol_and_feed(world: World) -> None:
    listed = await world.ask(model.ListOffers(message_id="q-1"), model.ListOffersResponse)
    assert [(offer.id, offer.amount.value, offer.case_number) for offer in listed.offer] == [
        ("L-1.offer", "1234.50", "2026/1")
    ]
    paid = await world.ask(model.GetPayment(message_id="q-2", payment_id="L-1.payment"), model.GetPaymentResponse)
    assert (paid.payment.state, paid.payment.debtor.iban) == ("settled", IBAN)
    asked = model.GetProtocol(message_id="q-3", protocol_id="L-1.protocol", format=model.Format.PDF)
    protocol = await world.ask(asked, model.GetProtocolResponse)
    assert (protocol.document.content, protocol.document.media_type) == (b"%PDF-1.7", "application/pdf")
    feed = await world.ask(model.GetFeed(message_id="q-4", after=1, limit=10), model.GetFeedResponse)
    assert [notice.sequence for notice in feed.notice] == [2, 3]
    asked_again = model.GetUnacknowledged(message_id="q-5", after=1, limit=10)
    unacknowledged = await world.ask(asked_again, model.GetUnacknowledgedResponse)
    assert [notice.sequence for notice in unacknowledged.notice] == [3]


async def test_more_offers_than_one_answer_holds_are_listed_in_several(world: World) -> None:
    """EHR-5. What came after the first five hundred could not be seen over SOAP."""
    world.books.stored = tuple(replace(OFFER, id=f"L-{number:04}.offer") for number in range(1, 1002))
    seen, after, answers = [], None, []
    for number in range(3):
        asked = model.ListOffers(message_id=f"q-{number}", after=after)
        answer = await world.ask(asked, model.ListOffersResponse)
        seen += [offer.id for offer in answer.offer]
        after = seen[-1]
        answers.append((len(answer.offer), answer.more))
    assert answers == [(500, True), (500, True), (1, None)]
    assert seen == [offer.id for offer in world.books.stored]


async def test_another_banks_nouns_answer_like_unknown_ones(world: World) -> None:
    """EHR-4."""
    assert (await world.ask(model.ListOffers(message_id="q"), model.ListOffersResponse, OTHER)).offer == ()
    for id in ("L-1.payment", "never-was"):
        asked = model.GetPayment(message_id="q-2", payment_id=id)
        _, problem = await world.problem(world.signed(asked, OTHER))
        assert (problem.code, [fact.value for fact in problem.fact]) == ("PAYMENT_UNKNOWN", [id])
    _, problem = await world.problem(world.signed(DECIDE, OTHER))
    assert problem.code == "OFFER_UNKNOWN"


async def test_the_platform_publishes_an_event(world: World) -> None:
    event = model.PublishEvent(
        message_id="e-1",
        type="az.eherrac.auction.cancelled.v1",
        source=PLATFORM,
        subject="L-1",
        time=NOW,
        data='{"reason": "Məhkəmə qərarı"}',
    )
    answer = await world.ask(event, model.PublishEventResponse, PLATFORM)
    (message,) = world.books.received
    assert (answer.receipt.noun, message.target.id, message.actor) == ("lot", "L-1", None)
    assert type(message.event).__name__ == "AuctionCancelled"


async def test_the_contract_is_served_with_the_address_it_was_asked_at(world: World) -> None:
    address = f"{world.running.address}{PREFIX}{PATH}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{address}?wsdl") as response:
            root = etree.fromstring(await response.read())
        async with session.get(f"{address}?wsdl=callback") as response:  # what a bank implements
            of_bank = etree.fromstring(await response.read())
        async with session.get(f"{address}?xsd=1") as response:
            assert b"urn:eherrac:gateway:1" in await response.read()
        async with session.get(address) as response:
            assert response.status == 404
    addresses = {node.get("location") for node in root.iter("{*}address")}
    imports = [node.get("schemaLocation") for node in root.iter("{http://www.w3.org/2001/XMLSchema}import")]
    assert (addresses, imports) == ({address}, [f"{address}?xsd=1"])
    imports = [node.get("schemaLocation") for node in of_bank.iter("{http://www.w3.org/2001/XMLSchema}import")]
    assert (of_bank.get("name"), imports) == ("Callback", [f"{address}?xsd=1"])
