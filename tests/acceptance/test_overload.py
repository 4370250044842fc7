"""More than can be sent is not taken: 503 OVERLOADED with Retry-After, signed, and nothing is written for it."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
from aiohttp import ClientSession, TCPConnector
from town import Town

from contracts.iso20022.samples import TEXT
from contracts.soap import model
from contracts.soap.faults import read_problem
from gateway.domain.door import Door
from gateway.engine import codec
from gateway.engine.journal import first_break
from gateway.engine.room import Level
from gateway.wire.client import SignedAnswer
from gateway.wire.iso_envelope import CONTENT_TYPE, MESSAGES_PATH, seal

FLOOD, HONEST = 64, 5


async def test_new_work_above_the_bound_is_refused_and_written_nowhere_while_reading_goes_on(tmp_path: Path) -> None:
    town = await Town(tmp_path).open(EHERRAC__INTAKE__OUTBOX_MAX="1")
    await town.announce()
    await town.unsold()
    await town.system.watchdog.count()
    before = await town.counts()
    answer = await town.decide("999101")
    assert (answer.status, orjson.loads(answer.body)["code"]) == (503, "OVERLOADED")
    assert answer.signer is not None
    assert int(answer.headers["retry-after"]) == math.ceil(town.config.watchdog.interval_s)
    _, fault = await town.soap("999101", model.ListOffers(message_id="q-1"))
    problem = read_problem(fault)
    assert problem is not None
    assert (problem.code, problem.retry) == ("OVERLOADED", True)
    assert (await town.rest("999101", "GET", "/v1/offers/L1.offer")).status == 200
    assert await town.counts() == before
    await town.close()


async def test_a_store_that_may_not_grow_takes_nothing_new_and_finishes_what_is_under_way(tmp_path: Path) -> None:
    """The bank's decision finds no room; what AÖS says of money does, and reading does too."""
    town = await Town(tmp_path).open(EHERRAC__STORE__SIZE_MAX_BYTES="1048576", EHERRAC__STORE__RESERVE_BYTES="1048576")
    assert (await town.system.watchdog.count()).room.level is Level.FULL
    before = await town.counts()
    answer = await town.rest("999101", "POST", "/v1/offers/L1.offer/decision", b"{}")
    assert (answer.status, orjson.loads(answer.body)["code"]) == (503, "STORE_UNAVAILABLE")
    assert (answer.headers["retry-after"], answer.signer is not None) == ("60", True)
    assert (await town.rest("999101", "GET", "/v1/offers/none")).status == 404
    assert await town.counts() == before
    assert (await to_rail(town, "AOS", await message(town, 1))).status == 202
    assert await town.counts() != before
    await town.close()


async def test_who_asks_more_than_its_quota_is_refused_alone(tmp_path: Path) -> None:
    town = await Town(tmp_path).open(EHERRAC__INTAKE__REQUESTS_PER_S="0.001", EHERRAC__INTAKE__REQUESTS_BURST="5")
    await town.announce()
    statuses = [(await town.rest("999101", "GET", "/v1/lots/L1")).status for _ in range(8)]
    assert statuses == [200] * 5 + [503] * 3
    assert (await town.rest("999202", "GET", "/v1/offers/none")).status == 404
    assert await town.refusals("999101") == []
    await town.close()


async def message(town: Town, number: int) -> bytes:
    """AÖS's text of that number, as a signed ISO message."""
    text = replace(TEXT, message_id=f"{TEXT.message_id[:-4]}{number:04}")
    return await seal(text, from_bic="NABZAZ2CIPS", to_bic="EHRNAZ22", credential=town.identity("AOS").credential)


async def to_rail(town: Town, code: str, body: bytes, *, sign: bool = True) -> SignedAnswer:
    return await town.rest(code, "POST", MESSAGES_PATH, body, content_type=CONTENT_TYPE, sign=sign)


async def test_a_flooded_rail_keeps_its_honest_sender(tmp_path: Path) -> None:
    """A bank and a stranger flood AÖS's door; of what AÖS sends meanwhile at least 90 in 100 are taken (all are)."""
    town = await Town(tmp_path).open(EHERRAC__INTAKE__REQUESTS_PER_S="0.001", EHERRAC__INTAKE__REQUESTS_BURST="5")
    messages = [await message(town, number) for number in range(20)]
    honest: list[int] = []

    async def speak() -> None:
        for one in messages:
            honest.append((await to_rail(town, "AOS", one)).status)

    bank = [to_rail(town, "999101", b"<x>%d</x>" % number) for number in range(FLOOD)]
    stranger = [to_rail(town, "999202", b"<y>%d</y>" % number, sign=False) for number in range(FLOOD)]
    *answers, _ = await asyncio.gather(*bank, *stranger, speak())
    assert honest == [202] * len(messages)
    assert Counter(answer.status for answer in answers) == {403: 5, 503: FLOOD - 5, 401: FLOOD}
    await town.close()


async def test_a_message_that_a_rail_sends_above_its_quota_is_taken_when_it_comes_again(tmp_path: Path) -> None:
    town = await Town(tmp_path).open(EHERRAC__INTAKE__RAIL_PER_S="0.1", EHERRAC__INTAKE__RAIL_BURST="1")
    first, second = await message(town, 1), await message(town, 2)
    assert (await to_rail(town, "AOS", first)).status == 202
    shed = await to_rail(town, "AOS", second)
    assert (shed.status, orjson.loads(shed.body)["code"]) == (503, "OVERLOADED")
    assert shed.signer is not None
    assert await town.counts() == {("inquiry", "told"): 1}
    town.offset += timedelta(seconds=int(shed.headers["retry-after"]))
    assert (await to_rail(town, "AOS", second)).status == 202
    assert await town.counts() == {("inquiry", "told"): 2}
    await town.close()


async def test_a_flood_of_refused_requests_is_counted_whole_and_keeps_no_honest_one_from_its_answer(
    tmp_path: Path,
) -> None:
    """Nobody is shed for another's flood; each refusal is a line or counted in one, and the chain holds."""
    town = await Town(tmp_path).open()
    await town.announce()
    honest: list[int] = []

    async def unsigned(session: ClientSession) -> int:
        async with session.post(f"{town.system.address}/v1/events", json={}) as answer:
            return answer.status

    async def ask() -> None:
        for _ in range(HONEST):
            honest.append((await town.rest("999101", "GET", "/v1/lots/L1")).status)

    async with ClientSession(connector=TCPConnector(limit=FLOOD)) as session:
        *refused, _ = await asyncio.gather(*(unsigned(session) for _ in range(FLOOD)), ask())
    assert set(refused) == {401}
    assert honest == [200] * HONEST
    lines = await town.system.store.read(lambda r: r.journal_of("door", "anonymous"))
    door = await town.noun("door", "anonymous")
    assert codec.decode(Door, door.data).refused == FLOOD
    assert len(lines) <= FLOOD
    assert first_break(lines, door) is None
    await town.close()
