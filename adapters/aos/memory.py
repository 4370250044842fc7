"""What was said to AÖS's sandbox and when, a line each, so that it can be told again after a restart.

The central system is a pure function of that: told the same at the same times it stands as it stood, its message ids
included. What it had still to say is not said again; participants ask, as they would.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from lxml import etree

from adapters.aos.central.system import InstantPaymentSystem
from contracts.iso20022 import registry
from contracts.xml import parse_xml


class Memory:
    """One file, written before anything follows from what was said. `path` None: nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def message(self, message: Any, sender_bic: str, at: datetime) -> None:
        """A participant's message."""
        document = etree.tostring(registry.build(message), encoding="unicode")
        self._keep({"at": at.isoformat(), "from": sender_bic, "name": registry.type_of(message).name, "said": document})

    def limit(self, bic: str, amount: int, reference: str, at: datetime) -> None:
        """A limit order that AZIPS has told of."""
        self._keep({"at": at.isoformat(), "limit": [bic, amount, reference]})

    def time(self, before: datetime, at: datetime) -> None:
        """Time has brought something between these two looks at the clock."""
        self._keep({"at": at.isoformat(), "before": before.isoformat()})

    def tell(self, system: InstantPaymentSystem, heard: Callable[[Any], object]) -> set[tuple[str, str]]:
        """Tell it all again; `heard` hears the messages too. The limit orders that were there, by BIC and reference."""
        orders: set[tuple[str, str]] = set()
        for line in self._lines():
            at = datetime.fromisoformat(line["at"])
            if "limit" in line:
                bic, amount, reference = line["limit"]
                orders.add((bic, reference))
                system.limits.raised(bic, amount, at)
            elif "before" in line:
                system.tick(datetime.fromisoformat(line["before"]))
                system.tick(at)
            else:
                message = registry.read(parse_xml(line["said"].encode()), registry.named(line["name"]))
                system.handle(message, line["from"], at)
                heard(message)
        return orders

    def _keep(self, line: dict[str, Any]) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _lines(self) -> Iterator[dict[str, Any]]:
        """A line that a death cut off was answered to nobody: it goes."""
        if self._path is None or not self._path.exists():
            return
        whole, _, cut = self._path.read_text("utf-8").rpartition("\n")
        if cut:
            self._path.write_text(f"{whole}\n" if whole else "", "utf-8")
        for line in whole.splitlines():
            yield json.loads(line)
