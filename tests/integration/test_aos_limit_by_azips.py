"""AZIPS and AÖS together: an MT205 raises the debit limit in AÖS at once, once, and nothing is debited (AOS-L1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapters.aos.sandbox import AosSandbox, AosSandboxSettings, Participant
from adapters.azips.sandbox import AzipsSandbox, AzipsSandboxSettings, Correspondent
from certs.authority import Authority
from certs.trust import TrustStore
from contracts import mt
from contracts.mt.samples import LIMIT_ORDER
from gateway.wire.client import SignedClient
from gateway.wire.fin import AZIPS_PATH, FIN_TYPE
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


async def test_a_limit_order_to_azips_raises_the_limit_in_aos_once(identities):
    """AOS-L1: each order's amount is added; the same order again is the same order."""
    row = Participant(
        bic=BIC, code="GATEWAY", name="g", clearing_account="C-EHR", settlement_account=LIMIT_ORDER.account
    )
    aos = AosSandbox(AosSandboxSettings(identity=lambda: identities["AOS"], participants=(row,)))
    correspondent = Correspondent(bic=BIC, code="GATEWAY", opening_balance=100)
    azips = AzipsSandbox(
        AzipsSandboxSettings(identity=lambda: identities["AZIPS"], correspondents=(correspondent,)),
        on_limit=aos.raise_limit,
    )
    said = []
    aos.deliveries.put = lambda outgoing, faults: said.append(outgoing)
    await aos.start()
    await azips.start()
    client = SignedClient(lambda: identities["GATEWAY"], timeout_s=5, clock=_now)
    second = replace(LIMIT_ORDER, reference="LIM261122000002", amount_minor=1_000)
    for order in (LIMIT_ORDER, LIMIT_ORDER, second):
        answer = await client.request(
            "POST",
            azips.address + AZIPS_PATH,
            body=mt.write(order),
            content_type=FIN_TYPE,
            expected_participant="AZIPS",
        )
        assert answer.status == 202
    await client.close()
    await azips.close()
    await aos.close()
    total = LIMIT_ORDER.amount_minor + 1_000
    assert aos.system.ledger.limit(LIMIT_ORDER.account) == azips.limits[LIMIT_ORDER.account] == total
    assert [(out.to_bic, out.message.limit_minor) for out in said] == [(BIC, LIMIT_ORDER.amount_minor), (BIC, total)]
