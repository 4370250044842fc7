"""More than can be sent is not taken: 503 OVERLOADED with Retry-After, signed, and nothing is written for it."""

from __future__ import annotations

import math
from pathlib import Path

import orjson
from town import Town

from contracts.soap import model
from contracts.soap.faults import read_problem


async def test_new_work_above_the_bound_is_refused_and_written_nowhere_while_reading_goes_on(tmp_path: Path) -> None:
    town = await Town(tmp_path).open(EHERRAC__INTAKE__OUTBOX_MAX="1")
    await town.announce()
    await town.unsold()
    await town.system.watchdog.count()
    before = await town.system.store.read(lambda r: r.count_nouns())
    answer = await town.decide("999101")
    assert (answer.status, orjson.loads(answer.body)["code"]) == (503, "OVERLOADED")
    assert answer.signer is not None
    assert int(answer.headers["retry-after"]) == math.ceil(town.config.watchdog.interval_s)
    _, fault = await town.soap("999101", model.ListOffers(message_id="q-1"))
    problem = read_problem(fault)
    assert problem is not None
    assert (problem.code, problem.retry) == ("OVERLOADED", True)
    assert (await town.rest("999101", "GET", "/v1/offers/L1.offer")).status == 200
    assert await town.system.store.read(lambda r: r.count_nouns()) == before
    await town.close()


async def test_who_asks_more_than_its_quota_is_refused_alone(tmp_path: Path) -> None:
    town = await Town(tmp_path).open(EHERRAC__INTAKE__REQUESTS_PER_S="0.001", EHERRAC__INTAKE__REQUESTS_BURST="5")
    await town.announce()
    statuses = [(await town.rest("999101", "GET", "/v1/lots/L1")).status for _ in range(8)]
    assert statuses == [200] * 5 + [503] * 3
    assert (await town.rest("999202", "GET", "/v1/offers/none")).status == 404
    assert await town.refusals("999101") == []
    await town.close()
