"""What the console's pages show, on both databases: figures that are so, lists that end, words in three languages."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from console_door import Hand, Office
from markupsafe import escape
from tests_house import BANK_ACCOUNT, announced

from contracts.errors import ErrorCode, Refusal
from contracts.errors.catalogue import describe
from gateway.domain.dispatches import InformationKind
from gateway.domain.events.lot import AuctionCancelled, AuctionUnsold
from gateway.domain.events.offer import Accepted
from gateway.domain.inquiry import Answered, Asked
from gateway.domain.money import Money
from gateway.domain.recipient import AnsweredAgain, FellSilent
from gateway.domain.visit import Role
from gateway.doors.console import lots, waiting
from gateway.doors.console.lots import told
from gateway.doors.console.refusals import PAGE_ROWS
from gateway.doors.console.shown import amount
from gateway.doors.console.words import text
from gateway.ports import Exhibit

DIGESTS = {"step": "9 digests", "reference": "Body", "expected": "AAAA", "received": "BBBB", "cause": "reindented"}


async def test_a_quiet_house_is_well(office: Office, viewer: Hand) -> None:
    await office.count()
    page = await viewer.get("/")
    assert (page.status, text("az", "situation.verdict.well") in page.text) == (200, True)


async def test_a_silent_recipient_is_told_with_the_time_it_fell_silent(office: Office, viewer: Hand) -> None:
    lane = ("banks", "999101")
    await office.engine.silences.note(lane, FellSilent(failures=5, reason="timeout"))
    office.clock.now += timedelta(minutes=5)
    await office.count()
    page = await viewer.get("/")
    assert text("az", "situation.verdict.warning") in page.text
    assert text("az", "common.ago", span="5\u00a0dəq") in page.text
    await office.engine.silences.note(lane, AnsweredAgain())
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


async def test_a_lot_that_is_not_there_has_no_page(viewer: Hand) -> None:
    assert (await viewer.get("/lots/lot?id=L2")).status == 404
    assert (await viewer.get("/lots/lot")).status == 404


@pytest.mark.parametrize("language", ["az", "en", "ru"])
async def test_a_lots_page_tells_its_journal_in_the_words_of_the_command_line(
    office: Office, viewer: Hand, language: str
) -> None:
    await unsold_lot(office)
    await viewer.get(f"/lots?lang={language}")
    page = await viewer.get("/lots/lot?id=L1")
    lines = await office.store.read(lambda reader: reader.journal_of_lot("L1"))
    assert len(lines) == 3
    for line in lines:
        assert escape(told(line, language).words) in page.text
    assert amount(2_000_000, "AZN", language) in page.text
    assert text(language, "state.offer.open") in page.text


async def test_a_long_story_comes_in_pages(office: Office, viewer: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lots, "PAGE_ROWS", 2)
    await unsold_lot(office)
    first = await viewer.get("/lots/lot?id=L1")
    (more,) = re.findall(r'rel="next" href="([^"]+)"', first.text)
    second = await viewer.get(f"/lots/lot{unescape(more)}")
    assert (first.text.count("<li>\n      <span>"), second.text.count("<li>\n      <span>")) == (2, 1)
    assert 'rel="next"' not in second.text


async def test_lots_are_listed_by_state_in_pages(office: Office, viewer: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lots, "PAGE_ROWS", 2)
    for name in ("L1", "L2", "L3"):
        await office.tell("lot", name, announced())
    await office.tell("lot", "L3", AuctionCancelled(reason="x"))
    first = await viewer.get("/lots")
    assert re.findall(r"lot\?id=(L\d)", first.text) == ["L1", "L2"]
    (more,) = re.findall(r'rel="next" href="([^"]+)"', first.text)
    assert re.findall(r"lot\?id=(L\d)", (await viewer.get(f"/lots{unescape(more)}")).text) == ["L3"]
    assert re.findall(r"lot\?id=(L\d)", (await viewer.get("/lots?state=cancelled")).text) == ["L3"]
    assert re.findall(r"lot\?id=(L\d)", (await viewer.get("/lots?state=nonsense")).text) == ["L1", "L2"]


async def test_evidence_is_given_as_a_file_and_who_took_it_is_written_down(office: Office, viewer: Hand) -> None:
    content = b"<html><script>alert(1)</script>"
    kept = Exhibit(direction="in", media_type="text/html", content=content)
    await office.engine.record_refusal("S", "x", Refusal(code=ErrorCode.NOT_FOUND), exhibits=(kept,))
    digest = hashlib.sha256(content).hexdigest()
    (row,) = await office.store.read(lambda reader: reader.evidence_of("door", "S"))
    page = await viewer.get(f"/evidence?seq={row.seq}")
    assert (page.status, page.text) == (200, content.decode())
    assert page.headers["Content-Type"] == "application/octet-stream"
    assert page.headers["Content-Disposition"].startswith("attachment;")
    ((id, _),) = await office.visits.open_visits()
    last = await office.store.read(lambda reader: reader.journal_of("visit", id)[-1])
    assert last is not None
    assert (last.event, digest in last.data) == ("Acted", True)
    for wrong in ("", "0", f"{row.seq + 1}", f"-{row.seq}", f"{row.seq}x", digest, "../../etc/passwd"):
        assert (await viewer.get(f"/evidence?seq={wrong}")).status == 404


async def test_a_parked_delivery_is_sent_again_under_the_persons_name(office: Office) -> None:
    operator = await office.visitor(Role.OPERATOR, "Leyla")
    id = await office.park()
    assert f"/waiting/delivery?id={id}" in (await operator.get("/waiting")).text
    page = await operator.get(f"/waiting/delivery?id={id}")
    assert "their no" in page.text
    done = await operator.submit(page, "/waiting/retry", {"id": id})
    assert (done.status, done.headers["Location"]) == (303, f"/waiting?done=retried&id={id}")
    row = await office.store.read(lambda reader: reader.find_outbox(id))
    line = await office.store.read(lambda reader: reader.journal_of("door", "S")[-1])
    assert row is not None
    assert line is not None
    assert (row.state, row.parked_at, line.event, line.cause_source) == ("due", None, "Requeued", "Leyla")
    again = await operator.submit(page, "/waiting/retry", {"id": id})
    assert (again.status, 'href="/waiting"' in again.text) == (409, True)  # the way back to the list


async def test_a_parked_delivery_is_discarded_only_with_a_reason(office: Office) -> None:
    operator = await office.visitor(Role.OPERATOR, "Leyla")
    id = await office.park()
    page = await operator.get(f"/waiting/delivery?id={id}")
    for reason in ("", "   ", "x" * 301):
        refused = await operator.submit(page, "/waiting/discard", {"id": id, "reason": reason})
        assert (refused.status, text("az", "waiting.reason_missing") in refused.text) == (422, True)
    done = await operator.submit(page, "/waiting/discard", {"id": id, "reason": " told by\n telephone "})
    assert done.headers["Location"] == f"/waiting?done=discarded&id={id}"
    row = await office.store.read(lambda reader: reader.find_outbox(id))
    assert row is not None
    assert (row.state, row.last_error) == ("discarded", "Leyla: told by telephone")


async def test_a_decision_about_nothing_is_none(office: Office) -> None:
    operator = await office.visitor(Role.OPERATOR)
    page = await operator.get(f"/waiting/delivery?id={await office.park()}")
    for path in ("/waiting/retry", "/waiting/discard"):
        assert (await operator.submit(page, path, {"id": "nobody", "reason": "r"})).status == 404
    assert (await operator.get("/waiting/delivery?id=nobody")).status == 404


async def test_everything_parked_of_one_recipient_is_sent_again_by_one_press_within_its_bound(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bank was away for a night."""
    monkeypatch.setattr(waiting, "AT_ONCE_MAX", 2)
    operator = await office.visitor(Role.OPERATOR, "Leyla")
    for number in range(3):
        await office.park(f"d{number}", noun_id=f"S{number}")
    assert "/waiting/recipient?code=999101" in (await operator.get("/waiting")).text
    page = await operator.get("/waiting/recipient?code=999101")
    assert "2+" in page.text
    counts = []
    for _ in range(3):
        done = await operator.submit(page, "/waiting/retry-recipient", {"code": "999101"})
        counts.append(done.headers["Location"].partition("count=")[2])
    assert counts == ["2", "1", "0"]
    lines = [await office.store.read(lambda reader, n=n: reader.journal_of("door", f"S{n}")[-1]) for n in range(3)]
    assert {(line.event, line.cause_source) for line in lines if line} == {("Requeued", "Leyla")}
    assert (await operator.get("/waiting/recipient?code=999101")).status == 404
    assert (await operator.submit(page, "/waiting/retry-recipient", {"code": ""})).status == 404


async def test_a_viewer_sees_what_waits_and_no_form(office: Office, viewer: Hand) -> None:
    page = await viewer.get(f"/waiting/delivery?id={await office.park()}")
    assert (page.status, "/waiting/retry" in page.text, text("az", "waiting.viewer") in page.text) == (200, False, True)


async def test_parked_deliveries_come_in_pages(office: Office, viewer: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PAGE_ROWS", 2)
    for number in range(3):
        await office.park(f"d{number}", noun_id=f"S{number}")
    first = await viewer.get("/waiting")
    assert re.findall(r"waiting/delivery\?id=(d\d)", first.text) == ["d0", "d1"]
    (more,) = re.findall(r'rel="next" href="([^"]+)"', first.text)
    assert re.findall(r"waiting/delivery\?id=(d\d)", (await viewer.get(more)).text) == ["d2"]


async def test_after_a_decision_one_is_where_one_was_and_may_look_what_became_of_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PAGE_ROWS", 1)
    operator = await office.visitor(Role.OPERATOR)
    for number in range(3):
        await office.park(f"d{number}", noun_id=f"S{number}")
    (more,) = re.findall(r'rel="next" href="([^"]+)"', (await operator.get("/waiting")).text)
    (link,) = re.findall(r'href="(/waiting/delivery\?[^"]+)"', (await operator.get(more)).text)
    page = await operator.get(unescape(link))
    (after,) = re.findall(r"after=(\d+)", more)
    assert page.text.count(f'name="after" value="{after}"') == 2
    back = await operator.submit(page, "/waiting/retry", {"id": "d1", "after": after})
    assert back.headers["Location"] == f"/waiting?done=retried&id=d1&after={after}"
    shown = (await operator.get(back.headers["Location"])).text
    assert "/waiting/delivery?id=d2" in shown
    assert 'href="/deliveries/delivery?id=d1"' in shown
    assert (
        "after="
        not in (await operator.submit(page, "/waiting/retry", {"id": "d2", "after": "1&x"})).headers["Location"]
    )


async def test_a_noun_that_waits_is_shown_with_what_made_it_wait_and_what_to_do(office: Office, viewer: Hand) -> None:
    """Too great for AÖS, and no AZIPS: no rail carries it. That its notice was delivered later is not the reason."""
    await unsold_lot(office, starting_price=Money(500_000_000))
    await office.tell("offer", "L1.offer", Accepted(payer=BANK_ACCOUNT))
    page = await viewer.get("/waiting")
    (row,) = await office.store.read(lambda reader: reader.list_nouns("payment"))
    assert row.state == "held"
    why = await office.store.read(lambda reader: reader.last_move("payment", row.id))
    later = await office.store.read(lambda reader: reader.journal_of("payment", row.id)[-1])
    assert why is not None
    assert why.before != "held" == why.after
    assert later.seq > why.seq
    assert escape(told(why, "az").words) in page.text
    assert text("az", "advice.lot.held") in page.text
    assert text("az", f"advice.payment.{row.state}") in page.text
    assert "/lots/lot?id=L1" in page.text


async def unsold_lot(office: Office, **changes: Any) -> None:
    await office.tell("lot", "L1", announced(**changes))
    await office.tell("lot", "L1", AuctionUnsold(held_at=office.clock(), reason="nobody came"))


async def test_the_last_word_on_the_operating_day_is_shown(office: Office, viewer: Hand) -> None:
    for id in ("copy.20261123T093000000000", "day.20261122T080000000000", "day.20261123T080000000000"):
        kind = InformationKind.COPY if id.startswith("copy") else InformationKind.DAY
        await office.tell("inquiry", id, Asked(kind=kind, order_id="O1" if kind is InformationKind.COPY else None))
        await office.tell("inquiry", id, Answered(summary=f"said to {id}", told_at=office.clock()))
    shown = (await viewer.get("/")).text
    assert "said to day.20261123T080000000000" in shown
    assert shown.count("said to") == 1
