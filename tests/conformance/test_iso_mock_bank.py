"""mock-bank, a bank that nobody here wrote, takes our payment request, and we read all that it answers."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from contracts.iso20022 import generic, profile, registry, samples

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
            with urllib.request.urlopen(request, timeout=60) as answer:
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


def test_its_status_reports_are_read_though_our_rail_would_refuse_them(bank: Bank, shared_testdata: Path) -> None:
    """AOS-C4: sound ISO 20022 of the version we speak, read as such; our profile refuses it with the path."""
    bank.pay()
    bank.pay(replace(REQUEST, message_id="X2", debtor=replace(REQUEST.debtor, iban=samples.BIDDER.iban)))
    documents = bank.answers()
    schema = etree.XMLSchema(etree.parse(shared_testdata / "iso20022-xsd" / "pain.002.001.10.xsd"))
    for document in documents:
        schema.assertValid(document)
        assert profile.faults(etree.tostring(document))[0].refusal.facts["path"].startswith("/Document/CstmrPmtStsRpt")
    accepted, refused = (generic.read(etree.tostring(document)) for document in documents)
    assert isinstance(accepted, generic.StatusReport)
    assert isinstance(refused, generic.StatusReport)
    assert (accepted.original_message_id, accepted.status) == (REQUEST.message_id, "ACCP")
    assert accepted.original_message_name == "pain.001.001.09"
    assert (refused.original_message_id, refused.status) == ("X2", "RJCT")
    ours = REQUEST.instruction_id, REQUEST.end_to_end_id
    for report, status, codes in ((accepted, "ACCP", []), (refused, "RJCT", ["AC02"])):
        (row,) = report.transactions
        assert (row.original_instruction_id, row.original_end_to_end_id) == ours
        assert (row.status, [reason.code for reason in row.reasons]) == (status, codes)
    assert refused.transactions[0].reasons[0].text.startswith("the debtor account")


def test_its_notices_and_statements_are_read_to_the_qepik(bank: Bank, shared_testdata: Path) -> None:
    """Everything it sends once the day has come: whatever it is of, the booking of our request stands in it."""
    bank.pay()
    bank.call("POST", "/_mock/advance?days=3")
    documents = [document for document in bank.answers() if "pain.002" not in document.tag]
    for document in documents:
        name = document.tag[1:].partition("}")[0].rpartition(":")[2]
        etree.XMLSchema(etree.parse(shared_testdata / "iso20022-xsd" / f"{name}.xsd")).assertValid(document)
    reports = [generic.read(etree.tostring(document)) for document in documents]
    assert {report.message_name[:8] for report in reports} == {"camt.053", "camt.054"}
    for name in ("camt.053", "camt.054"):
        (entry,) = _entries_of_ours(reports, name)
        assert entry.account == REQUEST.debtor.iban
        assert (entry.amount, entry.currency) == (Decimal(REQUEST.amount_minor).scaleb(-2), "AZN")
        assert (entry.credit, entry.status) == (False, "BOOK")
        assert entry.original_message_id == REQUEST.message_id


def _entries_of_ours(reports: list[generic.ForeignReport], name: str) -> list[generic.AccountEntry]:
    kinds = [report for report in reports if isinstance(report, generic.AccountReport) and name in report.message_name]
    entries = [entry for report in kinds for entry in report.entries]
    return [entry for entry in entries if entry.original_end_to_end_id == REQUEST.end_to_end_id]
