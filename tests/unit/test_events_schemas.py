"""The committed JSON Schemas say what the models say. `UPDATE_GENERATED=1` writes them anew."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import pytest

from contracts.events.notices import KINDS
from contracts.events.schemas import schema_files
from gateway.domain.dispatches import NoticeKind

DIRECTORY = Path(str(resources.files("contracts.events.schemas")))


@pytest.mark.parametrize("name", sorted(schema_files()))
def test_a_committed_schema_is_what_the_model_says(name: str) -> None:
    if os.environ.get("UPDATE_GENERATED") == "1":
        (DIRECTORY / name).write_text(schema_files()[name], encoding="utf-8")
    assert (DIRECTORY / name).read_text(encoding="utf-8") == schema_files()[name]


def test_no_schema_is_left_over() -> None:
    assert {path.name for path in DIRECTORY.glob("*.json")} == set(schema_files())


def test_every_notice_kind_of_the_domain_has_its_type_on_the_wire() -> None:
    assert set(KINDS) == {kind.value for kind in NoticeKind}
