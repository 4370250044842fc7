"""A bank with zeep at the SOAP door: nothing but the WSDL and its key."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import xmlsec
import zeep
from lxml import etree
from soap_world import (  # noqa: F401 - fixtures
    ACCOUNT,
    BANK,
    IBAN,
    World,
    everybodys_keys,
    running_door,
)
from zeep.wsse.signature import BinarySignature
from zeep.wsse.utils import WSU, get_security_header

from certs.keystore import Credential
from certs.trust import TrustStore
from certs.wss import verify_envelope
from gateway.domain.events import offer as offers
from gateway.doors.soap import PATH, PREFIX


class _TheirSignature(BinarySignature):  # type: ignore[misc]  # zeep has no types
    """Zeep's own signature, with the Timestamp it does not add by itself; answers are judged by our verifier.

    Zeep's verification is not used: it checks answers with the client's own certificate.
    """

    def __init__(self, credential: Credential, trust: TrustStore, folder: Path) -> None:
        key, chain = credential.to_pem()
        (folder / "key.pem").write_bytes(key)
        (folder / "chain.pem").write_bytes(chain)
        methods = (xmlsec.Transform.RSA_SHA256, xmlsec.Transform.SHA256)
        super().__init__(str(folder / "key.pem"), str(folder / "chain.pem"), None, *methods)
        self._trust = trust

    def apply(self, envelope: etree._Element, headers: Any) -> Any:
        now = datetime.now(UTC)
        stamp = WSU.Timestamp(WSU.Created(now.isoformat()), WSU.Expires((now + timedelta(minutes=5)).isoformat()))
        get_security_header(envelope).append(stamp)
        return super().apply(envelope, headers)

    def verify(self, envelope: etree._Element) -> etree._Element:
        verify_envelope(envelope, self._trust, at=datetime.now(UTC))
        return envelope


@pytest.mark.parametrize("binding", ["GatewaySoap11", "GatewaySoap12"])
async def test_a_bank_with_zeep_needs_nothing_but_the_wsdl_and_its_key(
    world: World, tmp_path: Path, binding: str
) -> None:
    def use() -> tuple[Any, Any, str]:
        signature = _TheirSignature(world.keys[BANK], world.trust, tmp_path)
        with zeep.Client(f"{world.running.address}{PREFIX}{PATH}?wsdl", wsse=signature) as client:
            service = client.bind("GatewayService", binding)
            payer = {"Holder": "Xəzər Nümunə Bankı", "Iban": IBAN, "Bic": "XZRNAZ22"}
            offers = service.ListOffers(MessageId="q-1")
            told = service.DecideOffer(MessageId="d-1", OfferId="L-1.offer", Decision="accept", Payer=payer)
            with pytest.raises(zeep.exceptions.Fault) as fault:
                service.GetPayment(MessageId="q-2", PaymentId="never-was")
            client.transport.session.close()
            return offers, told, fault.value.message

    offers_told, told, fault = await asyncio.to_thread(use)
    assert [(offer.Id, offer.Amount._value_1, offer.Amount.currency) for offer in offers_told.Offer] == [
        ("L-1.offer", Decimal("1234.50"), "AZN")
    ]
    assert (told.InReplyTo, told.Receipt.State) == ("d-1", "accepted")
    assert fault
    assert world.books.received[0].event == offers.Accepted(payer=ACCOUNT)
