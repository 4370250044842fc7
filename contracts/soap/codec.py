"""Elements <-> frozen dataclasses, by one convention: the field `lot_id` is the element `LotId`, in the schema's order.

The schema has judged what is read here, so reading trusts presence and form; it only gives types. A field of a tuple
type repeats; an optional one may be missing. `Attribute` and `Content` mark the fields that are not child elements.
"""

from __future__ import annotations

import base64
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum
from functools import cache
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin, get_type_hints

from lxml import etree

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.instants import instant_of
from contracts.soap.names import GATEWAY


class Attribute:
    """Marks a field carried as an attribute of its own name."""


class Content:
    """Marks the field that is the element's text."""


class Place(Enum):
    """Where a field stands in its element."""

    CHILD = "child"
    ATTRIBUTE = "attribute"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Part:
    """How one field of a dataclass is written."""

    field: str
    name: str  # qualified for a child, plain for an attribute
    place: Place
    kind: Any  # the Python type of one occurrence
    repeats: bool


MessageT = TypeVar("MessageT")

_NSMAP: Any = {None: GATEWAY}  # the stubs know no default namespace


def write(message: Any, tag: str | None = None) -> etree._Element:
    """Build the element of a message; its name is the class's unless `tag` gives another."""
    element = etree.Element(f"{{{GATEWAY}}}{tag or type(message).__name__}", nsmap=_NSMAP)
    _fill(element, message)
    return element


def read(kind: type[MessageT], element: etree._Element) -> MessageT:
    """Give a validated element its type.

    Raises:
        RefusedError: TIME_INVALID with its path, where the schema's date-time is no moment of ours.
    """
    return kind(**{part.field: _value(part, element) for part in _plan(kind)})


def _parts(kind: type[Any]) -> tuple[Part, ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(_part(field.name, hints[field.name]) for field in fields(kind))


_plan = cast("Callable[[type[Any]], tuple[Part, ...]]", cache(_parts))


def _part(field: str, hint: Any) -> Part:
    place = Place.CHILD
    if get_origin(hint) is Annotated:
        hint, mark = get_args(hint)
        place = Place.ATTRIBUTE if mark is Attribute else Place.CONTENT
    if get_origin(hint) is types.UnionType:
        hint = next(option for option in get_args(hint) if option is not types.NoneType)
    repeats = get_origin(hint) is tuple
    if repeats:
        hint = get_args(hint)[0]
    name = field if place is not Place.CHILD else f"{{{GATEWAY}}}{''.join(w.capitalize() for w in field.split('_'))}"
    return Part(field, name, place, hint, repeats)


def _fill(element: etree._Element, message: Any) -> None:
    for part in _plan(type(message)):
        value = getattr(message, part.field)
        if value is None:
            continue
        if part.place is Place.ATTRIBUTE:
            element.set(part.name, _text(value))
        elif part.place is Place.CONTENT:
            element.text = _text(value)
        else:
            for one in value if part.repeats else (value,):
                _fill_one(etree.SubElement(element, part.name), one)


def _fill_one(element: etree._Element, value: Any) -> None:
    if is_dataclass(value):
        _fill(element, value)
    else:
        element.text = _text(value)


def _value(part: Part, element: etree._Element) -> Any:
    found = tuple(_read_text(part, text, element) for text in _texts(part, element))
    if part.repeats:
        return found
    return found[0] if found else None


def _texts(part: Part, element: etree._Element) -> Iterator[Any]:
    if part.place is Place.ATTRIBUTE:
        value = element.get(part.name)
        yield from () if value is None else (value,)
    elif part.place is Place.CONTENT:
        yield element.text or ""
    else:
        yield from element.iterfind(part.name)


def _read_text(part: Part, found: Any, parent: etree._Element) -> Any:
    kind = part.kind
    if is_dataclass(kind):
        return read(kind, found)  # type: ignore[arg-type]  # kind is a class here, never an instance
    text = found if isinstance(found, str) else found.text or ""
    return _instant(text, part, parent) if kind is datetime else _READERS.get(kind, kind)(text)


def _instant(text: str, part: Part, parent: etree._Element) -> datetime:
    moment = instant_of(text.strip())
    if moment is None:
        path = f"/{etree.QName(parent).localname}/{part.name.rpartition('}')[2]}"
        raise refuse(ErrorCode.TIME_INVALID, path=path)
    return moment


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return _write_instant(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value.value if isinstance(value, StrEnum) else str(value)


def _write_instant(moment: datetime) -> str:
    if moment.utcoffset() is None:
        raise ValueError("a date-time without an offset is refused")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_READERS: dict[Any, Callable[[str], Any]] = {
    bool: lambda text: text.strip() in ("true", "1"),
    bytes: base64.b64decode,
}
