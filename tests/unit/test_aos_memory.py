"""AÖS's sandbox over a restart: told the same at the same times, it stands as it stood."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aos_town import OPERATOR_CLEARING, ROWS, Town, answer

from adapters.aos.central.orders import OrderState
from adapters.aos.central.system import InstantPaymentSystem
from adapters.aos.memory import Memory
from contracts.iso20022 import LimitChange, StatusKind
from contracts.iso20022.samples import BANK_BIC, MOMENT, OPERATOR_BIC, RETURN_REQUEST, SYSTEM_BIC, TRANSFER
from gateway.wire.iso_envelope import MessageIds

LATER = MOMENT + timedelta(seconds=30)


def fresh() -> InstantPaymentSystem:
    return InstantPaymentSystem(SYSTEM_BIC, ROWS, Town().rules, MessageIds("NABZAZ2CAIPS").next)


def lived(memory: Memory) -> InstantPaymentSystem:
    """An order that ran, one that nobody confirmed, a recall, a limit, and one from AZIPS."""
    system = fresh()
    unconfirmed = replace(TRANSFER, message_id="O2", end_to_end_id="e2")
    limit = LimitChange(
        message_id="L1", created_at=MOMENT, owner_bic=OPERATOR_BIC, account=OPERATOR_CLEARING, limit_minor=450_000
    )
    said: list[tuple[str, Any]] = [
        (TRANSFER.debtor.bic, TRANSFER),
        (TRANSFER.creditor.bic, answer(TRANSFER, StatusKind.AUTH)),
        (unconfirmed.debtor.bic, unconfirmed),
        (OPERATOR_BIC, limit),
        (BANK_BIC, replace(RETURN_REQUEST, original_message_id=TRANSFER.message_id)),
    ]
    for bic, message in said:
        memory.message(message, bic, MOMENT)
        system.handle(message, bic, MOMENT)
    memory.limit(OPERATOR_BIC, 7_000, "LIM1", MOMENT)
    system.limits.raised(OPERATOR_BIC, 7_000, MOMENT)
    system.tick(MOMENT)
    memory.time(MOMENT, LATER)
    system.tick(LATER)
    return system


def standing(system: InstantPaymentSystem) -> Any:
    return (
        system.ledger.balances(),
        [(posting.reference, posting.amount, posting.at) for posting in system.ledger.postings],
        {key: held.state for key, held in system.orders.items()},
        {key: held.state for key, held in system.recalls.items()},
        [system.ledger.limit(row.clearing_account) for row in ROWS],
        system._core.numbers,
    )


def test_after_a_restart_it_stands_as_it_stood_and_takes_no_number_twice(tmp_path: Path) -> None:
    """AOS-C3: a repetition is one over restarts too."""
    before = lived(Memory(tmp_path / "aos.jsonl"))
    assert OrderState.REJECTED in {held.state for held in before.orders.values()}
    after, heard = fresh(), list[Any]()
    orders = Memory(tmp_path / "aos.jsonl").tell(after, heard.append)
    assert standing(after) == standing(before)
    assert orders == {(OPERATOR_BIC, "LIM1")}
    assert heard[0] == TRANSFER
    (again,) = after.handle(TRANSFER, TRANSFER.debtor.bic, LATER)
    assert [reason.code for reason in again.message.reasons] == ["AM05"]


def test_a_line_that_a_death_cut_off_is_forgotten_and_the_file_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "aos.jsonl"
    memory = Memory(path)
    memory.message(TRANSFER, TRANSFER.debtor.bic, MOMENT)
    whole = path.read_bytes()
    for cut in (1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole + whole[:cut])
        system = fresh()
        Memory(path).tell(system, lambda message: None)
        assert path.read_bytes() == whole
        assert list(system.orders) == [TRANSFER.message_id]


def test_without_a_file_nothing_is_kept_and_nothing_told(tmp_path: Path) -> None:
    memory, system = Memory(None), fresh()
    memory.message(TRANSFER, TRANSFER.debtor.bic, MOMENT)
    assert memory.tell(system, lambda message: None) == set()
    assert system.orders == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("known", ["aos.jsonl", "not there yet.jsonl"])
def test_a_file_that_is_empty_or_not_there_is_a_beginning(tmp_path: Path, known: str) -> None:
    (tmp_path / "aos.jsonl").touch()
    assert Memory(tmp_path / known).tell(fresh(), lambda message: None) == set()
