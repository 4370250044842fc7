"""What the console's pages show, on both databases: figures that are so, lists that end, words in three languages."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from console_door import Hand, Office

from contracts.errors import ErrorCode, Refusal
from contracts.errors.catalogue import describe
from gateway.domain.recipient import AnsweredAgain, FellSilent
from gateway.domain.visit import Role
from gateway.doors.console.refusals import PAGE_ROWS
from gateway.doors.console.words import text
from gateway.store import Store

DIGESTS = {"step": "9 digests", "reference": "Body", "expected": "AAAA", "received": "BBBB", "cause": "reindented"}


@pytest_asyncio.fixture
async def office(store: Store) -> AsyncIterator[Office]:
    opened = await Office(store).open()
    yield opened
    await opened.stack.aclose()


@pytest_asyncio.fixture
async def viewer(office: Office) -> Hand:
    return await office.visitor(Role.VIEWER)


async def test_a_quiet_house_is_well(office: Office, viewer: Hand) -> None:
    await office.count()
    page = await viewer.get("/")
    assert (page.status, text("az", "situation.verdict.well") in page.text) == (200, True)


async def test_a_silent_recipient_is_told_with_the_time_it_fell_silent(office: Office, viewer: Hand) -> None:
    lane = ("banks", "999101")
    await office.engine.note_recipient(lane, FellSilent(failures=5, reason="timeout"))
    office.clock.now += timedelta(minutes=5)
    await office.count()
    page = await viewer.get("/")
    assert text("az", "situation.verdict.warning") in page.text
    assert text("az", "common.ago", span="5\u00a0dəq") in page.text
    await office.engine.note_recipient(lane, AnsweredAgain())
    assert text("az", "situation.verdict.well") in (await viewer.get("/")).text


async def test_a_trouble_that_knows_no_beginning_is_dated_by_the_first_look(office: Office, viewer: Hand) -> None:
    await office.count()
    office.checks = {"store": True, "broker": False}
    await viewer.get("/")
    office.clock.now += timedelta(seconds=20)
    assert "20\u00a0san" in (await viewer.get("/?live=1")).text
    office.checks = {"store": True, "broker": True}
    assert text("az", "situation.verdict.well") in (await viewer.get("/")).text


@pytest.mark.parametrize("language", ["az", "en", "ru"])
async def test_a_refusal_is_told_in_the_words_of_the_answer(office: Office, viewer: Hand, language: str) -> None:
    await office.refuse(code=ErrorCode.DIGEST_MISMATCH, **DIGESTS)
    await viewer.get(f"/refusals?lang={language}")
    listed = await viewer.get("/refusals")
    (seq,) = re.findall(r"seq=(\d+)", listed.text)
    page = await viewer.get(f"/refusals/refusal?seq={seq}")
    told = describe(Refusal(code=ErrorCode.DIGEST_MISMATCH, facts=DIGESTS), language)
    for words in (told.title, told.detail, told.remedy, "9 digests", "Body", "AAAA", "BBBB", "ab" * 32):
        assert words in page.text
    assert f'<html lang="{language}">' in page.text


async def test_refusals_are_found_by_sender_and_code(office: Office, viewer: Hand) -> None:
    for sender, code in (("999101", "NOT_FOUND"), ("999101", "SIGNATURE_AGE"), ("999202", "NOT_FOUND")):
        await office.refuse(sender, ErrorCode(code))
    asked = {
        "": 3,
        "sender=999101": 2,
        "code=NOT_FOUND": 2,
        "sender=999202&code=NOT_FOUND": 1,
        "sender=999202&code=SIGNATURE_AGE": 0,
        "sender=nobody": 0,
        "code=NO_SUCH_CODE": 3,  # as if none had been asked for
    }
    for query, count in asked.items():
        assert (await viewer.get(f"/refusals?{query}")).text.count("/refusals/refusal?seq=") == count, query


async def test_a_long_list_comes_in_pages_the_newest_first(office: Office, viewer: Hand) -> None:
    for _ in range(PAGE_ROWS + 3):
        await office.refuse()
    first = await viewer.get("/refusals?sender=999101")
    seqs = [int(seq) for seq in re.findall(r"/refusals/refusal\?seq=(\d+)", first.text)]
    assert (len(seqs), seqs) == (PAGE_ROWS, sorted(seqs, reverse=True))
    (older,) = re.findall(r'rel="next" href="([^"]+)"', first.text)
    assert "sender=999101" in older
    second = await viewer.get(f"/refusals{older.replace('&amp;', '&')}")
    rest = [int(seq) for seq in re.findall(r"/refusals/refusal\?seq=(\d+)", second.text)]
    assert (len(rest), max(rest) < min(seqs), 'rel="next"' in second.text) == (3, True, False)
