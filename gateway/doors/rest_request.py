"""What a REST request asks for, read strictly: content type, ids, the idempotency key, query parameters, document form.

Raises `RefusedError` with the place that is wrong; nothing here decides who may ask.
"""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.fields import is_message_id, is_subject_id
from gateway.doors.queries import DocumentForm

JSON = "application/json"
IDEMPOTENCY_KEY = "Idempotency-Key"

_DIGITS_MAX = 15  # a sequence number fits a database's 64 bits with room
_SUFFIXES = {".xml": DocumentForm.XML, ".pdf": DocumentForm.PDF, ".asice": DocumentForm.ASICE}


def expect_type(request: web.Request, expected: str) -> None:
    """The content is of this type, in UTF-8."""
    charset = (request.charset or "utf-8").lower()
    if request.content_type != expected or charset != "utf-8":
        received = request.headers.get("Content-Type", "")
        raise refuse(ErrorCode.CONTENT_TYPE, received=received or "-", expected=expected)


def path_id(request: web.Request, unknown: ErrorCode) -> str:
    """The id in the path; one that cannot be an id is unknown."""
    id = request.match_info["id"]
    if not is_subject_id(id):
        raise refuse(unknown, id=id)
    return id


def idempotency_key(request: web.Request) -> str:
    """The one `Idempotency-Key`; the signature covers it."""
    keys = request.headers.getall(IDEMPOTENCY_KEY, [])
    if len(keys) != 1 or not is_message_id(keys[0]):
        fault = "exactly one, 1 to 64 letters, digits and . _ : -"
        raise refuse(ErrorCode.SCHEMA_INVALID, path=f"header {IDEMPOTENCY_KEY}", fault=fault)
    return keys[0]


def query_of(request: web.Request, **defaults: str) -> dict[str, str]:
    """The query's parameters, each once, none but those with a default."""
    for name in request.query:
        if name not in defaults or len(request.query.getall(name)) != 1:
            raise refuse(ErrorCode.SCHEMA_INVALID, path=f"?{name}", fault="unknown or repeated")
    return defaults | dict(request.query)


def whole_number(query: Mapping[str, str], name: str) -> int:
    """A parameter that counts, from 0."""
    text = query[name]
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise refuse(ErrorCode.SCHEMA_INVALID, path=f"?{name}", fault="a whole number from 0 is wanted")
    return int(text)


def document_form(request: web.Request) -> tuple[str, DocumentForm | None]:
    """The protocol's id and the form: by suffix, else by the first type in Accept that we have, else particulars."""
    id = path_id(request, ErrorCode.PROTOCOL_UNKNOWN)
    for suffix, form in _SUFFIXES.items():
        if id.endswith(suffix):
            return id.removesuffix(suffix), form
    accept = request.headers.get("Accept", "*/*")
    forms: Mapping[str, DocumentForm | None] = {form.value: form for form in DocumentForm} | {
        JSON: None,
        "*/*": None,
        "application/*": None,
    }
    for part in accept.split(","):
        media_type = part.split(";")[0].strip().lower()
        if media_type in forms:
            return id, forms[media_type]
    raise refuse(ErrorCode.CONTENT_TYPE, received=f"Accept: {accept}", expected=", ".join([JSON, *DocumentForm]))
