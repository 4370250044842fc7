"""docs/rules.md is the truth: every rule once, kept by code and shown by tests that cite it, or *open*."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
_LIST = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ((?:EHR|AOS|PSP|CLM|VLT)-\S+) \| .* \| (.*) \| (.*) \|$", _LIST, re.MULTILINE)


@pytest.fixture(scope="module")
def rules() -> ModuleType:
    spec = importlib.util.spec_from_file_location("rules_script", ROOT / "scripts" / "rules.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_list_says_what_code_and_tests_cite(rules: ModuleType) -> None:
    assert list(rules.faults()) == []


def test_every_rule_stands_in_the_list_exactly_once(rules: ModuleType) -> None:
    """Read from the rule files by the plainest means there is, so that the script cannot overlook one."""
    if not rules.RULES.is_dir():
        pytest.skip("the rule files are not beside the repository (../shared/rules)")
    files = [rules.RULES / f"{family}.md" for family in ("aos", "ehr", "psp", "clm", "vlt")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    named = set(re.findall(r"\b(?:EHR|AOS|PSP|CLM|VLT)-[A-Z]?[0-9]+(?:\.t?[0-9]+)*", text))
    named |= {"PSP-8.1.6", "VLT-4.11"}  # written as 8.1.5/8.1.6 and 4.10–4.11
    listed = [row[0] for row in ROWS]
    assert sorted(listed) == sorted(named)


@pytest.mark.parametrize(("rule", "kept_by", "shown_by"), ROWS, ids=[row[0] for row in ROWS])
def test_what_a_row_names_exists(rule: str, kept_by: str, shown_by: str) -> None:
    if kept_by == "*open*":
        assert not shown_by.strip()
        return
    for path in re.findall(r"`([^`]+)`", kept_by):
        assert rule in (ROOT / path).read_text(encoding="utf-8")
    assert re.findall(r"`([^`]+)`", shown_by)
    for node in re.findall(r"`([^`]+)`", shown_by):
        path, *names = node.split("::")
        source = (ROOT / path).read_text(encoding="utf-8")
        assert all(re.search(rf"\b(?:def|class) {name}\b", source) for name in names)
        assert rule in source or rule.lower().replace("-", "_") in source


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("keeps EHR-12, and AOS-C9.", ("EHR-12", "AOS-C9")),
        ("EHR-1 is not EHR-12", ("EHR-1", "EHR-12")),
        ("a range EHR-11…16 claims nothing", ()),
        ("PSP-7.1.2 and CLM-10.t3 (VLT-4.10)", ("PSP-7.1.2", "CLM-10.t3", "VLT-4.10")),
    ],
)
def test_a_citation_is_read_exactly(rules: ModuleType, text: str, cited: tuple[str, ...]) -> None:
    assert rules.ids(text) == cited


@pytest.mark.parametrize(
    ("name", "cited"),
    [("test_ehr_12_money_needs_its_case", "EHR-12"), ("test_keeps_aos_c9", "AOS-C9"), ("test_share_12", "")],
)
def test_a_tests_name_may_cite_a_rule(rules: ModuleType, name: str, cited: str) -> None:
    assert rules._ids_in_name(name) == cited
