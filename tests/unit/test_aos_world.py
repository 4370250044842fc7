"""What a world file may say of AÖS: every account, the operating schedule, faults (AOS-G3, AOS-G5)."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from datetime import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.aos.central.checks import OperatingRules
from adapters.aos.faults import Fault, FaultKind
from adapters.aos.sandbox import Participant
from contracts.fields import iban_is_valid
from gateway.cli.sandbox import _in_qepik
from gateway.cli.world import AosPart, FaultPart, ParticipantPart, World, packaged
from gateway.domain.money import Money

SAID = """
adjustments = ["13:00", "18:00"]
warning_threshold = "1000.00"

[[faults]]
kind = "late"
amounts = ["50.00"]
delay_s = 3.0

[[participants]]
bic = "RBTNAZ22"
code = "999303"
name = "Dolayı Nümunə Bankı"
clearing_account = "C-3"
url = "http://127.0.0.1:1"
opening_balance = "0.00"
debit_limit = "2500.00"
settled_by = "EHRNAZ22"
"""


def _aos(text: str) -> AosPart:
    demo = tomllib.loads(packaged("demo_world.toml"))
    said = tomllib.loads(text)
    merged = demo["aos"] | said | {"participants": [*demo["aos"]["participants"], *said.pop("participants", [])]}
    return World.model_validate(demo | {"aos": merged}).aos


def test_a_world_names_schedule_faults_and_indirect_participants():
    """AOS-G3, AOS-G5: amounts are written as money and become integer qəpik."""
    part = _aos(SAID)
    indirect = Participant(**_in_qepik(part.participants[-1]))
    assert (indirect.debit_limit, indirect.settled_by, indirect.opening_balance) == (250_000, "EHRNAZ22", 0)
    assert part.adjustments == (time(13), time(18))
    assert part.warning_threshold == Money(100_000)
    fault = Fault(**_in_qepik(part.faults[0]))
    assert (fault.kind, fault.amounts, fault.delay_s) == (FaultKind.LATE, frozenset({5_000}), 3.0)


@pytest.mark.parametrize(("part", "settings"), [(ParticipantPart, Participant), (FaultPart, Fault)])
def test_a_world_can_say_everything_the_sandbox_can_do(part, settings):
    assert set(part.model_fields) == {field.name for field in fields(settings)}


def test_a_world_can_say_the_whole_operating_schedule():
    """AOS-G5."""
    assert {field.name for field in fields(OperatingRules)} <= set(AosPart.model_fields)


def test_a_fault_nobody_knows_is_refused():
    with pytest.raises(ValidationError, match="kind"):
        _aos('[[faults]]\nkind = "lazy"')


def test_the_world_in_the_sandboxs_description_is_one():
    """docs/aos.md shows every setting; a participant of it can be made."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "aos.md").read_text("utf-8")
    shown = tomllib.loads(text.split("```toml")[1].split("```")[0])["aos"]
    part = AosPart.model_validate(shown)
    direct, indirect = (Participant(**_in_qepik(row)) for row in part.participants)
    assert direct.settlement_limit <= direct.azips_funds
    assert indirect.settled_by == direct.bic
    assert set(shown) == set(AosPart.model_fields)
    assert all(iban_is_valid(row.clearing_account) for row in part.participants)
    assert all(f"`{kind}`" in text for kind in FaultKind)
