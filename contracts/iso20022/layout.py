"""A message's layout: one row per value, in the order of the schema. The writer and the reader are both made of it.

    Layout(CreditTransfer, "FIToFICstmrCdtTrf", rows=(
        Leaf("GrpHdr/MsgId", "message_id"),
        Fixed("GrpHdr/NbOfTxs", "1"),
        Leaf("CdtTrfTxInf/Cdtr/Nm", "creditor.name"),
    ), parts={"creditor": Holder})

Values that are None are left out, and parents are opened only for values that are there. Plain lxml.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar

from lxml import etree

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.iso20022.scalars import TEXT, Scalar

Element = Any  # lxml's element; its stubs do not cover what is used here
MessageT = TypeVar("MessageT")


class Row(Protocol):
    """One value (or a few that belong together) of a message and where it lies under the message's root element."""

    @property
    def steps(self) -> tuple[str, ...]: ...
    def value(self, message: Any) -> Any: ...
    def put(self, parent: Element, namespace: str, value: Any) -> None: ...
    def take(self, root: Element, namespace: str) -> Mapping[str, Any]: ...


class Leaf:
    """One element with text."""

    def __init__(self, path: str, attribute: str, scalar: Scalar = TEXT) -> None:
        *parents, self.leaf = path.split("/")
        self.path, self.attribute, self.scalar = path, attribute, scalar
        self.steps = tuple(parents)
        self._get: Callable[[Any], Any] = attrgetter(attribute)

    def value(self, message: Any) -> Any:
        return self._get(message)

    def put(self, parent: Element, namespace: str, value: Any) -> None:
        element = etree.SubElement(parent, namespace + self.leaf)
        element.text = self.scalar.write(value)
        for name, text in self.scalar.attributes:
            element.set(name, text)

    def take(self, root: Element, namespace: str) -> Mapping[str, Any]:
        text = root.findtext(qualified(namespace, (*self.steps, self.leaf)))
        return {} if text is None else {self.attribute: self.scalar.read(text, "/" + self.path)}


class Fixed:
    """One element that always says the same; that it does is the schema's to check.

    With `where`, it is written only for messages whose attribute of that name is there.
    """

    def __init__(self, path: str, text: str, where: str | None = None) -> None:
        *parents, self.leaf = path.split("/")
        self.steps, self.text, self.where = tuple(parents), text, where

    def value(self, message: Any) -> Any:
        return self.text if self.where is None or getattr(message, self.where) is not None else None

    def put(self, parent: Element, namespace: str, value: Any) -> None:
        etree.SubElement(parent, namespace + self.leaf).text = value

    def take(self, root: Element, namespace: str) -> Mapping[str, Any]:
        return {}


class Again:
    """A value that another row reads, written here too. Others may say something of their own here: it is not read."""

    def __init__(self, row: Row) -> None:
        self.steps, self._row = row.steps, row

    def value(self, message: Any) -> Any:
        return self._row.value(message)

    def put(self, parent: Element, namespace: str, value: Any) -> None:
        self._row.put(parent, namespace, value)

    def take(self, root: Element, namespace: str) -> Mapping[str, Any]:
        return {}


class Wrapped:
    """A longer text in repeated elements of at most `width` characters (Max140Text), joined again when read."""

    def __init__(self, path: str, attribute: str, width: int = 140) -> None:
        *parents, self.leaf = path.split("/")
        self.steps, self.attribute, self.width = tuple(parents), attribute, width
        self._get: Callable[[Any], Any] = attrgetter(attribute)

    def value(self, message: Any) -> Any:
        return self._get(message) or None

    def put(self, parent: Element, namespace: str, value: str) -> None:
        text = TEXT.write(value)
        for start in range(0, len(text), self.width):
            etree.SubElement(parent, namespace + self.leaf).text = text[start : start + self.width]

    def take(self, root: Element, namespace: str) -> Mapping[str, Any]:
        lines = root.iterfind(qualified(namespace, (*self.steps, self.leaf)))
        return {self.attribute: "".join(line.text or "" for line in lines)}


class Referred:
    """A referred document (`RfrdDocInf`) of a proprietary type: the case number (ICRA) or the consent's id (MSID)."""

    def __init__(self, path: str, kind: str, attribute: str) -> None:
        self.steps, self.kind, self.attribute = tuple(path.split("/")), kind, attribute
        self._get: Callable[[Any], Any] = attrgetter(attribute)

    def value(self, message: Any) -> Any:
        return self._get(message)

    def put(self, parent: Element, namespace: str, value: str) -> None:
        document = etree.SubElement(parent, namespace + "RfrdDocInf")
        kind = etree.SubElement(etree.SubElement(document, namespace + "Tp"), namespace + "CdOrPrtry")
        etree.SubElement(kind, namespace + "Prtry").text = self.kind
        etree.SubElement(document, namespace + "Nb").text = TEXT.write(value)

    def take(self, root: Element, namespace: str) -> Mapping[str, Any]:
        kind_path = qualified(namespace, ("Tp", "CdOrPrtry", "Prtry"))
        for document in root.iterfind(qualified(namespace, (*self.steps, "RfrdDocInf"))):
            if document.findtext(kind_path) == self.kind:
                return {self.attribute: document.findtext(namespace + "Nb")}
        return {}


@dataclass(frozen=True, slots=True)
class Layout(Generic[MessageT]):
    """One message: its class, the name of its element under `Document`, its rows, and the classes of nested values."""

    message: type[MessageT]
    element: str
    rows: Sequence[Row]
    parts: Mapping[str, type[Any]] = field(default_factory=dict)

    def write(self, root: Element, message: MessageT, namespace: str) -> None:
        """Fill the message's own element; `namespace` is `{urn...}`."""
        open_steps: list[str] = []
        open_elements = [root]
        for row in self.rows:
            value = row.value(message)
            if value is not None:
                _open(open_steps, open_elements, row.steps, namespace)
                row.put(open_elements[-1], namespace, value)

    def read(self, root: Element, namespace: str) -> MessageT:
        """Read the message's own, validated, element.

        Raises:
            RefusedError: AMOUNT_INVALID, IBAN_INVALID, TIME_INVALID with the path below that element; SCHEMA_INVALID
                where a value that is said in two places is not the same in both.
        """
        values: dict[str, Any] = {}
        for row in self.rows:
            for name, value in row.take(root, namespace).items():
                if values.setdefault(name, value) != value:
                    raise refuse(
                        ErrorCode.SCHEMA_INVALID, path="/" + "/".join(row.steps), fault=f"two values of {name}"
                    )
        return self.message(**_assembled(values, self.parts))

    @property
    def messages(self) -> tuple[type[Any], ...]:
        """The classes it writes and reads: its own."""
        return (self.message,)


class Variants:
    """Layouts that share a message's name and element, told apart by the text at `path`.

    Each text goes with the element it announces, named from the message's element: no schema can say that.
    """

    def __init__(self, element: str, path: str, layouts: Mapping[str, tuple[str, Layout[Any]]]) -> None:
        self.element, self._path, self._layouts = element, path, layouts
        self._of = {layout.message: layout for _, layout in layouts.values()}

    @property
    def messages(self) -> tuple[type[Any], ...]:
        """The classes they write and read."""
        return tuple(self._of)

    def write(self, root: Element, message: Any, namespace: str) -> None:
        """As the layout of the message's class."""
        self._of[type(message)].write(root, message, namespace)

    def read(self, root: Element, namespace: str) -> Any:
        """As the layout that the validated element names.

        Raises:
            RefusedError: as `Layout.read`, and SCHEMA_INVALID where something else is there than what is named.
        """
        announced, layout = self._layouts[root.findtext(qualified(namespace, tuple(self._path.split("/"))))]
        if root.find(qualified(namespace, tuple(announced.split("/")))) is None:
            raise refuse(ErrorCode.SCHEMA_INVALID, path=f"/{self._path}", fault=f"announces {announced}")
        return layout.read(root, namespace)


def default_namespace(urn: str) -> Any:
    """A namespace without a prefix, in the form lxml takes and its stubs do not."""
    return {None: urn}


@lru_cache(maxsize=4096)  # a few hundred leaves in as many versions as are spoken
def qualified(namespace: str, steps: tuple[str, ...]) -> str:
    """A path for lxml's find functions."""
    return "/".join([namespace + step for step in steps])


def _open(open_steps: list[str], open_elements: list[Element], steps: tuple[str, ...], namespace: str) -> None:
    common = 0
    for opened, wanted in zip(open_steps, steps, strict=False):
        if opened != wanted:
            break
        common += 1
    del open_steps[common:], open_elements[common + 1 :]
    for step in steps[common:]:
        open_elements.append(etree.SubElement(open_elements[-1], namespace + step))
        open_steps.append(step)


def _assembled(values: Mapping[str, Any], parts: Mapping[str, type[Any]]) -> dict[str, Any]:
    flat = {name: value for name, value in values.items() if "." not in name}
    for part, cls in parts.items():
        prefix = part + "."
        inner = {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
        flat[part] = cls(**inner)
    return flat
