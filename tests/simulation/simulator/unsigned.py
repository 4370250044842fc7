"""A world without signatures and sockets: the few places where product and sandboxes meet them are led elsewhere.

Messages are written, validated and read as bytes as always; only the signature in the header is a stand-in. A protocol
is its content in plain text instead of a sealed container with a print, which would take 40 ms each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

from lxml import etree

import adapters.aos.adapter
import adapters.aos.delivery
import adapters.aos.sandbox
import adapters.asan_pay.sandbox
import adapters.banks.sandbox.program
import adapters.ministries.receipts
import adapters.ministries.sandbox
import adapters.notary.adapter
import adapters.platform.sandbox
import gateway.doors.rail
import gateway.wire.iso_participant
from adapters.ministries.publisher import Publisher
from adapters.ministries.reader import Reader
from contracts.iso20022 import Envelope, envelope
from contracts.xml import XmlLimits, parse_xml
from gateway.wire.client import SignedClient
from gateway.wire.iso_envelope import MESSAGE_MAX_BYTES, Opened
from simulator.broker import Broker, reading
from simulator.loop import current_process
from simulator.network import Network, Sent, participant_of, verified

_SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"
_LIMITS = XmlLimits(body_max_bytes=MESSAGE_MAX_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """As `gateway.wire.server.Running`."""

    address: str
    port: int = 1

    async def close(self) -> None:
        return None


def identity(participant: str) -> Any:
    """Who somebody is, without a key and without end."""
    certificate = SimpleNamespace(not_valid_after_utc=datetime.max.replace(tzinfo=UTC))
    return SimpleNamespace(credential=SimpleNamespace(participant=participant, certificate=certificate), trust=None)


@contextmanager
def unsigned(network: Network, broker: Broker) -> Iterator[None]:
    """Lead everything over this network and broker."""

    async def request(self: Any, method: str, url: str, *, body: bytes = b"", **said: Any) -> Any:
        path = "/" + url.removeprefix("http://").partition("/")[2]
        sent = Sent(
            sender=participant_of(current_process()),
            method=method,
            path=path,
            headers=dict(said.get("headers") or {}),
            body=body,
            content_type=said.get("content_type"),
        )
        return await network.request(url, sent, self._timeout.total)

    async def serve(app: Any, *_: Any) -> Listening:
        return Listening(address=network.serve(app))

    async def publish(_: Any, record: Any) -> Any:
        return await broker.publish(record)

    async def publish_all(_: Any, records: Any) -> Any:
        return await asyncio.gather(*(broker.publish(record) for record in records), return_exceptions=True)

    async def start(reader: Any) -> None:
        reader._task = asyncio.create_task(reading(broker, reader))
        reader.reading.set()

    rails = (adapters.aos.adapter, adapters.aos.delivery, gateway.wire.iso_participant)
    openers = (gateway.doors.rail, adapters.aos.sandbox, gateway.wire.iso_participant)
    listeners = (
        adapters.aos.sandbox,
        adapters.asan_pay.sandbox,
        adapters.banks.sandbox.program,
        adapters.platform.sandbox,
        gateway.wire.iso_participant,
    )
    with _replaced(
        *((module, "seal", _seal) for module in rails),
        *((module, "open_signed", _open) for module in openers),
        *((module, "serve_app", serve) for module in listeners),
        (SignedClient, "request", request),
        (Publisher, "publish", publish),
        (Publisher, "publish_all", publish_all),
        (Reader, "start", start),
        (adapters.aos.sandbox, "_IDLE_S", 10.0),
        (adapters.ministries.receipts, "verify_enveloped", _verify_receipt),
        (adapters.ministries.sandbox, "sign_enveloped", _sign_receipt),
        (adapters.ministries.sandbox, "open_sealed", lambda *_, **__: SimpleNamespace(verified=verified("GATEWAY"))),
        (adapters.notary.adapter, "draw_up", _draw_up),
    ):
        yield


@contextmanager
def _replaced(*places: tuple[Any, str, Any]) -> Iterator[None]:
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    for owner, name, value in places:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


async def _seal(
    message: Any,
    *,
    from_bic: str,
    to_bic: str,
    credential: Any,
    copy: bool = False,
    wrapper: Envelope = Envelope.DATA_PDU,
) -> bytes:
    root = envelope.wrap(message, from_bic=from_bic, to_bic=to_bic, copy=copy, envelope=wrapper)
    etree.SubElement(envelope.signature_parent(root), _SIGNATURE)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _open(data: bytes, *_: Any, participant_of: Any, wrapper: Envelope | None = Envelope.DATA_PDU, **__: Any) -> Opened:
    root = parse_xml(data, limits=_LIMITS)
    header = envelope.read_header(root, wrapper)
    document = etree.tostring(envelope.parts(root)[1], method="c14n", exclusive=True)
    name = participant_of(header)
    return Opened(header=header, verified=verified(name), digest=sha256(document).hexdigest(), root=root)


def _verify_receipt(root: Any, *_: Any, **__: Any) -> Any:
    return verified(root.findtext("{urn:eherrac:receipt:1}Authority") or "")


def _sign_receipt(root: Any, _: Any, *, into: Any) -> None:
    etree.SubElement(into, _SIGNATURE)


def _draw_up(content: Any, credential: Any, *, now: Any, names: Mapping[str, str]) -> bytes:
    return f"{now.isoformat()} {content}".encode()
