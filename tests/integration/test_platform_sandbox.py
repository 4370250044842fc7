"""The platform's adapter and sandbox on real sockets: callbacks out, events in, faults between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from aiohttp import web
from rest_world import BANK, Parties, World, clock, event
from waiting import PATIENCE_S

from adapters.platform.adapter import PlatformAdapter, PlatformSettings
from adapters.platform.sandbox import (
    NOTICES_PATH,
    PlatformSandbox,
    PlatformSandboxSettings,
    PublicationRefused,
    Published,
    ScenarioFailedError,
)
from adapters.platform.scenario import LotScript, Pause, Publish, Scenario, WaitFor
from certs.trust import TrustStore
from contracts.errors import ErrorCode
from contracts.events.platform import PlatformEvent, read_event
from gateway.domain.dispatches import Notice, NoticeKind
from gateway.ports import Acknowledged, Dispatch, NotSent, Refused, Unknown
from gateway.wire.identity import Identity
from gateway.wire.server import serve_app

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
NOTICE = Notice(
    kind=NoticeKind.PAYMENT_STATE, lot_id="LOT-B", subject_id="LOT-B.payment", state="sent", occurred_at=NOW
)
DISPATCH = Dispatch(
    id="d-1",
    channel="platform",
    recipient="EHERRAC",
    body=NOTICE,
    attempt=1,
    created_at=NOW,
    sequence=1,
    state_version=1,
)


class Street(NamedTuple):
    platform: PlatformSandbox
    adapter: PlatformAdapter
    world: World
    parties: Parties


@pytest.fixture(scope="module")
def parties() -> Parties:
    return Parties.create("GATEWAY", "EHERRAC", BANK)


def adapter_to(url: str, parties: Parties, *, code: str = "GATEWAY", timeout_s: float = PATIENCE_S) -> PlatformAdapter:
    settings = PlatformSettings(callback_url=url, timeout_s=timeout_s)
    return PlatformAdapter(settings, lambda: parties.identities[code], clock=clock)


@pytest.fixture
async def street(parties: Parties) -> AsyncIterator[Street]:
    settings = PlatformSandboxSettings(identity=lambda: parties.identities["EHERRAC"], publish_again_s=0.01)
    platform = PlatformSandbox(settings)
    await platform.start()
    adapter, world = adapter_to(platform.address + NOTICES_PATH, parties), await World.start(parties)
    yield Street(platform, adapter, world, parties)
    await adapter.close()
    await platform.close()
    await world.close()


def dispatch(id: str, state: str, version: int) -> Dispatch:
    return replace(DISPATCH, id=id, body=replace(NOTICE, state=state), state_version=version)


async def test_a_notice_is_acknowledged_and_both_directions_are_evidence(street: Street) -> None:
    outcome = await street.adapter.send(DISPATCH)
    assert isinstance(outcome, Acknowledged)
    assert [(kept.direction, kept.signer) for kept in outcome.exhibits] == [("out", "GATEWAY"), ("in", "EHERRAC")]
    assert b"webhook-id: d-1" in outcome.exhibits[0].content
    assert [notice.data.state for notice in street.platform.notices] == ["sent"]


async def test_a_notice_that_comes_twice_is_kept_once(street: Street) -> None:
    for _ in range(2):
        assert isinstance(await street.adapter.send(DISPATCH), Acknowledged)
    assert (street.platform.callbacks, len(street.platform.notices)) == (2, 1)


async def test_an_old_notice_that_comes_late_takes_nothing_back(street: Street) -> None:
    for id, state, version in (("d-2", "settled", 5), ("d-1", "sent", 3)):
        await street.adapter.send(dispatch(id, state, version))
    latest = street.platform.latest("LOT-B.payment")
    assert latest is not None
    assert latest.data.state == "settled"
    assert street.platform.has_been_told("payment.state", "LOT-B.payment", "sent")


@pytest.mark.parametrize(("status", "kind"), [(503, NotSent), (429, NotSent), (500, Unknown), (409, Refused)])
async def test_each_answer_of_the_platform_has_its_outcome(street: Street, status: int, kind: type[object]) -> None:
    street.platform.answer_next.append(status)
    assert isinstance(await street.adapter.send(DISPATCH), kind)
    assert isinstance(await street.adapter.send(replace(DISPATCH, attempt=2)), Acknowledged)
    assert len(street.platform.notices) == 1


async def test_a_sandbox_judges_by_the_lists_of_the_day_and_not_by_those_it_was_started_with(parties: Parties) -> None:
    now, old = parties.identities["EHERRAC"], parties.authority.crl(clock() - timedelta(hours=25))
    stale = TrustStore.from_pem(
        anchors=parties.authority.anchors_pem, intermediates=parties.authority.intermediates_pem, crls=[old]
    )
    keys = [Identity(now.credential, stale)]
    platform = PlatformSandbox(PlatformSandboxSettings(identity=lambda: keys[-1]))
    await platform.start()
    adapter = adapter_to(platform.address + NOTICES_PATH, parties)
    try:
        refused = await adapter.send(DISPATCH)
        keys.append(now)
        accepted = await adapter.send(replace(DISPATCH, attempt=2))
    finally:
        await adapter.close()
        await platform.close()
    assert not isinstance(refused, Acknowledged)
    assert isinstance(accepted, Acknowledged)


async def test_nobody_there_means_not_sent(street: Street) -> None:
    url = street.platform.address + NOTICES_PATH
    await street.platform.close()
    assert isinstance(await street.adapter.send(DISPATCH), NotSent)
    adapter = adapter_to(url, street.parties)
    assert isinstance(await adapter.send(DISPATCH), NotSent)
    await adapter.close()


async def test_silence_after_sending_means_unknown(parties: Parties) -> None:
    over = asyncio.Event()

    async def silent(_: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    app = web.Application()
    app.add_routes([web.post(NOTICES_PATH, silent)])
    server = await serve_app(app, "127.0.0.1", 0)
    adapter = adapter_to(server.address + NOTICES_PATH, parties, timeout_s=1.0)
    outcome = await adapter.send(DISPATCH)
    assert isinstance(outcome, Unknown)
    assert outcome.exhibits[0].direction == "out"
    over.set()
    await adapter.close()
    await server.close()


async def test_an_answer_that_somebody_else_signed_is_not_believed(street: Street) -> None:
    settings = PlatformSettings(callback_url=street.platform.address + NOTICES_PATH, participant=BANK)
    adapter = PlatformAdapter(settings, lambda: street.parties.identities["GATEWAY"], clock=clock)
    assert isinstance(await adapter.send(DISPATCH), Unknown)
    await adapter.close()


async def test_the_platform_takes_notices_from_the_gateway_alone(street: Street) -> None:
    adapter = adapter_to(street.platform.address + NOTICES_PATH, street.parties, code=BANK)
    outcome = await adapter.send(DISPATCH)
    assert isinstance(outcome, Refused)
    assert outcome.code == "PARTICIPANT_MISMATCH"
    assert street.platform.notices == []
    await adapter.close()


async def test_a_notice_that_our_contract_forbids_is_parked_and_not_sent(street: Street) -> None:
    outcome = await street.adapter.send(replace(DISPATCH, body=replace(NOTICE, lot_id="not an id")))
    assert isinstance(outcome, Refused)
    assert outcome.code == "NOTICE_INVALID"
    assert street.platform.callbacks == 0


def announced(**changes: object) -> PlatformEvent:
    return read_event(event(**changes))


async def test_an_event_is_published_until_the_gateway_has_it(street: Street) -> None:
    """Nobody there, then a gateway without its store, then one that works: one event, one id."""
    publishing = asyncio.create_task(street.platform.publish(announced()))
    await asyncio.sleep(0)
    street.world.receiver.refuse_with = ErrorCode.STORE_UNAVAILABLE
    street.platform.connect(street.world.server.address)
    await street.world.receiver.heard.wait()
    street.world.receiver.refuse_with = None
    published = await publishing
    assert isinstance(published, Published)
    assert published.tries >= 2
    assert [message.id for message in street.world.receiver.accepted] == ["evt-1"]


async def test_a_refused_event_is_not_published_again(street: Street) -> None:
    street.platform.connect(street.world.server.address)
    street.world.receiver.refuse_with = ErrorCode.CASE_NUMBER_MISSING
    refused = await street.platform.publish(announced())
    assert isinstance(refused, PublicationRefused)
    assert (refused.tries, refused.status, refused.code) == (1, 422, "CASE_NUMBER_MISSING")


CANCELLED = Publish(type="az.eherrac.auction.cancelled.v1", data={"reason": "Nümunə"})


async def test_a_scenario_waits_for_its_callback_and_goes_on(street: Street) -> None:
    street.platform.connect(street.world.server.address)
    wait = WaitFor(kind="payment.state", subject="LOT-B.payment", state="sent")
    steps = (CANCELLED, Pause(seconds=0.001), wait, CANCELLED)
    told: list[tuple[str, str]] = []
    playing = asyncio.create_task(
        street.platform.play(
            Scenario(name="s", lots=(LotScript(lot_id="LOT-B", steps=steps),)), lambda *step: told.append(step)
        )
    )
    await street.world.receiver.heard.wait()
    assert len(street.world.receiver.accepted) == 1
    await street.adapter.send(DISPATCH)
    await playing
    assert [message.id for message in street.world.receiver.accepted] == ["LOT-B-00", "LOT-B-03"]
    assert [line.split()[0] for _, line in told] == ["published", "was", "published"]


async def test_a_scenario_whose_event_is_refused_fails_and_says_why(street: Street) -> None:
    street.platform.connect(street.world.server.address)
    street.world.receiver.refuse_with = ErrorCode.LOT_UNKNOWN
    scenario = Scenario(name="s", lots=(LotScript(lot_id="LOT-Z", steps=(CANCELLED,)),))
    with pytest.raises(ExceptionGroup) as caught:
        await street.platform.play(scenario)
    assert caught.group_contains(ScenarioFailedError, match="LOT_UNKNOWN")


async def test_a_platform_told_to_be_unavailable_is_so_for_a_while(parties: Parties) -> None:
    settings = PlatformSandboxSettings(identity=lambda: parties.identities["EHERRAC"], unavailable_times=1)
    platform = PlatformSandbox(settings)
    await platform.start()
    adapter = adapter_to(platform.address + NOTICES_PATH, parties)
    outcomes = [await adapter.send(DISPATCH) for _ in range(2)]
    assert [type(outcome) for outcome in outcomes] == [NotSent, Acknowledged]
    await adapter.close()
    await platform.close()
