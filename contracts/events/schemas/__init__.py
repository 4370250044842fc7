"""JSON Schemas of every event, generated from the models by `python -m contracts.events.schemas` and committed."""

from __future__ import annotations

import json

from contracts.events.notices import NoticeEvent
from contracts.events.platform import PLATFORM_EVENTS
from contracts.fields import WireModel
from contracts.rest.models import Decision

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NOTICE_FILE = "az.eherrac.gateway.notice.json"
DECISION_FILE = "decision.json"


def schema_files() -> dict[str, str]:
    """File name to content, as the models are now."""
    models: dict[str, type[WireModel]] = {f"{kind}.json": model for kind, model in PLATFORM_EVENTS.items()}
    models |= {NOTICE_FILE: NoticeEvent, DECISION_FILE: Decision}
    return {name: _schema(model) for name, model in models.items()}


def _schema(model: type[WireModel]) -> str:
    schema = {"$schema": DIALECT, **model.model_json_schema(by_alias=True)}
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
