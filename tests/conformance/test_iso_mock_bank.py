"""mock-bank, a bank that nobody here wrote, takes our payment request, and what it answers names our ids."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from contracts.iso20022 import profile, registry, samples

server = pytest.importorskip("mockbank.server")
REQUEST = samples.REQUEST


class Bank:
    """The mock over HTTP."""

    def __init__(self, address: str) -> None:
        self._address = address

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(
            self._address + path, method=method, data=body, headers={"Content-Type": "application/xml"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return bytes(refused.read())

    def pay(self, request: Any = REQUEST) -> dict[str, Any]:
        body = etree.tostring(registry.build(request))
        return dict(json.loads(self.call("POST", "/payments", body)))

    def answers(self) -> list[Any]:
        """Every message it has sent, as documents."""
        raw = self.call("GET", "/_mock/mailbox?raw").decode()
        return [etree.fromstring(part.encode()) for part in re.split(r"(?=<\?xml\b)", raw) if part.strip()]


@pytest.fixture
def bank() -> Iterator[Bank]:
    running = server.make_server(server.Config(port=0, quiet=True, clock="2026-11-22T09:00"))
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    bank = Bank(f"http://127.0.0.1:{running.server_address[1]}")
    account = {"id": "CLAIMANT", "name": "x", "iban": REQUEST.debtor.iban, "bic": REQUEST.debtor.bic}
    bank.call("POST", "/_mock/accounts", json.dumps(account | {"currency": "AZN", "balance": 10_000_000}).encode())
    yield bank
    running.shutdown()
    thread.join()
    running.server_close()


def test_it_accepts_our_request_to_the_qepik(bank: Bank) -> None:
    """AOS-M2: a stranger's reading of amount, accounts and ids is ours."""
    taken = bank.pay()
    assert (taken["status"], taken["msg_id"]) == ("ACCP", REQUEST.message_id)
    assert [finding for finding in taken["findings"] if finding["level"] != "warning"] == []
    payment = taken["payments"][0]
    assert (payment["amount"], payment["currency"]) == (REQUEST.amount_minor, "AZN")
    assert payment["end_to_end_id"] == REQUEST.end_to_end_id


def test_it_refuses_an_account_it_does_not_hold(bank: Bank) -> None:
    elsewhere = replace(REQUEST, debtor=replace(REQUEST.debtor, iban=samples.BIDDER.iban))
    payment = bank.pay(elsewhere)["payments"][0]
    assert (payment["outcome"], payment["reason"]) == ("rejected", "AC02")


def test_a_repeated_document_number_is_a_duplicate_to_it_too(bank: Bank) -> None:
    """AOS-C3."""
    bank.pay()
    assert bank.pay()["reason"] == "DUPL"


def test_its_status_report_is_about_our_request_and_not_of_our_profile(bank: Bank, shared_testdata: Path) -> None:
    """AOS-C4: sound ISO 20022 of the version we speak, yet refused with the path, because it is not AÖS's."""
    bank.pay()
    (report,) = [answer for answer in bank.answers() if "pain.002.001.10" in answer.tag]
    etree.XMLSchema(etree.parse(shared_testdata / "iso20022-xsd" / "pain.002.001.10.xsd")).assertValid(report)
    layout, namespace = registry.named("pain.002.001.10").layout, registry.named("pain.002.001.10").namespace
    read: dict[str, Any] = {}
    for row in layout.rows:  # type: ignore[union-attr]
        read.update(row.take(report[0], namespace))
    assert read["original_message_id"] == REQUEST.message_id
    assert read["original_end_to_end_id"] == REQUEST.end_to_end_id
    assert profile.faults(etree.tostring(report))[0].refusal.facts["path"].startswith("/Document/CstmrPmtStsRpt")
