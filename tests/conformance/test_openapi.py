"""The OpenAPI document is valid, true to the application route by route, and true to the models and answers.

`UPDATE_GENERATED=1` writes its schemas anew from the models.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from aiohttp import web
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from rest_world import BANK, OFFER, PAYMENT, PROTOCOL, FakeQueries, FakeReceiver, Parties, World, body, decision, event

from contracts.errors import ErrorCode, Refusal
from contracts.fields import validated
from contracts.rest.openapi import component_schemas
from contracts.rest.problem import ProblemModel
from gateway.doors.callers import Callers
from gateway.doors.rest import PREFIX, RestDoor, RestSettings
from gateway.wire.problems import problem_document

FILE = Path(str(resources.files("contracts.rest").joinpath("openapi.yaml")))
MARK = "  schemas: # generated from the models, see contracts/rest/openapi.py\n"


def _generated(text: str) -> str:
    """The document with its schemas as the models are now."""
    schemas = yaml.safe_dump(component_schemas(), allow_unicode=True, sort_keys=True, width=110)
    indented = "".join(f"    {line}\n" for line in schemas.splitlines())
    return text.partition(MARK)[0] + MARK + indented


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return loaded


def test_the_schemas_are_what_the_models_say() -> None:
    text = FILE.read_text(encoding="utf-8")
    if os.environ.get("UPDATE_GENERATED") == "1":
        FILE.write_text(_generated(text), encoding="utf-8")
    assert FILE.read_text(encoding="utf-8") == _generated(text)


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    validate(document)


def test_every_route_of_the_application_is_in_the_document_and_the_other_way_round(document: dict[str, Any]) -> None:
    door = RestDoor(RestSettings(), Callers(platform="EHERRAC", banks=()), FakeReceiver(), FakeQueries())
    app = web.Application()
    app.add_routes(door.routes())
    served = {
        (route.method, PREFIX + route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item if method != "parameters"
    }
    assert served == described


def _schema(document: dict[str, Any], reference: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": reference, "components": document["components"]})


def _answer_schema(document: dict[str, Any], method: str, path: str, status: int, media_type: str) -> dict[str, Any]:
    responses = document["paths"][path][method.lower()]["responses"]
    response = responses.get(str(status), responses["default"])
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    schema: dict[str, Any] = response["content"][media_type]["schema"]
    return schema


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = await World.start(Parties.create("GATEWAY", "EHERRAC", BANK))
    yield world
    await world.close()


CLOUDEVENT = "application/cloudevents+json"
EXCHANGES = [
    ("EHERRAC", "POST", "/v1/events", "/v1/events", {"body": body(event()), "content_type": CLOUDEVENT}, 202),
    ("EHERRAC", "POST", "/v1/events", "/v1/events", {"body": b"{", "content_type": CLOUDEVENT}, 400),
    (BANK, "GET", "/v1/offers", "/v1/offers", {}, 200),
    (BANK, "GET", "/v1/offers/{id}", f"/v1/offers/{OFFER.id}", {}, 200),
    (BANK, "GET", "/v1/offers/{id}", "/v1/offers/none", {}, 404),
    (
        BANK,
        "POST",
        "/v1/offers/{id}/decision",
        f"/v1/offers/{OFFER.id}/decision",
        {"body": body(decision()), "content_type": "application/json", "headers": {"Idempotency-Key": "k"}},
        202,
    ),
    (BANK, "GET", "/v1/payments/{id}", f"/v1/payments/{PAYMENT.id}", {}, 200),
    (BANK, "GET", "/v1/protocols/{id}", f"/v1/protocols/{PROTOCOL.id}", {}, 200),
    (BANK, "GET", "/v1/lots/{id}", "/v1/lots/LOT-B", {}, 200),
    (BANK, "GET", "/v1/feed", "/v1/feed?after=0&limit=3", {}, 200),
    (BANK, "GET", "/v1/unacknowledged", "/v1/unacknowledged?after=0&limit=3", {}, 200),
]


@pytest.mark.parametrize(("party", "method", "path", "target", "options", "status"), EXCHANGES)
async def test_what_is_answered_is_what_the_document_promises(
    world: World,
    document: dict[str, Any],
    party: str,
    method: str,
    path: str,
    target: str,
    options: dict[str, Any],
    status: int,
) -> None:
    answer = await world.ask(party, method, target, **options)
    assert answer.status == status
    media_type = answer.headers["content-type"].partition(";")[0]
    schema = _answer_schema(document, method, path, status, media_type)
    Draft202012Validator(schema | {"components": document["components"]}).validate(orjson.loads(answer.body))


def test_the_samples_that_tests_send_are_by_the_document(document: dict[str, Any]) -> None:
    _schema(document, "#/components/schemas/LotAnnounced").validate(event())
    _schema(document, "#/components/schemas/Decision").validate(decision())
    assert not _schema(document, "#/components/schemas/Decision").is_valid(decision(extra=1))


@pytest.mark.parametrize("code", ErrorCode)
def test_every_problem_is_by_the_contract(code: ErrorCode, document: dict[str, Any]) -> None:
    _, problem = problem_document(Refusal(code=code, facts={"path": "/data"}))
    plain = orjson.loads(orjson.dumps(problem))
    validated(ProblemModel, plain)
    _schema(document, "#/components/schemas/Problem").validate(plain)
