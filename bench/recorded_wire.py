"""Which functions of certificates, contracts and wire are recorded, and what of their arguments is kept."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.ministries import batches
from adapters.ministries.produce import RecordBatch
from bench.recording import HTTP_IN, HTTP_OUT, Recorder, xml_of
from certs import algorithms, asice, signed_xml, wss, xades, xmldsig
from certs.http_signature import signing, verification
from contracts import fields, json, xml
from contracts.protocol import pdf
from gateway.wire import client, server


def install(recorder: Recorder) -> None:
    """Wrap everything."""
    _signatures(recorder)
    _documents(recorder)
    _primitives(recorder)
    _printing(recorder)
    _kafka(recorder)
    recorder.wrap_check(signed_xml.check_own_signature)
    recorder.wrap_check(asice._check_own)
    recorder.wrap_counted(server.read_body, HTTP_IN)
    _count_requests(recorder)


def _signatures(recorder: Recorder) -> None:
    """HTTP messages; certificates and trust are the player's own."""
    recorder.wrap(
        signing.sign_request, lambda parts, _, *, now, nonce: (parts, {"now": now, "nonce": nonce}), "sign_request"
    )
    recorder.wrap(
        signing.sign_response, lambda parts, request, _, *, now: (parts, request, {"now": now}), "sign_response"
    )
    recorder.wrap(verification.verify_request, lambda parts, _, **named: (parts, named), "verify_request")
    recorder.wrap(
        verification.verify_response, lambda parts, request, _, **named: (parts, request, named), "verify_response"
    )


def _documents(recorder: Recorder) -> None:
    """XML messages and containers."""
    recorder.wrap(wss.sign_envelope, lambda root, _, **named: (xml_of(root), named), "sign_envelope")
    recorder.wrap(wss.verify_envelope, lambda root, _, **named: (xml_of(root), named), "verify_envelope")
    recorder.wrap(xmldsig.sign_enveloped, lambda root, _, *, into: (xml_of(root), _path(root, into)), "sign_enveloped")
    recorder.wrap(xmldsig.verify_enveloped, lambda root, _, **named: (xml_of(root), named), "verify_enveloped")
    recorder.wrap(asice.seal, lambda files, _, *, now: (dict(files), {"now": now}), "seal")


def _path(root: Any, element: Any) -> str:
    path: str = root.getroottree().getelementpath(element)
    return path


def _primitives(recorder: Recorder) -> None:
    recorder.wrap(algorithms.sign_bytes, lambda _, data: (data,), "sign")
    recorder.wrap(algorithms.verify_bytes, lambda key, value, data: (_spki(key), value, data), "verify")
    recorder.wrap(
        signed_xml.canonical, lambda element, prefixes=(): (xml_of(element), tuple(prefixes), True), "canonical"
    )
    recorder.wrap(xades._canonical, lambda element, _: (xml_of(element), (), False), "canonical")
    recorder.wrap(xml.parse_xml, lambda data, **_: (data,), "parse_xml")
    recorder.wrap(json.parse_json, lambda data, *_: (data,), "parse_json")
    recorder.wrap(fields.validated, lambda model, value: (model, value), "validate_json")
    validate = xml.CompiledSchema.validate

    def validated(schema: xml.CompiledSchema, element: Any) -> None:
        recorder.note("validate_xml", schema.name, xml_of(element))
        validate(schema, element)

    xml.CompiledSchema.validate = validated  # type: ignore[method-assign, assignment]


def _spki(key: Any) -> bytes:
    octets: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return octets


def _printing(recorder: Recorder) -> None:
    compiler = pdf._compiler()

    class _Recorded:
        def compile(self, **options: Any) -> Any:
            recorder.note("print", options)
            return compiler.compile(**options)

    pdf._compiler = _Recorded  # type: ignore[assignment]


def _kafka(recorder: Recorder) -> None:
    takes = batches._takes

    def took(batch: RecordBatch, record: batches.Record) -> bool:
        added = takes(batch, record)
        if added:
            recorder.note("produce", record.topic, record.value, record.key, record.headers)
        return added

    batches._takes = took


def _count_requests(recorder: Recorder) -> None:
    request = client.SignedClient.request

    async def counted(self: Any, method: str, url: str, **options: Any) -> Any:
        recorder.recording.counts[HTTP_OUT] += 1
        return await request(self, method, url, **options)

    client.SignedClient.request = counted  # type: ignore[method-assign]
