"""A payment above the custody limit, approved by two persons with keys of their own (VLT-3.2)."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from town import Town

from certs.asice import MEDIA_TYPE, seal
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.person import Decision, MoneyStatement, write
from contracts.person.statement import FILE_NAME
from gateway.cli.person import approve
from gateway.cli.pki import issue
from gateway.doors.persons import decide

ID = "L1.purchase"
PERSONS = ("APPROVER1", "APPROVER2", "APPROVER3")


@pytest_asyncio.fixture
async def waiting(tmp_path: Path) -> AsyncIterator[Town]:
    """A lot for 150 000 AZN, taken by its claimant: the purchase waits for approval."""
    town = await Town(tmp_path).open(EHERRAC__CUSTODY__APPROVERS='["APPROVER1", "APPROVER2"]')
    for person in PERSONS:
        issue(person, f"{person} (nümunə)", dir=town.folder / "keys")
    await town.announce(startingPrice="150000.00")
    await town.unsold()
    await town.decide("999101")
    yield town
    await town.close()


async def _decide(town: Town, person: str, *, later: timedelta = timedelta(), **changes: Any) -> str:
    values: dict[str, Any] = {
        "decision": Decision.APPROVE,
        "subject_id": ID,
        "amount": "150000.00",
        "creditor_iban": "AZ73EHRN01010000000000000001",
    }
    statement = MoneyStatement(**(values | changes))
    now = town.now()
    container = seal({FILE_NAME: ("application/json", write(statement))}, town.identity(person).credential, now=now)
    return (await decide(town.system.engine, container, town.identity("GATEWAY").trust, now=now + later)).state


async def test_two_persons_release_it_and_their_words_are_kept(waiting: Town) -> None:
    """VLT-3.2: nothing leaves before the second; each container is evidence of the payment."""
    assert (await waiting.noun("payment", ID)).state == "awaiting_approval"
    assert await _decide(waiting, "APPROVER1") == "awaiting_approval"
    assert await _decide(waiting, "APPROVER2") == "awaiting_transfer"
    evidence = await waiting.system.store.read(lambda reader: reader.evidence_of("payment", ID))
    assert [row.signer for row in evidence if row.media_type == MEDIA_TYPE] == ["APPROVER1", "APPROVER2"]


def _packed_anew(container: bytes) -> bytes:
    """The same files, the same signature, other octets."""
    anew = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(container)) as old, zipfile.ZipFile(anew, "w") as new:
        for info in old.infolist():
            new.writestr(zipfile.ZipInfo(info.filename), old.read(info), zipfile.ZIP_STORED)
    return anew.getvalue()


async def test_a_container_packed_anew_says_nothing_new(waiting: Town) -> None:
    """VLT-4.4: anybody can pack it; what counts is what the person signed, and that once."""
    now = waiting.now()
    statement = MoneyStatement(
        decision=Decision.APPROVE, subject_id=ID, amount="150000.00", creditor_iban="AZ73EHRN01010000000000000001"
    )
    key = waiting.identity("APPROVER1").credential
    container = seal({FILE_NAME: ("application/json", write(statement))}, key, now=now)
    assert container != _packed_anew(container)
    answers = [
        await decide(waiting.system.engine, octets, waiting.identity("GATEWAY").trust, now=now)
        for octets in (container, _packed_anew(container))
    ]
    assert [answer.repeated for answer in answers] == [False, True]


@pytest.mark.parametrize(
    ("person", "changes", "code"),
    [
        ("APPROVER3", {}, ErrorCode.NOT_PERMITTED),  # certified, not on the list
        ("999101", {}, ErrorCode.NOT_PERMITTED),  # the maker (VLT-4.4)
        ("APPROVER1", {"amount": "1.00"}, ErrorCode.AMOUNT_MISMATCH),
        ("APPROVER1", {"subject_id": "L404.purchase"}, ErrorCode.PAYMENT_UNKNOWN),
        ("APPROVER1", {"later": timedelta(minutes=6)}, ErrorCode.SIGNATURE_AGE),
        ("APPROVER1", {"later": timedelta(minutes=-6)}, ErrorCode.SIGNATURE_AGE),
    ],
)
async def test_a_word_that_does_not_count(waiting: Town, person: str, changes: dict[str, Any], code: ErrorCode) -> None:
    """VLT-4.4: only persons on the list, never the maker, on what they saw, now."""
    with pytest.raises(RefusedError) as refused:
        await _decide(waiting, person, **changes)
    assert refused.value.refusal.code is code


async def test_a_decline_refuses_it(waiting: Town) -> None:
    assert await _decide(waiting, "APPROVER2", decision=Decision.DECLINE, reason="sənəd yoxdur") == "refused"
    assert (await waiting.noun("lot", "L1")).state == "held"


async def test_a_person_approves_on_the_command_line(
    waiting: Town, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`payment approve ID --person CODE`: shows what is approved, seals it with the person's key."""
    monkeypatch.setenv("EHERRAC__STORE__URL", f"sqlite:///{waiting.folder / 'eherrac.db'}")
    monkeypatch.setenv("EHERRAC__CUSTODY__APPROVERS", '["APPROVER1", "APPROVER2"]')
    for person in ("APPROVER1", "APPROVER2"):
        await asyncio.to_thread(
            approve, ID, person=person, keys=waiting.folder / "keys", config=waiting.folder / "gateway.toml"
        )
    shown = capsys.readouterr().out
    assert "150000.00 AZN → AZ73EHRN01010000000000000001" in shown
    assert f"{ID} awaiting_transfer" in shown
