"""Requests sent again, octet for octet: over sockets, to this replica and to another, with restarts between.

What only asks is answered once for each signature. What says something has an id: its repetition gets the first answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio
from lxml import etree
from raw_http import octets, send, statuses
from town import PAYER, UNHURRIED, Town

from certs.algorithms import P256_PART_BYTES
from certs.http_signature import HttpRequestParts, sign_request
from certs.http_signature.base import octets_text, parse_signature
from certs.keystore import Credential
from certs.wss import sign_envelope
from contracts.errors import ErrorCode
from contracts.soap import model
from contracts.soap.codec import write
from contracts.soap.envelope import to_bytes, wrap
from contracts.soap.names import SoapVersion
from gateway.engine.repetitions import Repetitions

BANK, OTHER_BANK = "999101", "999202"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
REPEATED = ErrorCode.SIGNATURE_REPEATED.encode()


@dataclass
class Replicas:
    """Two gateways over one server's database, or one over a file; `restart` ends them and starts them anew."""

    towns: list[Town]
    environ: dict[str, str]

    async def restart(self) -> None:
        for town in self.towns:
            await town.system.close()
            await town.start_gateway(self.environ)

    async def ask(self, parts: HttpRequestParts, replica: int = 0) -> tuple[int, bytes]:
        answer = await send(self.towns[replica % len(self.towns)].system.address, octets(parts))
        return statuses(answer)[0], answer

    def get(self, path: str, nonce: str, code: str = BANK) -> HttpRequestParts:
        parts = HttpRequestParts(method="GET", authority="gateway", path=path)
        town = self.towns[0]
        return parts.with_headers(sign_request(parts, self.key(code), now=town.now(), nonce=nonce))

    def decide(self, lot: str) -> HttpRequestParts:
        headers = (("Content-Type", "application/json"), ("Idempotency-Key", f"k-{lot}"))
        body = orjson.dumps({"decision": "accept", "payer": PAYER})
        path = f"/v1/offers/{lot}.offer/decision"
        parts = HttpRequestParts(method="POST", authority="gateway", path=path, headers=headers, body=body)
        return parts.with_headers(sign_request(parts, self.key(BANK), now=self.towns[0].now(), nonce=f"d-{lot}"))

    def soap(self, message: object, code: str = BANK) -> HttpRequestParts:
        root = wrap(SoapVersion.V11, write(message))
        sign_envelope(root, self.key(code), now=self.towns[0].now())
        headers = (("Content-Type", "text/xml; charset=utf-8"), ("SOAPAction", '""'))
        return HttpRequestParts(
            method="POST", authority="gateway", path="/soap/v1", headers=headers, body=to_bytes(root)
        )

    def key(self, code: str) -> Credential:
        return self.towns[0].identity(code).credential


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'eherrac.db'}"
        return
    import psycopg

    dsn, schema = request.getfixturevalue("postgres_dsn"), f"t_{uuid4().hex}"
    with closing(psycopg.connect(dsn, autocommit=True)) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        yield f"{dsn}?options={quote(f'-csearch_path={schema}')}"
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest_asyncio.fixture
async def replicas(tmp_path: Path, store_url: str) -> AsyncIterator[Replicas]:
    closed = "http://127.0.0.1:9"
    environ = {
        "EHERRAC__HTTP__PORT": "0",
        "EHERRAC__STORE__URL": store_url,
        "EHERRAC__STORE__CONNECTIONS_MAX": "3",
        "EHERRAC__AOS__URL": closed,
        "EHERRAC__ASAN_PAY__URL": closed,
        "EHERRAC__PLATFORM__CALLBACK_URL": closed,
        **UNHURRIED,
    }
    towns = [await Town(tmp_path).open(**environ)]
    if not store_url.startswith("sqlite"):
        towns.append(await Town(tmp_path).open(**environ))
    for lot in ("L1", "L2"):
        await towns[0].announce(lot)
        assert (await towns[0].unsold(lot)).status == 202
    yield Replicas(towns, environ)
    for town in towns:
        await town.close()


async def test_a_question_over_rest_is_answered_once_for_each_signature(replicas: Replicas) -> None:
    """EHR-4: who overheard it learns nothing by asking again."""
    asked = replicas.get("/v1/offers", "n-1")
    status, answer = await replicas.ask(asked)
    assert (status, b"L1.offer" in answer) == (200, True)
    for replica in (0, 1):
        status, answer = await replicas.ask(asked, replica)
        assert (status, REPEATED in answer, b"L1.offer" in answer) == (401, True, False)
    await replicas.restart()
    for replica in (0, 1):
        assert (await replicas.ask(asked, replica))[0] == 401
    assert (await replicas.ask(replicas.get("/v1/offers", "n-2")))[0] == 200
    assert (await replicas.ask(replicas.get("/v1/offers", "n-1", OTHER_BANK)))[0] == 200  # a nonce is of its key


async def test_a_question_over_soap_is_answered_once_for_each_signature(replicas: Replicas) -> None:
    """EHR-4."""
    asked = replicas.soap(model.ListOffers(message_id="l-1"))
    assert (await replicas.ask(asked))[0] == 200
    assert REPEATED in (await replicas.ask(asked, 1))[1]
    await replicas.restart()
    assert REPEATED in (await replicas.ask(asked, 1))[1]
    anew = replicas.soap(model.ListOffers(message_id="l-1"))
    status, answer = await replicas.ask(anew, 1)  # the same message, signed anew
    assert (status, b"L1.offer" in answer) == (200, True)


async def test_an_unknown_id_is_told_once_too(replicas: Replicas) -> None:
    """Else who overheard the question could keep asking until there is something to see."""
    asked = replicas.get("/v1/protocols/L1.protocol", "n-3")
    assert [(await replicas.ask(asked, replica))[0] for replica in (0, 1)] == [404, 401]


async def test_of_many_at_once_one_is_answered(replicas: Replicas) -> None:
    asked = replicas.get("/v1/feed", "n-4")
    answers = await asyncio.gather(*(replicas.ask(asked, number % 2) for number in range(16)))
    assert sorted(status for status, _ in answers) == [200, *[401] * 15]


async def test_what_says_something_gets_its_first_answer_again(replicas: Replicas) -> None:
    """EHR-5: an honest sender whose connection broke repeats the very octets, or signs anew; both find the inbox."""
    rest = replicas.decide("L1")
    soap = replicas.soap(
        model.DecideOffer(
            message_id="s-1", offer_id="L2.offer", decision=model.Decision.ACCEPT, decided_by="Ə", payer=_account()
        )
    )
    assert (await replicas.ask(rest))[0] == 202
    assert (await replicas.ask(soap))[0] == 200
    await replicas.restart()
    for replica in (0, 1):
        status, answer = await replicas.ask(rest, replica)
        assert (status, b"Idempotent-Replayed: true" in answer) == (202, True)
        status, answer = await replicas.ask(soap, replica)
        assert (status, b"Repeated>true<" in answer) == (200, True)
    assert await _signatures(replicas) == 0  # they need no second row


async def test_the_other_value_of_an_ecdsa_signature_is_no_new_one(replicas: Replicas) -> None:
    """Everybody can make (r, n-s) of (r, s), and both verify: so nothing is remembered by a signature's value."""
    asked = replicas.get("/v1/offers", "n-5", OTHER_BANK)
    label, value = parse_signature(dict(asked.headers)["Signature"])
    r, s = value[:P256_PART_BYTES], int.from_bytes(value[P256_PART_BYTES:], "big")
    twin = octets_text(r + (P256_ORDER - s).to_bytes(P256_PART_BYTES, "big"))
    other = replace(
        asked,
        headers=tuple((name, f"{label}={twin}" if name == "Signature" else old) for name, old in asked.headers),
    )
    assert (await replicas.ask(other))[0] == 200
    status, answer = await replicas.ask(asked)
    assert (status, REPEATED in answer) == (401, True)


async def test_another_certificate_beside_an_unsigned_token_makes_no_new_question(replicas: Replicas) -> None:
    """Blocks that are not signed may be changed by anybody: the mark is of what was signed, and of whom."""
    asked = replicas.soap(model.ListOffers(message_id="l-2"))
    root = etree.fromstring(asked.body)
    etree.SubElement(root[0], "{urn:other}Unsigned").text = "x"
    other = replace(asked, body=etree.tostring(root))
    assert (await replicas.ask(other))[0] == 200
    assert REPEATED in (await replicas.ask(asked))[1]


async def test_what_is_too_old_anyway_is_forgotten(replicas: Replicas) -> None:
    """Bounded: no more rows than questions within the age of a signature."""
    town = replicas.towns[0]
    asked = replicas.get("/v1/offers", "n-6")
    assert (await replicas.ask(asked))[0] == 200
    memory = Repetitions(town.system.store, clock=town.now)
    town.offset = timedelta(seconds=300)  # within the age and the clocks' difference it could still come
    assert (await memory.forget(), await _signatures(replicas)) == (0, 1)
    town.offset = timedelta(seconds=400)
    assert (await memory.forget(), await _signatures(replicas)) == (1, 0)
    status, answer = await replicas.ask(asked)
    assert (status, ErrorCode.SIGNATURE_AGE.encode() in answer) == (401, True)


def _account() -> model.Account:
    return model.Account(**PAYER)


async def _signatures(replicas: Replicas) -> int:
    """How many are remembered."""
    url = replicas.environ["EHERRAC__STORE__URL"]
    count = "SELECT count(*) FROM signatures_seen"
    if url.startswith("sqlite"):
        import sqlite3

        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return int(connection.execute(count).fetchone()[0])
    import psycopg

    with closing(psycopg.connect(url)) as connection:
        row = connection.execute(count).fetchone()
        assert row is not None
        return int(row[0])
