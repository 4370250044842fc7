"""AZIPS and AÖS, two programs on two sockets: an MT205 raises the debit limit in AÖS at once, and once (AOS-L1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from waiting import PATIENCE_S, until

from adapters.aos.central.words import Outgoing
from adapters.aos.sandbox import AosSandbox, AosSandboxSettings, Participant
from adapters.azips.sandbox import AzipsSandbox, AzipsSandboxSettings, Correspondent
from certs.authority import Authority
from certs.trust import TrustStore
from contracts import mt
from contracts.mt.samples import LIMIT_ORDER
from gateway.wire.client import SignedClient
from gateway.wire.fin import AZIPS_PATH, FIN_TYPE, LIMIT_ORDERS_PATH
from gateway.wire.identity import Identity

BIC = LIMIT_ORDER.participant_bic


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def identities() -> dict[str, Identity]:
    authority = Authority.create(_now())
    credentials = {
        name: authority.issue(name, "nümunə", key="p256", now=_now()) for name in ("GATEWAY", "AOS", "AZIPS")
    }
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(_now())]
    )
    return {name: Identity(credential, trust) for name, credential in credentials.items()}


@dataclass
class Both:
    """AÖS and AZIPS, and a participant that speaks to either."""

    aos: AosSandbox
    azips: AzipsSandbox
    client: SignedClient
    told: list[Outgoing]  # what AÖS says

    async def order(self, order: mt.LimitOrder) -> int:
        """A limit order to AZIPS."""
        return await self.post(self.azips.address + AZIPS_PATH, order, "AZIPS")

    async def post(self, url: str, order: mt.LimitOrder, whose: str) -> int:
        answer = await self.client.request(
            "POST", url, body=mt.write(order), content_type=FIN_TYPE, expected_participant=whose
        )
        return answer.status

    async def until_told(self, times: int) -> None:
        await until(lambda: len(self.told) >= times)


@pytest_asyncio.fixture
async def both(identities: dict[str, Identity]) -> AsyncIterator[Both]:
    row = Participant(
        bic=BIC, code="GATEWAY", name="g", clearing_account="C-EHR", settlement_account=LIMIT_ORDER.account
    )
    aos = AosSandbox(AosSandboxSettings(identity=lambda: identities["AOS"], participants=(row,)))
    told: list[Outgoing] = []
    aos.deliveries.put = lambda outgoing, faults: told.append(outgoing)  # type: ignore[method-assign]
    await aos.start()
    correspondent = Correspondent(bic=BIC, code="GATEWAY", opening_balance=100)
    azips = AzipsSandbox(
        AzipsSandboxSettings(identity=lambda: identities["AZIPS"], correspondents=(correspondent,), aos_url=aos.address)
    )
    await azips.start()
    client = SignedClient(lambda: identities["GATEWAY"], timeout_s=PATIENCE_S, clock=_now)
    yield Both(aos, azips, client, told)
    await client.close()
    await azips.close()
    await aos.close()


async def test_a_limit_order_to_azips_raises_the_limit_in_aos_once(both: Both) -> None:
    """AOS-L1: each order's amount is added; the same order again is the same order, and nothing is debited."""
    second = replace(LIMIT_ORDER, reference="LIM261122000002", amount_minor=1_000)
    for order in (LIMIT_ORDER, LIMIT_ORDER, second):
        assert await both.order(order) == 202
    await both.until_told(2)
    total = LIMIT_ORDER.amount_minor + 1_000
    assert both.aos.system.ledger.limit(LIMIT_ORDER.account) == both.azips.limits[LIMIT_ORDER.account] == total
    expected = [(BIC, LIMIT_ORDER.amount_minor), (BIC, total)]
    assert [(out.to_bic, out.message.limit_minor) for out in both.told] == expected
    assert both.azips.books.balances[BIC] == 100


async def test_while_aos_is_away_the_order_waits_and_is_accepted_only_then(both: Both) -> None:
    """AOS-L1: whoever hears MT196 finds the limit raised."""
    await both.aos.go_away()
    assert await both.order(LIMIT_ORDER) == 202
    await asyncio.sleep(0.3)
    assert both.azips._outboxes[BIC].empty()
    await both.aos.listen()
    await both.until_told(1)


async def test_aos_believes_azips_alone(both: Both) -> None:
    """AOS-S1: a participant cannot raise its own limit."""
    assert await both.post(both.aos.address + LIMIT_ORDERS_PATH, LIMIT_ORDER, "AOS") == 403
    assert both.aos.system.ledger.limit(LIMIT_ORDER.account) == 0
