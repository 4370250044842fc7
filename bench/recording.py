"""What the gateway called while it served: every signature, verification, parse, validation, print and statement.

`recorded_serve` puts wrappers around the primitives, wherever they are already imported. A call inside another (the
canonical form inside a signature) is kept as a part of it. Inputs are kept as bytes, so that they can be played again,
bare, in another process. Our checks of our own signatures are counted and not played: the floor goes without them.
"""

from __future__ import annotations

import functools
import pickle
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lxml import etree

from gateway.store.mapping import to_values

_OURS = ("gateway", "adapters", "certs", "contracts")
SELF_CHECK = "self-check of our own signatures"
HTTP_IN, HTTP_OUT = "HTTP requests answered", "HTTP requests made"


@dataclass(slots=True)
class Call:
    """One call: `kind` says how to play it again, `inputs` with what; `parts` are the calls inside it."""

    kind: str
    inputs: tuple[Any, ...]
    parts: list[Call] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement with its values; `changed` is the number of rows it gave or touched."""

    sql: str
    values: dict[str, Any]
    changed: int


def named(values: Any) -> dict[str, Any]:
    """A statement's values by name, as the store was given them: a mapping or a row."""
    return dict(values) if isinstance(values, Mapping) else to_values(values)


@dataclass(slots=True)
class Recording:
    """A whole run. `commits` are the statements of each group that was committed together."""

    calls: list[Call] = field(default_factory=list)
    commits: list[list[Statement]] = field(default_factory=list)
    works: int = 0  # transactions of the engine in those groups
    counts: Counter[str] = field(default_factory=Counter)

    def save(self, path: Path) -> None:
        """Write it down."""
        path.write_bytes(pickle.dumps(self))

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read what `save` wrote; only ever a file of this bench's own run."""
        recording: Recording = pickle.loads(path.read_bytes())
        return recording


class Recorder:
    """Wraps and records. One per process."""

    def __init__(self) -> None:
        self.recording = Recording()
        self._local = threading.local()

    def wrap(self, original: Callable[..., Any], inputs: Callable[..., tuple[Any, ...]], kind: str) -> None:
        """Record every call of a function; `inputs` makes of its arguments what is kept."""

        @functools.wraps(original)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            if self._is_checking():
                return original(*args, **kwargs)
            call = Call(kind, inputs(*args, **kwargs))
            with self._inside(call):
                return original(*args, **kwargs)

        replace(original, recorded)

    def wrap_check(self, original: Callable[..., Any]) -> None:
        """Count a check of our own work, and record nothing inside it."""

        @functools.wraps(original)
        def checked(*args: Any, **kwargs: Any) -> Any:
            self.recording.counts[SELF_CHECK] += 1
            self._local.checking = True
            try:
                return original(*args, **kwargs)
            finally:
                self._local.checking = False

        replace(original, checked)

    def wrap_counted(self, original: Callable[..., Any], name: str) -> None:
        """Count the calls of a coroutine function."""

        @functools.wraps(original)
        async def counted(*args: Any, **kwargs: Any) -> Any:
            self.recording.counts[name] += 1
            return await original(*args, **kwargs)

        replace(original, counted)

    def note(self, kind: str, *inputs: Any) -> None:
        """Record a call without anything inside it."""
        if not self._is_checking():
            self._keep(Call(kind, inputs))

    @contextmanager
    def _inside(self, call: Call) -> Iterator[None]:
        outer = getattr(self._local, "open", None)
        self._keep(call)
        self._local.open = call
        try:
            yield
        finally:
            self._local.open = outer

    def _keep(self, call: Call) -> None:
        outer = getattr(self._local, "open", None)
        (self.recording.calls if outer is None else outer.parts).append(call)

    def _is_checking(self) -> bool:
        return getattr(self._local, "checking", False)


def replace(original: Any, wrapper: Any) -> None:
    """Put the wrapper wherever our modules hold the original: `from x import y` has made copies of the name."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _OURS:
            for attribute, value in list(vars(module).items()):
                if value is original:
                    setattr(module, attribute, wrapper)


def xml_of(element: etree._Element) -> bytes:
    """An element as bytes that can be parsed again."""
    return etree.tostring(element, with_tail=False)
