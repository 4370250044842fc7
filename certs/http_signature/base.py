"""The signature base: which components, with which values, under which parameters (RFC 9421 sections 2 and 3.1)."""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

import http_sf

from certs.http_signature.message import HttpRequestParts, HttpResponseParts, field_values
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError, refuse


class Component(NamedTuple):
    """A covered component: a field or a derived one (`@method`), of the message itself or of its request (`;req`).

    A plain tuple, because lists of them are what is remembered below from message to message.
    """

    name: str
    req: bool = False

    def __str__(self) -> str:
        return f'"{self.name}";req' if self.req else f'"{self.name}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureInput:
    """One member of Signature-Input: its label, what it covers, and its parameters in their order.

    `signature_params` is the value of the base's last line, and of the field's member.
    """

    label: str
    components: tuple[Component, ...]
    parameters: Mapping[str, str | int]
    signature_params: str = field(init=False)

    def __post_init__(self) -> None:
        parameters = [f";{name}={_serialize(value)}" for name, value in self.parameters.items()]
        object.__setattr__(self, "signature_params", _covered_text(self.components) + "".join(parameters))

    @classmethod
    def parse(cls, value: str) -> SignatureInput:
        """Read a field with exactly one member.

        Raises:
            RefusedError: SIGNATURE_MALFORMED; also for component parameters other than `req`.
        """
        usual = _usual_input(value)
        if usual is not None:
            return usual
        label, (items, parameters) = _only_member("signature-input", value, inner_list=True)
        return cls(
            label=label,
            components=_components(items),
            parameters={name: _parameter(name, value) for name, value in parameters.items()},
        )


# A component list of any kind, then parameters that are strings without escapes or integers: what everybody sends.
_USUAL_INPUT = re.compile(
    r'([a-z*][a-z0-9_.*-]*)=(\([^()]*\))((?:;[a-z*][a-z0-9_.*-]*=(?:"[ !#-\[\]-~]*"|[0-9]{1,15}))+)'
)
_USUAL_PARAMETER = re.compile(r';([^=]+)=(?:"([^"]*)"|([0-9]+))')


def _usual_input(value: str) -> SignatureInput | None:
    """A Signature-Input without oddities, its list of components remembered; None: ask the whole grammar."""
    found = _USUAL_INPUT.fullmatch(value)
    if found is None:
        return None
    label, covered, rest = found.groups()
    listed = _USUAL_PARAMETER.findall(rest)
    parameters = {name: int(digits) if digits else text for name, text, digits in listed}
    if len(parameters) != len(listed):
        return None
    return SignatureInput(label=label, components=_parse_covered(covered), parameters=parameters)


@lru_cache(maxsize=256)
def _parse_covered(text: str) -> tuple[Component, ...]:
    """An inner list without parameters. A peer's is the same for every message of a kind."""
    _, (items, _) = _only_member("signature-input", f"x={text}", inner_list=True)
    return _components(items)


@lru_cache(maxsize=256)
def _covered_text(components: tuple[Component, ...]) -> str:
    """The inner list of `_parse_covered` again."""
    return f"({' '.join(map(str, components))})"


def parse_signature(value: str) -> tuple[str, bytes]:
    """Read a Signature field with exactly one member: its label and the signature's octets.

    Raises:
        RefusedError: SIGNATURE_MALFORMED.
    """
    usual = _only_octets(value)
    if usual is not None:
        return usual
    label, (octets, parameters) = _only_member("signature", value, inner_list=False)
    if not isinstance(octets, bytes) or parameters:
        raise malformed("signature", "not one byte sequence")
    return label, octets


@lru_cache(maxsize=256)
def parse_octets_list(field: str, value: str) -> tuple[bytes, ...]:
    """Read a list of byte sequences without parameters (Signature-Certificate); a peer's is the same every time.

    Raises:
        RefusedError: SIGNATURE_MALFORMED.
    """
    members = _parse(field, value, "list")
    if not all(isinstance(octets, bytes) and not parameters for octets, parameters in members):
        raise malformed(field, "not a list of byte sequences")
    return tuple(octets for octets, _ in members)


def parse_digest(value: str) -> bytes:
    """Read the sha-256 member of Content-Digest; others beside it are ignored, none means the part is missing.

    Raises:
        RefusedError: SIGNATURE_MALFORMED.
    """
    usual = _only_octets(value)
    if usual is not None and usual[0] == "sha-256":
        return usual[1]
    octets, _ = _parse("content-digest", value, "dictionary").get("sha-256", (None, {}))
    if not isinstance(octets, bytes):
        raise malformed("content-digest", "no sha-256 byte sequence")
    return octets


_ONE_OCTETS = re.compile(r"([a-z*][a-z0-9_.*-]*)=:((?:[A-Za-z0-9+/]+={0,2})?):")


def _only_octets(value: str) -> tuple[str, bytes] | None:
    """A dictionary of one byte sequence, which is what these fields nearly always are; None: ask the whole grammar."""
    found = _ONE_OCTETS.fullmatch(value)
    if found is None:
        return None
    try:
        return found[1], b64decode(found[2], validate=True)
    except binascii.Error:
        return None


def octets_text(octets: bytes) -> str:
    """A structured-field byte sequence."""
    return f":{b64encode(octets).decode()}:"


def content_digest(body: bytes) -> str:
    """The Content-Digest field of a body (RFC 9530), an empty one included."""
    return f"sha-256={octets_text(hashlib.sha256(body).digest())}"


def signature_base(
    signed: SignatureInput, message: HttpRequestParts | HttpResponseParts, request: HttpRequestParts | None = None
) -> bytes:
    """What the signature is computed over.

    Raises:
        RefusedError: SIGNATURE_INCOMPLETE, a covered component is not in the message; SIGNATURE_MALFORMED, it is
            repeated or of a kind we do not know.
    """
    own, asked = _Values(message), None if request is None else _Values(request)
    lines = []
    for component, start in _line_starts(signed.components):
        source = asked if component.req else own
        if source is None:
            raise refuse(ErrorCode.SIGNATURE_INCOMPLETE, part=component)
        lines.append(f"{start}{source.value(component.name)}\n")
    try:
        return ("".join(lines) + f'"@signature-params": {signed.signature_params}').encode("ascii")
    except UnicodeEncodeError:
        raise malformed("signature-base", "a covered component is not ASCII") from None


@lru_cache(maxsize=256)
def _line_starts(components: tuple[Component, ...]) -> tuple[tuple[Component, str], ...]:
    return tuple((component, f"{component}: ") for component in components)


class _Values:
    """Looks up the value of each component in one message."""

    def __init__(self, message: HttpRequestParts | HttpResponseParts) -> None:
        self.fields = field_values(message.headers)
        self.message = message

    def value(self, name: str) -> str:
        if name.startswith("@"):
            return self._derived(name)
        values = self.fields.get(name)
        if values is None:
            raise refuse(ErrorCode.SIGNATURE_INCOMPLETE, part=name)
        if len(values) > 1:
            raise malformed(name, "a covered field is repeated")
        return values[0]

    def _derived(self, name: str) -> str:
        table: Mapping[str, Callable[[Any], str]] = _OF_REQUEST
        if isinstance(self.message, HttpResponseParts):
            table = _OF_RESPONSE
        if name not in table:
            raise malformed(name, "a component this profile does not know")
        return table[name](self.message)


_OF_REQUEST: Mapping[str, Callable[[HttpRequestParts], str]] = {
    "@method": lambda parts: parts.method,
    "@authority": lambda parts: parts.authority.lower(),
    "@path": lambda parts: parts.path or "/",
    "@query": lambda parts: f"?{parts.query}",
}
_OF_RESPONSE: Mapping[str, Callable[[HttpResponseParts], str]] = {"@status": lambda parts: str(parts.status)}


def malformed(step: str, what: str) -> RefusedError:
    """SIGNATURE_MALFORMED with the place and the fault."""
    return refuse(ErrorCode.SIGNATURE_MALFORMED, step=step, what=what)


def _parse(field: str, value: str, kind: str) -> Any:
    def repeated(key: str, where: str) -> NoReturn:
        raise malformed(field, f"{where} {key} is repeated")

    try:
        return http_sf.parse(value.encode("ascii"), tltype=kind, on_duplicate_key=repeated)
    except (http_sf.StructuredFieldError, UnicodeEncodeError, ValueError):
        raise malformed(field, f"not a structured {kind}") from None


def _only_member(field: str, value: str, *, inner_list: bool) -> tuple[str, tuple[Any, Any]]:
    members = _parse(field, value, "dictionary")
    if len(members) != 1:
        raise malformed(field, f"{len(members)} signatures instead of one")
    label, (content, parameters) = next(iter(members.items()))
    if isinstance(content, list) is not inner_list:
        raise malformed(field, "not of the kind this field has")
    return label, (content, parameters)


def _components(items: Sequence[tuple[Any, Mapping[str, Any]]]) -> tuple[Component, ...]:
    return tuple(_component(name, flags) for name, flags in items)


def _component(name: Any, flags: Mapping[str, Any]) -> Component:
    if type(name) is not str or name != name.lower() or not set(flags) <= {"req"} or flags.get("req", True) is not True:
        raise malformed("signature-input", "a component name or parameter this profile does not know")
    return Component(name, req="req" in flags)


def _parameter(name: str, value: Any) -> str | int:
    if type(value) not in (str, int):
        raise malformed("signature-input", f"parameter {name} is neither a string nor an integer")
    return value  # type: ignore[no-any-return]


def _serialize(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


@lru_cache(maxsize=256)
def names(components: tuple[Component, ...]) -> frozenset[str]:
    """Components as the strings the policy lists them by."""
    return frozenset(f"{component.name};req" if component.req else component.name for component in components)
