"""What the published OpenAPI document promises of an answer, by PyYAML and jsonschema alone: nobody of the house."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from typing import Any

import yaml
from jsonschema import Draft202012Validator

_LINE = re.compile(rb"([A-Z]+) (/v1/[!-~]*) HTTP/1\.1\r\n")


def check_answer(request: bytes, answer: bytes) -> None:
    """An answer over REST has a status, a type and a body of the contract.

    Raises:
        AssertionError: it has not.
    """
    line = _LINE.match(request)
    operation = None if line is None else _operation(line[1].decode().lower(), line[2].decode().partition("?")[0])
    if operation is None:
        return
    head, _, body = answer.partition(b"\r\n\r\n")
    status, fields = head.split(b" ")[1].decode(), _fields(head)
    responses = operation["responses"]
    response = _resolved(responses.get(status) or responses.get("default", {}))
    assert response, f"{status} is not in the contract of {line and line[0]!r}"
    assert status in responses or status >= "400", f"{status} is told as a problem"
    media_type = fields["content-type"].partition(";")[0]
    assert media_type in response["content"], f"{media_type} with {status} is not in the contract"
    if media_type.endswith("json"):
        schema = response["content"][media_type]["schema"] | {"components": _document()["components"]}
        Draft202012Validator(schema).validate(json.loads(body))


@cache
def _document() -> dict[str, Any]:
    text = resources.files("contracts.rest").joinpath("openapi.yaml").read_text("utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def _operation(method: str, path: str) -> dict[str, Any] | None:
    for template, operations in _document()["paths"].items():
        pattern = re.sub(r"\\\{[a-zA-Z]+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) is not None:
            operation: dict[str, Any] | None = operations.get(method)
            return operation
    return None


def _resolved(response: dict[str, Any]) -> dict[str, Any]:
    name = response.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = _document()["components"]["responses"][name] if name else response
    return found


def _fields(head: bytes) -> dict[str, str]:
    lines = [line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:]]
    return {name.lower(): value for name, _, value in lines}
