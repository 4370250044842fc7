"""The one XML entry of the house: bytes in, an element tree or a refusal out; and schemas compiled from package data.

Every XML byte from outside passes `parse_xml`. It refuses what an honest peer never sends: any DOCTYPE (and with it
every entity), processing instructions, comments (a comment inside a number changes what `.text` reads while the
signature stays valid), encodings other than UTF-8, and trees larger than the limits. libxml2 never recovers, never
opens a file and never touches the network. Byte scans come first because they cost nothing (looking for one octet is
ten times quicker than for two, so the rarest of them is asked for first); XPath confirms a hit, so that a CDATA section
which merely contains the characters is not refused.

`CompiledSchema` validates an element by an XSD of this project and reports the first fault by the path of elements,
never by line: the sender's line numbers are not ours.

Raises:
    RefusedError: BODY_TOO_LARGE(limit_bytes), XML_MALFORMED(fault, position), XML_FORBIDDEN(what[, limit]),
    SCHEMA_INVALID(path, fault).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from lxml import etree

from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import Refusal, RefusedError, refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class XmlLimits:
    """What a message may be at most. Our largest message, a day's statement, stays below a tenth of each number."""

    body_max_bytes: int = 1_048_576
    elements_max: int = 20_000
    depth_max: int = 64  # ISO 20022 inside SOAP stays below 25
    attributes_max: int = 32  # per element
    namespaces_max: int = 512  # declarations in the whole message; some peers declare on every element
    comments_allowed: bool = False


DEFAULT_LIMITS = XmlLimits()

_DECLARATION = re.compile(rb"<\?xml\s+version\s*=\s*(['\"])1\.0\1([^?]*)\?>")
_ENCODING = re.compile(rb"encoding\s*=\s*(['\"])([A-Za-z0-9._-]+)\1")
_UTF8_MARK = b"\xef\xbb\xbf"
_HAS_COMMENT = etree.XPath("boolean(//comment())")
_HAS_INSTRUCTION = etree.XPath("boolean(//processing-instruction())")

_OPTIONS: dict[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "dtd_validation": False,
    "attribute_defaults": False,
    "huge_tree": False,
    "recover": False,
    "remove_comments": False,
    "remove_pis": False,
    "collect_ids": False,
    "encoding": "utf-8",
}


def parse_xml(data: bytes, *, limits: XmlLimits = DEFAULT_LIMITS) -> etree._Element:
    """Parse one message; the root element. Raises RefusedError (see the module) for anything an honest peer avoids."""
    if len(data) > limits.body_max_bytes:
        raise refuse(ErrorCode.BODY_TOO_LARGE, limit_bytes=limits.body_max_bytes)
    prolog_end = _check_encoding(data)
    elements = _scan_bytes(data, limits)
    root = _parse(data)
    _check_tree(root, data, prolog_end, limits)
    if elements > limits.depth_max and _deeper_than(limits.depth_max)(root):
        raise refuse(ErrorCode.XML_FORBIDDEN, what="depth", limit=limits.depth_max)
    return root


def parse_canonical(octets: bytes) -> etree._Element:
    """Read again what we canonicalised ourselves from a tree that `parse_xml` let through: limits were kept there."""
    return _parse(octets)


def _check_encoding(data: bytes) -> int:
    """UTF-8 only: in any other encoding the byte scans would read something else than the parser. End of prolog."""
    if b"\x00" in data:
        raise refuse(ErrorCode.XML_FORBIDDEN, what="encoding")
    start = len(_UTF8_MARK) if data.startswith(_UTF8_MARK) else 0
    if not data.startswith((b"<?xml ", b"<?xml\t", b"<?xml\r", b"<?xml\n"), start):
        return start
    declaration = _DECLARATION.match(data, start)
    if declaration is None:
        raise refuse(ErrorCode.XML_MALFORMED, fault="XML declaration", position="1:1")
    encoding = _ENCODING.search(declaration.group(2))
    if encoding is not None and encoding.group(2).lower() != b"utf-8":
        raise refuse(ErrorCode.XML_FORBIDDEN, what="encoding")
    return declaration.end()


def _scan_bytes(data: bytes, limits: XmlLimits) -> int:
    """Refuse, before any tree is built, what can be seen in the bytes. An upper bound of the number of elements."""
    if b"!" in data and (b"<!DOCTYPE" in data or b"<!ENTITY" in data):
        raise refuse(ErrorCode.XML_FORBIDDEN, what="doctype")
    elements = data.count(b"<")
    if elements > limits.elements_max:
        elements = data.count(b"</") + data.count(b"/>")
    if elements > limits.elements_max:
        raise refuse(ErrorCode.XML_FORBIDDEN, what="elements", limit=limits.elements_max)
    if data.count(b"xmlns") > limits.namespaces_max:
        raise refuse(ErrorCode.XML_FORBIDDEN, what="namespaces", limit=limits.namespaces_max)
    return elements


class _Parsers(threading.local):
    """A parser for each thread: making one takes as long as parsing a message, and a shared one would be waited for."""

    def __init__(self) -> None:
        self.parser = etree.XMLParser(**_OPTIONS)


_mine = _Parsers()


def _parse(data: bytes) -> etree._Element:
    try:
        return etree.fromstring(data, _mine.parser)
    except etree.XMLSyntaxError as fault:
        line, column = fault.position
        text = (fault.msg or "not well-formed").split(", line ")[0]
        raise refuse(ErrorCode.XML_MALFORMED, fault=text, position=f"{line}:{column}") from None
    except ValueError as fault:
        raise refuse(ErrorCode.XML_MALFORMED, fault=fault, position="1:1") from None


def _check_tree(root: etree._Element, data: bytes, prolog_end: int, limits: XmlLimits) -> None:
    info = root.getroottree().docinfo
    if info.internalDTD is not None or info.externalDTD is not None:
        raise refuse(ErrorCode.XML_FORBIDDEN, what="doctype")
    if not limits.comments_allowed and b"!" in data and b"<!--" in data and _HAS_COMMENT(root):
        raise refuse(ErrorCode.XML_FORBIDDEN, what="comment")
    if data.find(b"?", prolog_end) >= 0 and _HAS_INSTRUCTION(root):
        raise refuse(ErrorCode.XML_FORBIDDEN, what="processing instruction")
    if _more_attributes_than(limits.attributes_max)(root):
        raise refuse(ErrorCode.XML_FORBIDDEN, what="attributes", limit=limits.attributes_max)


@lru_cache(maxsize=16)
def _deeper_than(depth: int) -> etree.XPath:
    """True if any element lies deeper; a chain of child steps is linear in the tree, counting ancestors is not."""
    return etree.XPath("boolean(/*" + "/*" * depth + ")")


@lru_cache(maxsize=16)
def _more_attributes_than(count: int) -> etree.XPath:
    return etree.XPath(f"boolean(//@*[{count + 1}])")


# libxml2 makes its table of built-in types when the first schema is compiled, and two threads that do so at once spoil
# it: then no schema compiles in this process any more (found by the kill test).
_compiling = threading.Lock()


class CompiledSchema:
    """An XSD from package data, compiled once; its imports resolve among the files of the same package only.

    Not for use from two threads at once: libxml2 gets slower there and the error log is shared.
    """

    def __init__(self, package: str, file_name: str) -> None:
        folder = resources.files(package)
        parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False)
        parser.resolvers.add(_PackageResolver(package))
        root = etree.fromstring((folder / file_name).read_bytes(), parser, base_url=f"package:{file_name}")
        with _compiling:
            self._schema = etree.XMLSchema(root.getroottree())
        self.name = file_name

    def validate(self, element: etree._Element) -> None:
        """Raise RefusedError(SCHEMA_INVALID, path, fault) at the first fault."""
        if not self._schema.validate(element):
            raise _first_fault(element, self._schema.error_log)

    def faults(self, element: etree._Element) -> tuple[Refusal, ...]:
        """Every fault, for whoever wants to mend them all at once; of each place the first, which says the most."""
        if self._schema.validate(element):
            return ()
        found: dict[str, Refusal] = {}
        log: Any = self._schema.error_log
        for entry in log:
            fault = _fault(element, entry).refusal
            found.setdefault(fault.facts["path"], fault)
        return tuple(found.values())


class _PackageResolver(etree.Resolver):
    """Answers schema imports by file name within one package; everything else does not exist."""

    def __init__(self, package: str) -> None:
        super().__init__()
        self._package = package

    def resolve(self, system_url: str, public_id: str, context: Any = None) -> Any:
        name = system_url.removeprefix("package:").rsplit("/", 1)[-1]
        file = resources.files(self._package) / name
        if not file.is_file():
            raise FileNotFoundError(f"schema import outside the package: {system_url}")
        return self.resolve_string(file.read_bytes(), context, base_url=f"package:{name}")


_NAMESPACE = re.compile(r"\{[a-z][^}]*\}")  # not the quantifiers of a pattern


def _first_fault(element: etree._Element, log: Any) -> RefusedError:
    if not len(log):
        return refuse(ErrorCode.SCHEMA_INVALID, path="/", fault="invalid")
    return _fault(element, log[0])


def _fault(element: etree._Element, entry: Any) -> RefusedError:
    fault = _NAMESPACE.sub("", entry.message).removeprefix("Element ").rstrip(".")
    return refuse(ErrorCode.SCHEMA_INVALID, path=_readable(element, entry.path), fault=fault[:500])


def _readable(element: etree._Element, path: str | None) -> str:
    """libxml2 writes `/*/*[2]` for elements of a default namespace: say their names instead."""
    if not path:
        return "/"
    try:
        found = etree.ElementTree(element).xpath(path, namespaces=_prefixes(element))
    except etree.XPathError:
        return path
    if not isinstance(found, list) or not found or not isinstance(found[0], etree._Element):
        return path
    return path_of(found[0], within=element)


def _prefixes(element: etree._Element) -> Mapping[str, str]:
    return {prefix: uri for node in element.iter("*") for prefix, uri in node.nsmap.items() if prefix}


def path_of(element: etree._Element, *, within: etree._Element | None = None) -> str:
    """Names from `within` (or the root) down to the element, `/Document/CdtTrf[2]/Amt`; indexes only where needed."""
    steps = [_step(element)]
    while element is not within and (parent := element.getparent()) is not None:
        element = parent
        steps.append(_step(element))
    return "/" + "/".join(reversed(steps))


def _step(element: etree._Element) -> str:
    name = etree.QName(element).localname
    parent = element.getparent()
    same = [element] if parent is None else list(parent.iterchildren(element.tag))
    return name if len(same) == 1 else f"{name}[{same.index(element) + 1}]"
