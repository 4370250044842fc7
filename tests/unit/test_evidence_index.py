"""The index of an evidence file: its published schema is its model's, instants keep their microseconds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib import resources

import pytest

from contracts.errors.refusal import RefusedError
from contracts.evidence.model import Index, Item, index_schema, read_index, write_index

AT = datetime(2026, 11, 22, 9, 30, 0, 123_456, tzinfo=UTC)
ITEM = Item(
    number=1, at=AT, kind="message", file="00001.in.AOS.http", media_type="message/http", sha256="0" * 64, noun="lot",
    noun_id="L1", direction="in", source="AOS", message_id="m-1", signer="AOS"
)  # fmt: skip
INDEX = Index(lot_id="L1", exported_at=AT, exported_by="GATEWAY", items=(ITEM,), nouns=(), supplements=())


def test_the_published_schema_is_the_model_s() -> None:
    published = resources.files("contracts.evidence").joinpath("index-1.schema.json").read_text("utf-8")
    assert json.loads(published) == index_schema()


def test_an_index_is_read_as_it_was_written_to_the_microsecond() -> None:
    assert read_index(write_index(INDEX)) == INDEX


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"unknown": 1},
        {"items": [{}]},
        {"items": [ITEM.model_dump(mode="json") | {"file": "../etc/passwd"}]},
        {"items": [ITEM.model_dump(mode="json") | {"sha256": "A" * 64}]},
        {"exportedAt": "2026-11-22T09:30:00"},
    ],
)
def test_another_shape_is_refused(change: dict[str, object]) -> None:
    document = json.loads(write_index(INDEX)) | change
    with pytest.raises(RefusedError):
        read_index(json.dumps(document).encode())
