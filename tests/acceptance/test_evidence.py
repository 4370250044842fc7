"""The evidence file: everything about a lot, checked with nothing but the file and the root; any change is found."""

from __future__ import annotations

import asyncio
import hashlib
import io
import random
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from town import CLOSED, Town
from waiting import until

from certs.asice import seal
from certs.http_signature import HttpResponseParts
from certs.keystore import Credential
from contracts.events.platform import parse_event
from contracts.evidence.model import (
    CERTIFICATES_NAME,
    INDEX_NAME,
    JOURNAL_NAME,
    REVOCATION_NAME,
    Index,
    read_index,
    read_lines,
    write_index,
    write_lines,
)
from contracts.json import JsonLimits
from contracts.soap import model as soap
from gateway.cli.evidence import exported
from gateway.cli.pki import create_world, load_authority
from gateway.config.house import RevocationSettings
from gateway.doors.mapping import domain_event, event_target
from gateway.evidence import Report, gather, verify_evidence
from gateway.evidence.gathering import LIMITS
from gateway.keys.keyring import RevocationNow, key_folder, known_revocation
from gateway.ports import Message
from gateway.store import Reader
from gateway.wire.octets import read_message
from gateway.wire.server import serve_app

LOT = "L1"
NOBODY = "999303"


@dataclass(frozen=True)
class Case:
    """A lot that went to the bank over SOAP and ended in a protocol, and its file."""

    content: bytes
    root: bytes
    credential: Credential

    @property
    def files(self) -> dict[str, tuple[str, bytes]]:
        with zipfile.ZipFile(io.BytesIO(self.content)) as archive:
            index = read_index(archive.read(INDEX_NAME))
            media = {item.file: item.media_type for item in index.items}
            names = [name for name in archive.namelist() if name != "mimetype" and not name.startswith("META-INF")]
            return {name: (media.get(name, "application/json"), archive.read(name)) for name in names}

    def resealed(self, change: Callable[[dict[str, bytes]], Any]) -> Report:
        """What `verify` says of what an insider made of it."""
        return verify_evidence(self.rewritten(change), self.root)

    def rewritten(self, change: Callable[[dict[str, bytes]], Any]) -> bytes:
        """What an insider with our key could make of it: files changed, digests and seal made anew."""
        files = self.files
        contents = {name: content for name, (_, content) in files.items()}
        change(contents)
        index = read_index(contents[INDEX_NAME])
        contents[INDEX_NAME] = write_index(_with_digests(index, contents))
        kinds = {name: files[name][0] for name in files}
        whole = {name: (kinds[name], content) for name, content in contents.items()}
        return seal(whole, self.credential, now=datetime.now(UTC), limits=LIMITS)


def _with_digests(index: Index, contents: dict[str, bytes]) -> Index:
    def digest(name: str) -> str:
        return hashlib.sha256(contents[name]).hexdigest()

    items = tuple(item.model_copy(update={"sha256": digest(item.file)}) for item in index.items)
    parts = tuple(part.model_copy(update={"sha256": digest(part.file)}) for part in index.supplements)
    return index.model_copy(update={"items": items, "supplements": parts})


async def _export(town: Town, lot: str = LOT) -> bytes:
    gathered = await town.system.store.read(lambda reader: gather(reader, lot))
    return exported(gathered, key_folder(town.config), await known_revocation(town.config, town.now), now=town.now())


async def _kept(town: Town, id: str, direction: str) -> list[str]:
    """Digests of what was kept under a message's id, once the answers have been written."""
    await town.system.answers.write()
    rows = await town.system.store.read(lambda reader: reader.evidence_of_lot(LOT))
    return [row.sha256 for row in rows if (row.message_id, row.direction) == (id, direction)]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return asyncio.run(_play(tmp_path_factory.mktemp("town")))


async def _play(folder: Path) -> Case:
    town = await Town(folder).open(EHERRAC__BANKS__0__CALLBACK_URL=CLOSED, EHERRAC__BANKS__1__CALLBACK_URL=CLOSED)
    try:
        await _to_protocol(town)
        return Case(content=await _export(town), root=_root(town), credential=town.identity("GATEWAY").credential)
    finally:
        await town.close()


async def _to_protocol(town: Town) -> None:
    await town.announce(claimant="999101")
    await town.unsold()
    decision = soap.DecideOffer(
        message_id="decision-1", offer_id="L1.offer", decision=soap.Decision.REFUSE, reason="yox"
    )
    status, _ = await town.soap("999101", decision)
    assert status == 200
    await until(lambda: town.system.store.read(_protocol_is_sealed))
    await town.system.answers.write()


def _root(town: Town) -> bytes:
    return (town.folder / "keys" / "GATEWAY" / "anchors.pem").read_bytes()


def _protocol_is_sealed(reader: Reader) -> bool:
    rows = [row for row in reader.nouns_of_lot(LOT) if row.noun == "protocol"]
    return any(row.state == "sealed" for row in rows)


def broken(report: Report) -> list[tuple[str, str]]:
    return [(finding.what, finding.about) for finding in report.findings if not finding.holds]


def test_everything_about_a_lot_is_in_one_file_that_verifies(case: Case) -> None:
    """PSP-7.7, EHR-16: signed requests, our signed answers, the protocol, the journal, who signed, the lists."""
    report = verify_evidence(case.content, case.root)
    assert broken(report) == []
    index = report.index
    assert index is not None
    asked = [item for item in index.items if item.direction == "in" and item.signer in ("EHERRAC", "999101")]
    answered = {item.message_id for item in index.items if item.direction == "out"}
    assert len(asked) == 3
    assert {item.message_id for item in asked} <= answered
    assert [item.noun for item in index.items if item.kind == "document"] == ["protocol"]
    assert {head.noun for head in index.nouns} == {"lot", "offer", "protocol"}
    assert {"EHERRAC", "999101", "GATEWAY"} <= {
        part.value for certificate in report.certificates.values() for part in certificate.subject
    }


async def test_exported_hours_later_every_signature_is_judged_at_its_own_time(town: Town) -> None:
    await _to_protocol(town)
    await until(lambda: not town.system.dispatcher._tasks)  # no attempt is signed before the leap and kept after it
    await town.travel(timedelta(hours=6))
    assert broken(verify_evidence(await _export(town), _root(town))) == []


def test_one_byte_changed_in_any_member_is_refused_and_named(case: Case) -> None:
    chance = random.Random(7)
    for name, (_, content) in case.files.items():
        place = chance.randrange(len(content))
        changed = content[:place] + bytes([content[place] ^ (1 << chance.randrange(8))]) + content[place + 1 :]
        report = verify_evidence(_repacked(case.content, name, changed), case.root)
        facts = [finding.refusal.facts for finding in report.findings if finding.refusal is not None]
        assert any(name in map(str, fact.values()) for fact in facts), name


def test_one_byte_changed_anywhere_in_the_file_is_refused_or_changes_nothing_that_lies_in_it(case: Case) -> None:
    """What may pass is the zip's own bookkeeping, such as a member's date, which nobody reads."""
    chance, passed = random.Random(11), 0
    for place in chance.sample(range(len(case.content)), 150):
        changed = bytearray(case.content)
        changed[place] ^= 1 << chance.randrange(8)
        if verify_evidence(bytes(changed), case.root).holds:
            passed += 1
            assert replace(case, content=bytes(changed)).files == case.files, place
    assert passed < 15


def _repacked(container: bytes, name: str, content: bytes) -> bytes:
    """The same zip with one member's content changed; everything else, the seal too, as it was."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(container)) as source, zipfile.ZipFile(target, "w") as archive:
        for info in source.infolist():
            fresh = zipfile.ZipInfo(info.filename, date_time=info.date_time)
            fresh.compress_type, fresh.create_system, fresh.external_attr = info.compress_type, 0, 0
            archive.writestr(fresh, content if info.filename == name else source.read(info.filename))
    return target.getvalue()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The key folder of somebody in another authority's world."""
    create_world(tmp_path, {"GATEWAY": ("Başqa şlüz (nümunə)", "p256")})
    return tmp_path / "GATEWAY"


def test_another_root_believes_nothing(case: Case, elsewhere: Path) -> None:
    assert not verify_evidence(case.content, (elsewhere / "anchors.pem").read_bytes()).holds


def _first(contents: dict[str, bytes], **wanted: str) -> str:
    items = read_index(contents[INDEX_NAME]).items
    return next(i.file for i in items if all(getattr(i, name) == value for name, value in wanted.items()))


def _change_message(contents: dict[str, bytes]) -> None:
    name = _first(contents, direction="in", source="EHERRAC")
    contents[name] = contents[name].replace("Mənzil".encode(), b"Menzil")


def _change_our_answer(contents: dict[str, bytes]) -> None:
    name = _first(contents, direction="out", source="EHERRAC")
    contents[name] = contents[name].replace(b"HTTP/1.1 202", b"HTTP/1.1 200")


def _change_envelope(contents: dict[str, bytes]) -> None:
    name = _first(contents, direction="in", message_id="decision-1")
    contents[name] = contents[name].replace(b"REFUSE", b"ACCEPT").replace(b"refuse", b"accept")


def _lose_line(contents: dict[str, bytes]) -> None:
    contents[JOURNAL_NAME] = write_lines(read_lines(contents[JOURNAL_NAME])[1:])


def _lose_last_line(contents: dict[str, bytes]) -> None:
    contents[JOURNAL_NAME] = write_lines(read_lines(contents[JOURNAL_NAME])[:-1])


def _rewrite_line(contents: dict[str, bytes]) -> None:
    lines = read_lines(contents[JOURNAL_NAME])
    lines[0] = lines[0].model_copy(update={"at": lines[0].at - timedelta(days=1)})
    contents[JOURNAL_NAME] = write_lines(lines)


def _lose_request(contents: dict[str, bytes]) -> None:
    about = {"message_id": "decision-1"}
    _lose(contents, _first(contents, direction="in", **about), _first(contents, direction="out", **about))


def _lose_protocol(contents: dict[str, bytes]) -> None:
    _lose(contents, _first(contents, kind="document"))


def _lose(contents: dict[str, bytes], *names: str) -> None:
    index = read_index(contents[INDEX_NAME])
    left = [item for item in index.items if item.file not in names]
    numbers = {item.number: number for number, item in enumerate(left, start=1)}
    items = tuple(
        item.model_copy(update={"number": numbers[item.number], "answers": numbers.get(item.answers or 0)})
        for item in left
    )
    contents[INDEX_NAME] = write_index(index.model_copy(update={"items": items}))
    for name in names:
        del contents[name]


def _name_another_signer(contents: dict[str, bytes]) -> None:
    _update(contents, 1, signer=NOBODY)


def _move_in_time(contents: dict[str, bytes]) -> None:
    first = read_index(contents[INDEX_NAME]).items[0]
    _update(contents, 1, at=first.at - timedelta(days=1))


def _call_it_another_message(contents: dict[str, bytes]) -> None:
    _update(contents, 1, message_id="somebody-else")


def _update(contents: dict[str, bytes], number: int, **changes: Any) -> None:
    index = read_index(contents[INDEX_NAME])
    items = tuple(item.model_copy(update=changes) if item.number == number else item for item in index.items)
    contents[INDEX_NAME] = write_index(index.model_copy(update={"items": items}))


def _disbelieve_afterwards(contents: dict[str, bytes]) -> None:
    """The bank's refusal rewritten into a consent, and laid there as a message that nobody believed when it came."""
    _change_envelope(contents)
    number = next(i.number for i in read_index(contents[INDEX_NAME]).items if i.message_id == "decision-1")
    _update(contents, number, signer=None, certificate_sha256=None)


def _put_a_note_in_its_place(contents: dict[str, bytes]) -> None:
    """The same as a note of ours, which nobody signs."""
    _change_envelope(contents)
    number = next(i.number for i in read_index(contents[INDEX_NAME]).items if i.message_id == "decision-1")
    _update(contents, number, media_type="application/json")


def _say_it_came_from_another(contents: dict[str, bytes]) -> None:
    """The bank's envelope, truly signed, for a line that the platform is said to have caused."""
    lines = read_lines(contents[JOURNAL_NAME])
    first = next(line for line in lines if line.cause_source == "EHERRAC")
    number = next(i.number for i in read_index(contents[INDEX_NAME]).items if i.message_id == "decision-1")
    asked = {i.number for i in read_index(contents[INDEX_NAME]).items if i.message_id == first.cause_id}
    for lost in asked:
        _update(contents, lost, message_id="decision-1", source="999101")
    _update(contents, number, message_id=first.cause_id, source="EHERRAC")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (_change_message, "message"),
        (_disbelieve_afterwards, "cause"),
        (_put_a_note_in_its_place, "cause"),
        (_say_it_came_from_another, "cause"),
        (_change_our_answer, "message"),
        (_change_envelope, "message"),
        (_lose_line, "chain"),
        (_lose_last_line, "chain"),
        (_rewrite_line, "chain"),
        (_lose_request, "cause"),
        (_lose_protocol, "protocol"),
        (_name_another_signer, "message"),
        (_move_in_time, "message"),
        (_call_it_another_message, "belonging"),
    ],
)
def test_whoever_holds_our_key_cannot_rewrite_what_others_signed_or_the_journal_linked(
    case: Case, change: Callable[[dict[str, bytes]], None], what: str
) -> None:
    found = broken(case.resealed(change))
    assert what in {kind for kind, _ in found}, found


def test_without_the_lists_nobody_is_believed(case: Case) -> None:
    def without(contents: dict[str, bytes]) -> None:
        contents[REVOCATION_NAME] = b""

    report = case.resealed(without)
    assert not report.holds
    assert report.findings[0].refusal.facts["what"] == REVOCATION_NAME


def test_a_stranger_s_authority_brought_along_makes_nobody_trusted(case: Case, elsewhere: Path) -> None:
    def join(contents: dict[str, bytes]) -> None:
        contents[CERTIFICATES_NAME] += (elsewhere / "intermediates.pem").read_bytes()

    assert case.resealed(join).holds
    assert not replace(case, root=(elsewhere / "anchors.pem").read_bytes()).resealed(join).holds


async def test_a_repetition_s_answer_is_not_kept_beside_the_first(town: Town) -> None:
    await town.announce()
    await town.unsold()
    key = town.next_id()
    for _ in range(3):
        answer = await town.decide("999101", key=key, decision={"decision": "refuse", "reason": "yox"})
        assert answer.status == 202
        assert len(await _kept(town, key, "out")) == 1
    assert len(await _kept(town, key, "in")) == 1


async def test_who_asks_again_after_a_crash_before_the_writing_gets_an_answer_that_is_kept(town: Town) -> None:
    """A crash between answer and its writing loses a copy of an answer, and nothing else."""
    event = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "EHERRAC",
        "type": "az.eherrac.lot.announced.v1",
        "subject": LOT,
        "time": town.now().isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "title": "Mənzil (nümunə)",
            "address": "Bakı",
            "regime": "enforcement",
            "claimant": "999101",
            "caseNumber": "5-1/2026",
            "startingPrice": "20000.00",
            "auctionAt": town.now().isoformat(),
        },
    }
    body = orjson.dumps(event)
    parsed = parse_event(body, JsonLimits())
    message = Message(
        source="EHERRAC",
        id="e-1",
        target=event_target(parsed),
        event=domain_event(parsed),
        digest=hashlib.sha256(body).hexdigest(),
    )
    await town.system.engine.receive(message)  # as before the crash: accepted, and the answer's copy was never written
    assert await _kept(town, "e-1", "out") == []
    answer = await town.rest("EHERRAC", "POST", "/v1/events", body, content_type="application/cloudevents+json")
    assert answer.headers["idempotent-replayed"] == "true"
    assert len(await _kept(town, "e-1", "out")) == len(await _kept(town, "e-1", "in")) == 1
    assert broken(verify_evidence(await _export(town), _root(town))) == []


def test_the_command_line_verifies_offline(case: Case, tmp_path: Path) -> None:
    file, root = tmp_path / "L1.asice", tmp_path / "root.pem"
    file.write_bytes(case.content)
    root.write_bytes(case.root)
    done = _run("evidence", "verify", str(file), "--trust", str(root), "--language", "en")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("HOLDS") > 8
    file.write_bytes(case.content[:-30])
    assert _run("evidence", "verify", str(file), "--trust", str(root)).returncode == 3


def _line_rewritten(contents: dict[str, bytes]) -> None:
    contents[JOURNAL_NAME] = contents[JOURNAL_NAME].replace(b'"event":"Declined"', b'"event":"Accepted"', 1)


def _line_left_out(contents: dict[str, bytes]) -> None:
    contents[JOURNAL_NAME] = b"".join(contents[JOURNAL_NAME].splitlines(keepends=True)[1:])


def _message_rewritten(contents: dict[str, bytes]) -> None:
    name = next(name for name in sorted(contents) if name.endswith(".http"))
    contents[name] = contents[name].replace(b"L1", b"L2")


def _envelope_rewritten(contents: dict[str, bytes]) -> None:
    name = next(name for name in sorted(contents) if b"DecideOffer>" in contents[name])
    contents[name] = contents[name].replace(b">yox<", b">var<")


def test_tools_of_others_come_to_the_same_verdict_by_the_pages_own_words(
    case: Case, recompute: Callable[[bytes, bytes], tuple[int, str]]
) -> None:
    """Nothing of ours is in recompute.py: its checks are those that docs/evidence.md describes."""
    status, told = recompute(case.content, case.root)
    assert status == 0, told
    assert "chain of lot L1" in told
    assert re.search(r"[1-9]\d* HTTP \(openssl\), [1-9]\d* SOAP \(xmlsec1\)", told)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_line_rewritten, "its hash is"),
        (_line_left_out, "after 0"),
        (_message_rewritten, "the body is not that of"),
        (_envelope_rewritten, "xmlsec1 says"),
    ],
)
def test_tools_of_others_refuse_what_an_insider_rewrote(
    case: Case,
    recompute: Callable[[bytes, bytes], tuple[int, str]],
    change: Callable[[dict[str, bytes]], Any],
    said: str,
) -> None:
    status, told = recompute(case.rewritten(change), case.root)
    assert (status, said in told) == (3, True), told


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


async def test_our_kept_answer_is_the_one_that_was_sent(town: Town) -> None:
    answer = await town.announce()
    await town.system.answers.write()
    row = next(
        row
        for row in await town.system.store.read(lambda reader: reader.evidence_of_lot(LOT))
        if row.direction == "out" and row.message_source == "EHERRAC"
    )
    piece = await town.system.store.read(lambda reader: reader.evidence_piece(row.seq))
    kept = read_message(piece.content)
    assert isinstance(kept, HttpResponseParts)
    assert (kept.status, kept.body) == (answer.status, answer.body)
    assert dict(kept.headers)["Signature"] == answer.headers["signature"]


async def test_lists_that_are_fetched_lie_in_the_file(town: Town) -> None:
    """Where the folder's list is stale and a source is named, the fresh one is asked for."""
    await town.announce()
    gathered = await town.system.store.read(lambda reader: gather(reader, LOT))
    town.offset += timedelta(days=2)
    fresh = load_authority(town.folder / "keys").crl(town.now())

    async def crl(_: web.Request) -> web.Response:
        return web.Response(body=fresh)

    app = web.Application()
    app.router.add_get("/crl", crl)
    source = await serve_app(app, "127.0.0.1", 0)
    try:
        revocation = RevocationSettings(lists=(f"{source.address}/crl",))
        config = town.config.model_copy(update={"revocation": revocation})
        lists = await known_revocation(config, town.now)
    finally:
        await source.close()
    folder = key_folder(config)
    assert broken(verify_evidence(exported(gathered, folder, lists, now=town.now()), _root(town))) == []
    stale = RevocationNow(lists=(folder.directory / "crl.pem").read_bytes())
    assert not verify_evidence(exported(gathered, folder, stale, now=town.now()), _root(town)).holds
