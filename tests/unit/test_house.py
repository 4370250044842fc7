"""Rules of the house that no linter knows: pure packages stay pure, the lock is the project's, files stay small."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = sorted(path for folder in ("certs", "contracts", "gateway/domain") for path in (ROOT / folder).rglob("*.py"))
CODE = sorted(
    path
    for folder in ("adapters", "bench", "certs", "contracts", "gateway", "scripts")
    for path in (ROOT / folder).rglob("*.py")
)
_IMPURE = re.compile(
    r"^(open|input|print|datetime\.now|datetime\.utcnow|datetime\.today|date\.today|time\.\w+|os\.\w+)$"
)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _calls(tree: ast.AST) -> Iterator[str]:
    return (ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))


@pytest.mark.parametrize("path", PURE, ids=_name)
def test_pure_code_asks_neither_clock_nor_system(path: Path) -> None:
    """certs, contracts and the domain are functions of their arguments, the time included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [call for call in _calls(tree) if _IMPURE.match(call)] == []


@pytest.mark.parametrize("path", CODE, ids=_name)
def test_nothing_reads_the_environment_at_import(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    inside = {id(node) for part in ast.walk(tree) if isinstance(part, functions) for node in ast.walk(part)}
    reading = [
        ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and id(node) not in inside
    ]
    assert not {"os.environ", "os.getenv"} & set(reading)


@pytest.mark.parametrize("path", CODE, ids=_name)
def test_no_file_outgrows_a_readers_patience(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def test_no_two_modules_of_tests_share_a_name() -> None:
    """Else pytest, called without folders, collects none of them."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def _pins(lock: str) -> dict[str, str]:
    lines = re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE)
    return {name: version.rstrip("\\") for name, version in lines}


def _canonical(requirement: str) -> tuple[str, str]:
    name, _, version = requirement.partition("==")
    return re.sub(r"[-_.]+", "-", re.sub(r"\[.*\]", "", name)).lower(), version


def test_the_locks_hold_what_the_project_asks_for() -> None:
    """`make lock` was run after the last change of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    run = dict(map(_canonical, [*project["dependencies"], *extras["build"]]))
    dev = run | dict(map(_canonical, extras["dev"]))
    assert all(run.values())
    assert run.items() <= _pins("requirements.lock").items()
    assert dev.items() <= _pins("requirements-dev.lock").items()
    assert _pins("requirements.lock").items() <= _pins("requirements-dev.lock").items()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_pin_of_a_lock_has_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = [entry for entry in re.split(r"\n(?=[a-z0-9])", text) if "==" in entry]
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
