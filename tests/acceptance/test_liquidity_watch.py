"""The watch over our account in AÖS, in the whole gateway (AOS-L6)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
from town import Town

ACCOUNT = "AZ46EHRN10100000000000000001"


async def test_the_account_is_asked_about_at_the_start_and_the_question_is_under_way(tmp_path: Path) -> None:
    town = await Town(tmp_path).open(EHERRAC__LIQUIDITY__ACCOUNT=ACCOUNT, EHERRAC__LIQUIDITY__RESERVE="500.00")
    try:
        for _ in range(100):
            row = await town.noun("liquidity", ACCOUNT)
            if row is not None:
                break
            await asyncio.sleep(0.05)
        assert row is not None
        assert orjson.loads(row.data)["expected"]["minor"] == 0
        (query,) = await town.system.store.read(lambda reader: reader.outbox_of("liquidity", ACCOUNT))
        assert (query.channel, query.body_type) == ("aos", "StandingQuery")
    finally:
        await town.close()
