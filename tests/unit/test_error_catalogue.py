"""The error catalogue is whole: every code in every language, and nothing that no code names."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from contracts.errors import ErrorCode, Refusal
from contracts.errors.catalogue import LANGUAGES, describe, entries
from contracts.errors.page import page

_RAW = tomllib.loads(resources.files("contracts.errors").joinpath("catalogue.toml").read_text(encoding="utf-8"))


def _placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def test_every_code_has_an_entry_and_every_entry_a_code() -> None:
    assert set(_RAW) == {code.value for code in ErrorCode}


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_is_told_in_every_language(code: ErrorCode) -> None:
    entry = entries()[code]
    assert tuple(entry.texts) == LANGUAGES
    for text in entry.texts.values():
        assert text.title.strip()
        assert not text.title.endswith(".")
        assert text.detail.endswith((".", "]."))
        assert text.remedy.endswith(".")


@pytest.mark.parametrize("code", ErrorCode)
def test_the_languages_tell_the_same_facts(code: ErrorCode) -> None:
    texts = entries()[code].texts
    assert len({frozenset(_placeholders(text.detail)) for text in texts.values()}) == 1


@pytest.mark.parametrize("code", ErrorCode)
def test_every_placeholder_stands_in_an_optional_part(code: ErrorCode) -> None:
    for text in entries()[code].texts.values():
        assert not _placeholders(re.sub(r"\[[^\[\]]*\]", "", text.detail))
        assert not _placeholders(text.title + text.remedy)


@pytest.mark.parametrize("code", ErrorCode)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refusal_without_facts_still_reads_as_a_sentence(code: ErrorCode, language: str) -> None:
    problem = describe(Refusal(code=code), language)
    assert not set("[]{}") & set(problem.detail)
    assert "  " not in problem.detail
    assert problem.detail.endswith(".")
    assert 400 <= problem.http_status < 600


def test_the_facts_of_a_case_are_told() -> None:
    refusal = Refusal(code=ErrorCode.SCHEMA_INVALID, facts={"path": "/Document/Amt", "fault": "not a decimal"})
    assert describe(refusal, "en").detail == (
        "The content does not follow the schema, at /Document/Amt. Fault: not a decimal."
    )
    assert "/Document/Amt" in describe(refusal).detail


def test_a_fact_is_never_read_as_a_template() -> None:
    refusal = Refusal(code=ErrorCode.SCHEMA_INVALID, facts={"path": "[{fault}]", "fault": "{path}\n\n" + "x" * 999})
    detail = describe(refusal, "en").detail
    assert "at [{fault}]. Fault: {path} xxx" in detail
    assert len(detail) < 500
    assert "\n" not in detail


def test_an_unknown_language_is_told_in_azerbaijani() -> None:
    refusal = Refusal(code=ErrorCode.LOT_UNKNOWN, facts={"id": "L-1"})
    assert describe(refusal, "fr") == describe(refusal, "az")
    assert describe(refusal).title == "Lot tapılmadı"


@pytest.mark.parametrize(
    ("code", "status", "retry"),
    [
        (ErrorCode.SIGNATURE_INVALID, 401, False),
        (ErrorCode.NOT_PERMITTED, 403, False),
        (ErrorCode.ID_CONFLICT, 409, False),
        (ErrorCode.SCHEMA_INVALID, 422, False),
        (ErrorCode.BODY_TOO_LARGE, 413, False),
        (ErrorCode.REVOCATION_UNKNOWN, 503, True),
        (ErrorCode.STORE_UNAVAILABLE, 503, True),
        (ErrorCode.INTERNAL, 500, True),
    ],
)
def test_status_and_retry_say_what_the_sender_does_next(code: ErrorCode, status: int, retry: bool) -> None:
    problem = describe(Refusal(code=code))
    assert (problem.http_status, problem.retry) == (status, retry)


def test_only_our_own_trouble_invites_the_same_message_again() -> None:
    assert all(entry.http_status >= 500 for entry in entries().values() if entry.retry)


def _calls() -> Iterator[ast.Call]:
    root = Path(__file__).resolve().parents[2]
    for folder in ("adapters", "certs", "contracts", "gateway"):
        for path in (root / folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _facts_given() -> set[tuple[str, str]]:
    """Every (code, fact) that code writes out, as `refuse(ErrorCode.X, fact=…)` or `Refusal(code=…, facts={…})`."""
    given = set()
    for call in _calls():
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        match call:
            case ast.Call(func=ast.Name(id="refuse"), args=[ast.Attribute(attr=code)]):
                given |= {(code, fact) for fact in named if fact is not None}
            case ast.Call(func=ast.Name(id="Refusal")):
                match named.get("code"), named.get("facts"):
                    case ast.Attribute(attr=code), ast.Dict(keys=keys):
                        given |= {(code, str(key.value)) for key in keys if isinstance(key, ast.Constant)}
    return {(code, fact) for code, fact in given if code in set(ErrorCode)}


def test_every_fact_that_code_gives_is_told() -> None:
    """Our own trouble (INTERNAL) keeps its facts to the journal."""
    told = {(code.value, fact) for code in ErrorCode for fact in _placeholders(entries()[code].texts["az"].detail)}
    given = {(code, fact) for code, fact in _facts_given() if code != ErrorCode.INTERNAL}
    assert len(given) > 40
    assert given - told == set()


def test_the_page_of_refusals_is_the_one_that_is_written() -> None:
    root = Path(__file__).resolve().parents[2]
    assert (root / "docs" / "refusals.md").read_text("utf-8") == "".join(page()), "make refusals"
