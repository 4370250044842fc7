"""What the configuration expects of one counterparty holds at every door of the whole gateway, and of it alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest_asyncio
from lxml import etree
from town import Town
from waiting import until

from adapters.ministries.kafka import KafkaSettings
from adapters.ministries.publisher import Publisher, PublisherSettings, Record
from certs.xmldsig import sign_enveloped
from contracts.asan_pay.codec import NOTIFICATIONS_PATH
from contracts.errors import ErrorCode
from contracts.events.protocols import ProtocolReceipted, write_receipt
from contracts.iso20022.samples import STATUS
from contracts.receipt.codec import Receipt, build_receipt
from contracts.soap import model
from contracts.soap.faults import read_problem
from gateway.wire.iso_envelope import CONTENT_TYPE, MESSAGES_PATH, seal

NOBODY = "ab" * 32
ISSUERS = f'["{NOBODY}"]'


@pytest_asyncio.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    expects = {
        "EHERRAC__BANKS__0__EXPECTS__ISSUERS": ISSUERS,
        "EHERRAC__ASAN_PAY__EXPECTS__KEY_TYPES": '["rsa"]',
        "EHERRAC__ASAN_PAY__EXPECTS__ALGORITHMS": '["rsa-sha256"]',
        "EHERRAC__AOS__EXPECTS__DOCUMENT_MAX_AGE_S": "60",
        "EHERRAC__MINISTRIES__0__EXPECTS__ISSUERS": ISSUERS,
    }
    opened = await Town(tmp_path).open(**expects)
    yield opened
    await opened.close()


async def test_a_bank_is_told_what_its_certificate_should_be_and_the_other_is_served(town: Town) -> None:
    """AOS-S1."""
    refused = await town.rest("999101", "GET", "/v1/offers")
    problem = orjson.loads(refused.body)
    assert (refused.status, problem["code"]) == (401, ErrorCode.CERTIFICATE_USAGE)
    assert NOBODY in problem["detail"]
    assert (await town.rest("999202", "GET", "/v1/offers")).status == 200


async def test_the_same_holds_over_soap(town: Town) -> None:
    """AOS-S1."""
    status, answer = await town.soap("999101", model.ListOffers(message_id="l-1"))
    problem = read_problem(answer)
    assert problem is not None
    assert (status, problem.code) == (500, ErrorCode.CERTIFICATE_USAGE)
    assert (await town.soap("999202", model.ListOffers(message_id="l-1")))[0] == 200


async def test_asan_pay_signs_by_the_agreed_algorithm(town: Town) -> None:
    """AOS-S2."""
    refused = await town.rest("ASANPAY", "POST", NOTIFICATIONS_PATH, {"a": 1})
    assert (refused.status, orjson.loads(refused.body)["code"]) == (401, ErrorCode.ALGORITHM_NOT_ALLOWED)


async def test_a_message_of_aos_is_as_young_as_agreed(town: Town) -> None:
    """AOS-S2: the request is of now; the message in it says when it was made."""
    sealed = await seal(STATUS, from_bic="NABZAZ2CIPS", to_bic="EHRNAZ22", credential=town.identity("AOS").credential)
    refused = await town.rest("AOS", "POST", MESSAGES_PATH, sealed, content_type=CONTENT_TYPE)
    assert (refused.status, orjson.loads(refused.body)["code"]) == (401, ErrorCode.SIGNATURE_AGE)


async def test_a_ministrys_receipt_is_held_to_what_is_expected_of_it(town: Town) -> None:
    """EHR-7."""
    root = build_receipt(
        Receipt(
            receipt_id="r-1",
            protocol_number="EH-1",
            protocol_id="L1.protocol",
            container_sha256="0" * 64,
            authority="ECONOMY",
            received_at=town.now(),
        )
    )
    sign_enveloped(root, town.identity("ECONOMY").credential, into=root)
    document = bytes(etree.tostring(root))
    event = ProtocolReceipted(id="r-1", source="ECONOMY", lot_id="L1", time=town.now(), document=document)
    publisher = Publisher(PublisherSettings(kafka=KafkaSettings(bootstrap_servers=town.system.kafka, client_id="x")))
    headers = list(write_receipt(event))
    await publisher.publish(Record(topic="eherrac.receipts", key=b"L1", value=document, headers=headers))
    await publisher.close()
    await until(town.refusals)
    lines = await town.refusals()
    told = orjson.loads(lines[0].data)
    assert (told["code"], told["facts"]["what"]) == (ErrorCode.CERTIFICATE_USAGE, "issuer")
