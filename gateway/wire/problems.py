"""Refusals as RFC 9457 problem documents; every text comes from the error catalogue."""

from __future__ import annotations

from typing import Any

import orjson

from contracts.errors import Refusal
from contracts.errors.catalogue import describe

PROBLEM_TYPE = "application/problem+json"
LANGUAGES = ("az", "en", "ru")


def preferred_language(accept_language: str) -> str:
    """The first language of Accept-Language that the catalogue speaks; Azerbaijani otherwise. Weights are ignored."""
    for part in accept_language.split(",")[:10]:
        language = part.split(";")[0].strip().lower().split("-")[0]
        if language in LANGUAGES:
            return language
    return LANGUAGES[0]


def problem_document(refusal: Refusal, language: str = "az") -> tuple[int, dict[str, Any]]:
    """HTTP status and document: `type`, `title`, `status`, `detail`, then our members, then both house languages."""
    problem = describe(refusal, language)
    document: dict[str, Any] = {
        "type": f"urn:eherrac:error:{refusal.code}",
        "title": problem.title,
        "status": problem.http_status,
        "detail": problem.detail,
        "code": str(refusal.code),
        "remedy": problem.remedy,
        "retry": problem.retry,
        "who_acts": problem.who_acts,
        "facts": dict(refusal.facts),
    }
    for tongue in ("az", "en"):
        said = describe(refusal, tongue)
        document[tongue] = {"title": said.title, "detail": said.detail, "remedy": said.remedy}
    return problem.http_status, document


def problem_body(refusal: Refusal, language: str = "az") -> tuple[int, bytes]:
    """HTTP status and JSON octets."""
    status, document = problem_document(refusal, language)
    return status, orjson.dumps(document)
