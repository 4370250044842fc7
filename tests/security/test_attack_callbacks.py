"""Attacks on our callbacks at a bank's endpoint: only our notices are taken, under their own id, while they are fresh.

The endpoint is the bank sandbox's, which ships as the example for banks; the ids and times are Standard Webhooks'.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import http_changes
import orjson
import pytest
from attack_world import HOST, NOW, World, soap, soap_request
from rest_world import BANK, OTHER_BANK

from adapters.banks.adapter import Transport
from adapters.banks.sandbox.callbacks import CALLBACK_PATH, Callbacks
from adapters.banks.sandbox.settings import BankSandboxSettings
from certs.http_signature import HttpRequestParts, sign_request
from contracts.errors import ErrorCode
from contracts.events.cloudevents import MEDIA_TYPE
from contracts.soap.model import Notice as SoapNotice
from contracts.soap.model import Notify
from gateway.domain.dispatches import Notice, NoticeKind
from gateway.domain.money import Money
from gateway.wire.notices import notice_event

SEED, MUTANTS = 20261122, 1_000


class Bank(World):
    """The world's keys around a bank's endpoint; `notices` is what it took."""

    notices: list[SoapNotice]

    @classmethod
    async def of(cls, transport: Transport) -> Bank:
        bank = await cls.open()
        bank.notices = []
        settings = BankSandboxSettings(
            identity=lambda: bank.identities[BANK],
            code=BANK,
            bic="XZRNAZ22",
            iso_address="XZRNAZ22A001",
            transport=transport,
        )
        bank.app = Callbacks(settings, bank.notices.append, clock=lambda: NOW).app()
        bank.app.freeze()
        return bank


def callback(bank: Bank, code: str = "GATEWAY", **changes: Any) -> HttpRequestParts:
    """A signed notice; `changes`: number of the notice, `webhook_id`, `age` of the signature, `path`."""
    number = changes.get("number", 1)
    notice = Notice(
        kind=NoticeKind.OFFER_OPENED,
        lot_id="LOT-B",
        subject_id="LOT-B.offer",
        state="open",
        occurred_at=NOW,
        amount=Money(100 * number),
    )
    body = orjson.dumps(notice_event(notice, id=f"w-{number}", sequence=number, version=1).model_dump(mode="json"))
    signed_at = NOW - changes.get("age", timedelta())
    headers = (
        ("Content-Type", MEDIA_TYPE),
        ("webhook-id", changes.get("webhook_id", f"w-{number}")),
        ("webhook-timestamp", str(int(signed_at.timestamp()))),
    )
    path = changes.get("path", CALLBACK_PATH)
    parts = HttpRequestParts(method="POST", authority=HOST, path=path, headers=headers, body=body)
    return parts.with_headers(sign_request(parts, bank.key(code), now=signed_at, nonce="n"))


async def test_no_attack_on_a_callback_is_taken() -> None:
    bank = await Bank.of(Transport.REST)
    honest = [callback(bank), callback(bank, number=2)]
    for parts in honest:
        assert (await bank.knock(parts))[0] == 200
    said = list(bank.notices)
    strange = callback(bank, OTHER_BANK)
    accepted = 0
    for mutant in http_changes.mutants(SEED, MUTANTS, honest[0], [honest[1], strange]):
        bank.notices.clear()
        status, _ = await bank.knock(mutant) if mutant.path == CALLBACK_PATH else (404, b"")
        assert all(notice in said for notice in bank.notices), mutant
        assert (status == 200) is bool(bank.notices), mutant
        accepted += status == 200
    assert accepted < MUTANTS * 0.15


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"webhook_id": "w-2"}, ErrorCode.ID_CONFLICT),
        ({"age": timedelta(minutes=6)}, ErrorCode.SIGNATURE_AGE),
        ({"age": timedelta(minutes=-2)}, ErrorCode.SIGNATURE_AGE),
        ({"code": OTHER_BANK}, ErrorCode.NOT_PERMITTED),
    ],
)
async def test_a_callback_that_is_old_reused_or_anothers_is_refused(changes: dict[str, Any], code: ErrorCode) -> None:
    bank = await Bank.of(Transport.REST)
    _, body = await bank.knock(callback(bank, **changes))
    assert orjson.loads(body)["code"] == code
    assert bank.notices == []


async def test_a_notice_under_another_id_is_refused_over_soap_too() -> None:
    bank = await Bank.of(Transport.SOAP)
    notice = SoapNotice(
        id="w-1",
        sequence=1,
        version=1,
        kind="offer_opened",
        lot_id="LOT-B",
        subject_id="LOT-B.offer",
        state="open",
        occurred_at=NOW,
    )
    given = [("GATEWAY", "w-1"), ("GATEWAY", "w-2"), (OTHER_BANK, "w-1")]
    for code, id in given:
        parts = soap_request(soap(bank, code, Notify(message_id=id, notice=notice)))
        await bank.knock(replace(parts, path=CALLBACK_PATH))
    assert bank.notices == [notice]
