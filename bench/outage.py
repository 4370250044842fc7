"""A signed SOAP answer while OCSP and the authority of time are down: `python -m bench.outage`.

The gateway is a process of its own, told of an OCSP responder and an authority of time where nobody listens, with lots
in its journal that wait for a stamp. A bank asks for its offers, signed, so many at a time, and verifies every answer.
The same is done before without either, for comparison. Ends with 1 after any answer that is not the one wanted.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import orjson

from adapters.platform.scenario import event_of
from bench.auctioneer import unsold_lot
from bench.books import Spread
from certs.wss import sign_envelope, verify_envelope
from contracts.events.cloudevents import MEDIA_TYPE
from contracts.soap.codec import write
from contracts.soap.envelope import only_child, to_bytes, wrap
from contracts.soap.model import ListOffers
from contracts.soap.names import SoapVersion
from contracts.xml import parse_xml
from gateway.bootstrap import utc_now
from gateway.cli.stage import Stage, Troupe, build_stage
from gateway.cli.world import read_world
from gateway.keys import KeyFolder
from gateway.wire.client import SignedClient
from gateway.wire.identity import Identity

CALLS, IN_FLIGHT = 1000, 16
_WARM_UP = 50
_LOTS = 20
_TIMEOUT_S = 30.0
_BANK, _PLATFORM = "999101", "EHERRAC"
_NOBODY = "http://127.0.0.1:9"  # refused at once, and asked again all the time
DOWN = {
    "EHERRAC__REVOCATION__OCSP_URL": _NOBODY,
    "EHERRAC__REVOCATION__REFRESH_S": "10",
    "EHERRAC__TIME_STAMPS__URL": _NOBODY,
    "EHERRAC__TIME_STAMPS__INTERVAL_S": "1",
}


class Bank:
    """Asks for its offers; `waits_s` from before signing to the verified answer, `errors` what else came."""

    def __init__(self, identity: Identity, gateway: str) -> None:
        self._identity, self._url = identity, f"{gateway}/soap/v1"
        self._client = SignedClient(lambda: identity, timeout_s=_TIMEOUT_S, clock=utc_now)
        self._number = 0
        self.waits_s: list[float] = []
        self.errors: list[str] = []

    async def ask(self, calls: int) -> None:
        """So many calls, `IN_FLIGHT` of them at a time."""
        left = iter(range(calls))

        async def one_after_another() -> None:
            for _ in left:
                await self._ask_once()

        await asyncio.gather(*(one_after_another() for _ in range(IN_FLIGHT)))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _ask_once(self) -> None:
        self._number += 1
        began = time.perf_counter()
        try:
            name, signer = await self._answer(f"ask-{os.getpid()}-{self._number}")
        except Exception as fault:  # whatever it is, it is no answer
            self.errors.append(repr(fault))
            return
        if (name, signer) != ("ListOffersResponse", "GATEWAY"):
            self.errors.append(f"{name} of {signer}")
        self.waits_s.append(time.perf_counter() - began)

    async def _answer(self, message_id: str) -> tuple[str, str]:
        """Name of the answer, and who signed it."""
        envelope = wrap(SoapVersion.V11, write(ListOffers(message_id=message_id)))
        sign_envelope(envelope, self._identity.credential, now=utc_now())
        answer = await self._client.request(
            "POST",
            self._url,
            body=to_bytes(envelope),
            content_type="text/xml; charset=utf-8",
            headers={"SOAPAction": '""'},
            expected_participant=None,
            sign=False,
            verify=False,
        )
        verified = verify_envelope(parse_xml(answer.body), self._identity.trust, at=utc_now())
        return only_child(verified.body).tag.rpartition("}")[2], verified.verified.signer.participant


async def measure(folder: Path, environ: dict[str, str], calls: int = CALLS) -> Bank:
    """The bank after its calls."""
    stage = build_stage(folder)
    troupe = Troupe(stage)
    try:
        with mock.patch.dict(os.environ, environ):
            await troupe.start("gateway", "serve", "--config", str(stage.config))
        gateway = read_world(stage.world).gateway.url
        await _announce(stage, gateway)
        bank = Bank(_identity(stage, _BANK), gateway)
        await bank.ask(_WARM_UP)
        bank.waits_s.clear()
        await bank.ask(calls)
        await bank.close()
        troupe.check()
        return bank
    finally:
        await troupe.stop()


async def _announce(stage: Stage, gateway: str) -> None:
    """Lots for the journal, every other of them with an offer to the bank."""
    own = _identity(stage, _PLATFORM)
    client = SignedClient(lambda: own, timeout_s=_TIMEOUT_S, clock=utc_now)
    for number in range(_LOTS):
        script = unsold_lot(number)
        for index in range(len(script.steps)):
            event: Any = event_of(script, index, source=_PLATFORM, now=utc_now())
            body = orjson.dumps(event.model_dump(mode="json", exclude_none=True))
            url = f"{gateway}/v1/events"
            await client.request("POST", url, body=body, content_type=MEDIA_TYPE, expected_participant="GATEWAY")
    await client.close()


def _identity(stage: Stage, participant: str) -> Identity:
    return KeyFolder(directory=stage.keys / participant).identity()


def main(calls: int = CALLS) -> None:
    """Print both runs."""
    print(f"\nsigned ListOffers over SOAP, {calls} calls, {IN_FLIGHT} at a time: until the answer is verified")
    errors = []
    for name, environ in (("neither is named", {}), ("OCSP and time-stamps down", DOWN)):
        with tempfile.TemporaryDirectory(prefix="eherrac-bench-") as temporary:
            bank = asyncio.run(measure(Path(temporary) / "town", environ, calls))
        errors += bank.errors
        rate = IN_FLIGHT * len(bank.waits_s) / sum(bank.waits_s)
        print(f"  {name:<28}{Spread.of(bank.waits_s)}   {rate:>5.0f}/s   errors {len(bank.errors)}", flush=True)
    if errors:
        print(errors[0], file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
