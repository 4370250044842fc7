"""The schemas of `openapi.yaml`: components/schemas is generated from the models and held by a test."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from contracts.errors import ErrorCode
from contracts.events.notices import NoticeEvent
from contracts.events.platform import PLATFORM_EVENTS
from contracts.fields import MESSAGE_ID_PATTERN, WireModel
from contracts.rest.models import (
    Accepted,
    Decision,
    FeedPage,
    LotModel,
    OfferList,
    OfferModel,
    PaymentModel,
    ProtocolModel,
)
from contracts.rest.problem import ProblemModel

_REFERENCE = "#/components/schemas/"
_NAMES = {
    "OfferModel": "Offer",
    "PaymentModel": "Payment",
    "ProtocolModel": "Protocol",
    "LotModel": "Lot",
    "AccountModel": "Account",
    "AmountModel": "Amount",
    "ProblemModel": "Problem",
}
_MODELS: tuple[type[WireModel], ...] = (
    *PLATFORM_EVENTS.values(),
    NoticeEvent,
    Decision,
    Accepted,
    OfferModel,
    OfferList,
    PaymentModel,
    ProtocolModel,
    LotModel,
    FeedPage,
    ProblemModel,
)


def component_schemas() -> dict[str, Any]:
    """Every schema under its public name."""
    _, document = models_json_schema(
        [(model, "validation") for model in _MODELS], by_alias=True, ref_template=_REFERENCE + "{model}"
    )
    schemas = {"MessageId": {"type": "string", "pattern": MESSAGE_ID_PATTERN}} | document["$defs"]
    schemas["ProblemModel"]["properties"]["code"] = {"enum": sorted(code.value for code in ErrorCode), "type": "string"}
    return {_NAMES.get(name, name): _renamed(schema) for name, schema in sorted(schemas.items())}


def _renamed(schema: Any) -> Any:
    """The schema with references by public name, without pydantic's titles."""
    match schema:
        case {"$ref": str(reference), **rest}:
            name = reference.removeprefix(_REFERENCE)
            return {"$ref": _REFERENCE + _NAMES.get(name, name)} | rest
        case dict():
            return {key: _renamed(member) for key, member in schema.items() if not _is_title(key, member)}
        case list():
            return [_renamed(member) for member in schema]
    return schema


def _is_title(key: str, member: Any) -> bool:
    return key == "title" and isinstance(member, str)
