"""Playing recorded calls again: bare, by the library alone, and as our own function, with the same inputs.

Whatever can be made ready before is made ready before: keys loaded, trees parsed, schemas compiled. So the bare figure
is what the primitive itself costs, and nothing of how the house calls it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import resources
from pathlib import Path
from typing import Any

import orjson
import typst
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from lxml import etree

from bench.recording import Call
from certs import asice, wss, xmldsig
from certs.http_signature import signing, verification
from contracts import fields, json, xml
from gateway.wire.identity import Identity

Play = Callable[[], Any]
_SIGNING = ("sign_request", "sign_response", "sign_envelope", "sign_enveloped", "seal")
_CONTRACTS = Path(xml.__file__).parent
_SECURE: dict[str, Any] = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}


def signed_part(call: Call) -> list[Call]:
    """The parts that make a signature or verify it; what follows a new signature is the check of our own work."""
    if call.kind not in _SIGNING:
        return call.parts
    kinds = [part.kind for part in call.parts]
    return call.parts[: kinds.index("sign") + 1]


@dataclass(frozen=True)
class Bare:
    """Calls by the libraries alone."""

    identity: Identity

    def of(self, call: Call) -> list[Play]:
        """What a call amounts to, ready to run."""
        make = getattr(self, f"_{call.kind}", None)
        if make is not None:
            return [make(*call.inputs)]
        return [play for part in signed_part(call) for play in self.of(part)]

    def _sign(self, data: bytes) -> Play:
        key = self.identity.credential.file_key
        if isinstance(key, rsa.RSAPrivateKey):
            return partial(key.sign, data, padding.PKCS1v15(), SHA256())
        return partial(key.sign, data, ec.ECDSA(SHA256()))

    def _verify(self, spki: bytes, value: bytes, data: bytes) -> Play:
        key = self._key(spki)
        if isinstance(key, rsa.RSAPublicKey):
            return partial(key.verify, value, data, padding.PKCS1v15(), SHA256())
        half = len(value) // 2
        der = encode_dss_signature(int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big"))
        return partial(key.verify, der, data, ec.ECDSA(SHA256()))

    def _canonical(self, data: bytes, prefixes: tuple[str, ...], exclusive: bool) -> Play:
        root, kept = etree.fromstring(data), list(prefixes) or None

        def play() -> bytes:
            octets = etree.tostring(
                root, method="c14n", exclusive=exclusive, with_comments=False, inclusive_ns_prefixes=kept
            )
            return hashlib.sha256(octets).digest()

        return play

    def _parse_xml(self, data: bytes) -> Play:
        return partial(etree.fromstring, data, etree.XMLParser(**_SECURE))

    def _validate_xml(self, name: str, data: bytes) -> Play:
        return partial(schema(name)._schema.validate, etree.fromstring(data))

    def _parse_json(self, data: bytes) -> Play:
        return partial(orjson.loads, data)

    def _validate_json(self, model: Any, value: Any) -> Play:
        return partial(model.__pydantic_validator__.validate_python, value, by_alias=True, by_name=False)

    def _print(self, options: dict[str, Any]) -> Play:
        return partial(self._compiler.compile, **options)

    @cached_property
    def _compiler(self) -> typst.Compiler:
        with resources.as_file(resources.files("contracts.protocol") / "fonts") as folder:
            fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder)])
        return typst.Compiler(font_paths=fonts)

    @cached_property
    def _keys(self) -> dict[bytes, Any]:
        return {}

    def _key(self, spki: bytes) -> Any:
        if spki not in self._keys:
            self._keys[spki] = load_der_public_key(spki)
        return self._keys[spki]


@dataclass(frozen=True)
class Ours:
    """The same calls as the house makes them."""

    identity: Identity

    def of(self, call: Call) -> list[Play]:
        """The call, ready to run; a tree that it changes is made anew, and that time is not taken off."""
        make: Callable[..., Play] = getattr(self, f"_{call.kind}")
        return [make(*call.inputs)]

    def _sign_request(self, parts: Any, named: dict[str, Any]) -> Play:
        return partial(signing.sign_request, parts, self.identity.credential, **named)

    def _sign_response(self, parts: Any, request: Any, named: dict[str, Any]) -> Play:
        return partial(signing.sign_response, parts, request, self.identity.credential, **named)

    def _verify_request(self, parts: Any, named: dict[str, Any]) -> Play:
        return partial(verification.verify_request, parts, self.identity.trust, **named)

    def _verify_response(self, parts: Any, request: Any, named: dict[str, Any]) -> Play:
        return partial(verification.verify_response, parts, request, self.identity.trust, **named)

    def _sign_envelope(self, data: bytes, named: dict[str, Any]) -> Play:
        return lambda: wss.sign_envelope(etree.fromstring(data), self.identity.credential, **named)

    def _verify_envelope(self, data: bytes, named: dict[str, Any]) -> Play:
        return partial(wss.verify_envelope, etree.fromstring(data), self.identity.trust, **named)

    def _sign_enveloped(self, data: bytes, path: str) -> Play:
        def play() -> None:
            root = etree.fromstring(data)
            into = root.find(path)
            xmldsig.sign_enveloped(root, self.identity.credential, into=root if into is None else into)

        return play

    def _verify_enveloped(self, data: bytes, named: dict[str, Any]) -> Play:
        return partial(xmldsig.verify_enveloped, etree.fromstring(data), self.identity.trust, **named)

    def _seal(self, files: Any, named: dict[str, Any]) -> Play:
        return partial(asice.seal, files, self.identity.credential, **named)

    def _parse_xml(self, data: bytes) -> Play:
        return partial(xml.parse_xml, data)

    def _validate_xml(self, name: str, data: bytes) -> Play:
        return partial(schema(name).validate, etree.fromstring(data))

    def _parse_json(self, data: bytes) -> Play:
        return partial(json.parse_json, data)

    def _validate_json(self, model: Any, value: Any) -> Play:
        return partial(fields.validated, model, value)


_schemas: dict[str, xml.CompiledSchema] = {}


def schema(name: str) -> xml.CompiledSchema:
    """A schema of the contracts by its file's name."""
    if name not in _schemas:
        (file,) = _CONTRACTS.rglob(name)
        package = ".".join(("contracts", *file.parent.relative_to(_CONTRACTS).parts))
        _schemas[name] = xml.CompiledSchema(package, name)
    return _schemas[name]
