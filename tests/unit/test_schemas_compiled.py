"""Schemas are compiled one at a time: two threads at once spoil libxml2's table of built-in types."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from lxml import etree

from contracts import xml


def test_two_threads_never_compile_a_schema_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, most = 0, 0
    compiled = etree.XMLSchema

    def slowly(tree: Any) -> Any:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.02)
        at_once -= 1
        return compiled(tree)

    monkeypatch.setattr(xml.etree, "XMLSchema", slowly)
    threads = [
        threading.Thread(target=xml.CompiledSchema, args=("contracts.protocol", "protocol-1.xsd")) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
