"""A revision says in its name whom it serves, and the steps that say they only add do only add (ADR 24)."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

from gateway.store import migrations, revisions
from gateway.store.revisions import Revision, SchemaError, check_served, known, read, steps_after

VERSIONS = sorted((Path(migrations.__file__).parent / "versions").glob("v*.py"))
ADDING = frozenset({"add_column", "create_index", "create_table"})


@pytest.mark.parametrize(
    ("name", "number", "least"),
    [
        ("v0011", 11, 11),
        ("v0011_bound.py", 11, 11),
        ("v0012_serves_v0011", 12, 11),
        ("v0014_serves_v0011_more.py", 14, 11),
        ("v0012_serves_all.py", 12, 12),
    ],
)
def test_a_name_says_number_and_whom_it_serves(name: str, number: int, least: int) -> None:
    said = read(name)
    assert (said.number, said.least) == (number, least)
    assert name.startswith(said.name)


@pytest.mark.parametrize("name", ["", "12", "head", "x0012"])
def test_another_name_is_not_ours(name: str) -> None:
    with pytest.raises(SchemaError, match="no version of this program"):
        read(name)


@pytest.mark.parametrize(
    ("stands", "missing"),
    [(None, [10, 11]), ("v0009", [10, 11]), ("v0010", [11]), ("v0011", []), ("v0012_serves_v0010", [])],
)
def test_what_is_missing_is_what_is_newer_than_what_stands(
    monkeypatch: pytest.MonkeyPatch, stands: str | None, missing: list[int]
) -> None:
    monkeypatch.setattr(revisions, "known", lambda: (read("v0010"), read("v0011_serves_v0010")))
    assert [step.number for step in steps_after(stands)] == missing


@pytest.mark.parametrize("stands", ["v9999", "v9999_serves_v9998"])
def test_who_is_not_served_is_told_what_to_do(stands: str) -> None:
    with pytest.raises(SchemaError, match=f"schema {stands}, which serves programs from .*Going back"):
        check_served(stands)


@pytest.mark.parametrize("file", VERSIONS, ids=lambda file: str(file.stem))
def test_every_step_is_called_as_its_file_and_follows_the_one_before(file: Path) -> None:
    step, place = import_module(f"gateway.store.migrations.versions.{file.stem}"), VERSIONS.index(file)
    assert step.revision == read(file.name).name
    assert step.down_revision == (read(VERSIONS[place - 1].name).name if place else None)
    assert known()[place].number == place + 1


@pytest.mark.parametrize("file", VERSIONS, ids=lambda file: str(file.stem))
def test_a_step_that_says_it_serves_programs_of_before_only_adds(file: Path) -> None:
    said = read(file.name)
    if said.least < said.number:
        assert not_adding(file.read_text()) == set()


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ('op.add_column("a", sa.Column("b", sa.Text(), nullable=True))', set()),
        ('op.create_table("a")', set()),
        ('op.add_column("a", sa.Column("b", sa.Text(), nullable=False))', {"nullable=False"}),
        ('op.drop_column("a", "b")', {"drop_column"}),
        ('op.execute("UPDATE a SET b = 1")', {"execute"}),
    ],
)
def test_what_does_not_only_add_is_found(step: str, found: set[str]) -> None:
    assert not_adding(step) == found


def not_adding(source: str) -> set[str]:
    """What of a step's text does more than add what programs of before need not know."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    done = {call.func.attr for call in calls if isinstance(call.func, ast.Attribute) and _is_op(call.func.value)}
    added = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "add_column"]
    columns = [argument for call in added for argument in call.args[1:] if isinstance(argument, ast.Call)]
    demanded = any(not _may_be_left_out(column) for column in columns)
    return (done - ADDING) | ({"nullable=False"} if demanded else set())


def _is_op(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "op"


def _may_be_left_out(column: ast.Call) -> bool:
    said = {word.arg: word.value for word in column.keywords}
    nullable = said.get("nullable")
    return "server_default" in said or (isinstance(nullable, ast.Constant) and nullable.value is True)


def test_a_revision_serves_programs_from_its_least_on() -> None:
    stands = Revision(name="v0014_serves_v0012", number=14, least=12)
    assert [stands.serves(read(f"v{number:04}")) for number in (11, 12, 13, 14, 15)] == [False, True, True, True, True]
