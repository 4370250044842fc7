"""Where OCSP alone knows who is revoked: the answers of the moment are in the evidence, and judge it offline."""

from __future__ import annotations

import asyncio
import json
import shutil
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from test_evidence import LOT, Case, broken
from town import CLOSED, Town, world_keys
from waiting import PATIENCE_S

from certs.ocsp import read_answer
from certs.revocation import load_lists
from contracts.evidence.model import ANSWERS_NAME, INDEX_NAME, Index, read_index, write_index
from contracts.evidence.ocsp import read_answers, write_answers
from contracts.soap import model as soap
from gateway.cli.evidence import exported
from gateway.cli.pki import load_authority, save_authority
from gateway.evidence import gather, verify_evidence
from gateway.keys.keyring import key_folder, known_revocation
from gateway.wire import revocation
from gateway.wire.server import Running, serve_app

HOUR = timedelta(hours=1)


class Responder:
    """The authority's OCSP responder on a socket."""

    def __init__(self, town: Town) -> None:
        self.town, self.asked = town, 0
        self.running: Running

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/ocsp", self.answer)
        self.running = await serve_app(app, "127.0.0.1", 0)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        authority = load_authority(self.town.folder / "keys")
        return web.Response(body=authority.ocsp_answer(await request.read(), self.town.now()))


def only_the_roots_list(folder: Path) -> None:
    """Of the issuing authority's certificates nothing is said by a list."""
    path = folder / "keys" / "GATEWAY" / "crl.pem"
    root = x509.load_pem_x509_certificates((path.parent / "anchors.pem").read_bytes())[0]
    lists = [entry for entry in load_lists([path.read_bytes()]) if entry.issuer == root.subject]
    path.write_bytes(b"".join(entry.public_bytes(Encoding.PEM) for entry in lists))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(revocation, "_TICK_S", 0.05)
        return asyncio.run(_play(tmp_path_factory.mktemp("town")))


async def _play(folder: Path) -> Case:
    town = Town(folder)
    responder = Responder(town)
    await responder.start()
    prepare(town)
    await town.open(
        EHERRAC__REVOCATION__OCSP_URL=f"{responder.running.address}/ocsp",
        EHERRAC__BANKS__0__CALLBACK_URL=CLOSED,
        EHERRAC__BANKS__1__CALLBACK_URL=CLOSED,
    )
    try:
        await _to_protocol(town)
        await town.until(
            lambda: not town.system.dispatcher._tasks
        )  # nothing is signed before the leap and kept after it
        town.offset += 2 * HOUR  # what was known then is old by now, and the bank is revoked meanwhile
        _revoke(town, "999101")
        content = await _export(town)
        root = (folder / "keys" / "GATEWAY" / "anchors.pem").read_bytes()
        return Case(content=content, root=root, credential=town.identity("GATEWAY").credential)
    finally:
        await town.close()
        await responder.running.close()


def prepare(town: Town) -> None:
    """Everybody's keys, and no list of the issuing authority with us."""
    shutil.copytree(world_keys(), town.folder / "keys")
    only_the_roots_list(town.folder)


def _revoke(town: Town, code: str) -> None:
    authority = load_authority(town.folder / "keys")
    certificate = town.identity(code).credential.certificate
    authority.revoke(format(certificate.serial_number, "x"), town.now())
    save_authority(town.folder / "keys", authority, town.now())
    only_the_roots_list(town.folder)


async def _to_protocol(town: Town) -> None:
    """Whom OCSP has not been asked about is refused, and asked about at once: its next attempt gets in."""

    async def until_taken(say: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while (await say()) not in (200, 202):  # noqa: ASYNC110 - as a client tries again
                await asyncio.sleep(0.1)

    async def announce() -> int:
        return (await town.announce(claimant="999101")).status

    async def refuse() -> int:
        decision = soap.DecideOffer(
            message_id=town.next_id(), offer_id="L1.offer", decision=soap.Decision.REFUSE, reason="yox"
        )
        return (await town.soap("999101", decision))[0]

    await until_taken(announce)
    assert (await town.unsold()).status == 202
    await until_taken(refuse)
    await town.until_state("protocol", "L1.protocol", "sealed")
    await town.system.answers.write()


async def _export(town: Town) -> bytes:
    gathered = await town.system.store.read(lambda reader: gather(reader, LOT))
    known = await known_revocation(town.config, town.now)
    return exported(gathered, key_folder(town.config), known, now=town.now())


def answers_of(contents: dict[str, bytes]) -> dict[str, bytes]:
    return read_answers(contents[ANSWERS_NAME])


def test_every_signer_is_judged_offline_by_the_answer_of_that_moment(case: Case) -> None:
    """The file and the root are enough, though no list speaks of anybody, and the bank was revoked afterwards."""
    report = verify_evidence(case.content, case.root)
    assert broken(report) == []
    assert report.index is not None
    contents = {name: content for name, (_, content) in case.files.items()}
    kept = {digest: read_answer(der) for digest, der in answers_of(contents).items()}
    believed = [item for item in report.index.items if item.signer is not None]
    assert {"EHERRAC", "999101", "GATEWAY"} <= {item.signer for item in believed}
    for item in believed:
        assert item.judged_by, item.file
        signer = next(
            certificate
            for certificate in report.certificates.values()
            if any(kept[digest].serial_number == certificate.serial_number for digest in item.judged_by)
        )
        assert item.signer in signer.subject.rfc4514_string()
        assert all(kept[digest].this_update_utc <= item.at for digest in item.judged_by)


def _without_answers(contents: dict[str, bytes]) -> None:
    contents[ANSWERS_NAME] = write_answers([])


def _without_those_of_then(contents: dict[str, bytes]) -> None:
    """Only what was asked at the export: how the house stands today."""
    named = {digest for item in read_index(contents[INDEX_NAME]).items for digest in item.judged_by}
    contents[ANSWERS_NAME] = write_answers([der for name, der in answers_of(contents).items() if name not in named])


def _renamed(contents: dict[str, bytes], change: Callable[[bytes], bytes]) -> None:
    """Every named answer becomes another, and the index names that."""
    changed = {digest: change(der) for digest, der in answers_of(contents).items()}
    contents[ANSWERS_NAME] = json.dumps(
        {"answers": [b64encode(der).decode() for der in changed.values()]}, separators=(",", ":")
    ).encode()
    index = read_index(contents[INDEX_NAME])
    items = [
        item.model_copy(update={"judged_by": tuple(sha256(changed[name]).hexdigest() for name in item.judged_by)})
        for item in index.items
    ]
    contents[INDEX_NAME] = write_index(index.model_copy(update={"items": tuple(items)}))


def _with_a_forged_signature(contents: dict[str, bytes]) -> None:
    _renamed(contents, lambda der: der[:-1] + bytes([der[-1] ^ 1]))


def _with_answers_about_somebody_else(contents: dict[str, bytes]) -> None:
    """Each item names the answers of the next signer."""
    index: Index = read_index(contents[INDEX_NAME])
    by_signer = {item.signer: item.judged_by for item in index.items if item.judged_by}
    names = sorted(name for name in by_signer if name)
    other = {name: by_signer[names[(place + 1) % len(names)]] for place, name in enumerate(names)}
    items = [
        item.model_copy(update={"judged_by": other.get(item.signer or "", item.judged_by)}) for item in index.items
    ]
    contents[INDEX_NAME] = write_index(index.model_copy(update={"items": tuple(items)}))


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (_without_answers, {"REVOCATION_UNKNOWN"}),
        (_without_those_of_then, {"SIGNATURE_INCOMPLETE", "REVOCATION_UNKNOWN"}),
        (_with_a_forged_signature, {"REVOCATION_UNKNOWN"}),
        (_with_answers_about_somebody_else, {"REVOCATION_UNKNOWN"}),
    ],
    ids=["missing", "only_todays", "forged", "anothers"],
)
def test_without_the_answers_of_that_moment_nobody_is_believed_and_it_is_said_why(
    case: Case, change: Callable[[dict[str, bytes]], None], codes: set[str]
) -> None:
    """Not even the house that seals the file can replace them: the authority signed them."""
    report = case.resealed(change)
    assert not report.holds
    told = {finding.refusal.code for finding in report.findings if finding.refusal is not None}
    assert told & codes
    assert told <= codes
