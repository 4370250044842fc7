"""Whatever is written into the store is read back as it was: every noun, event and dispatch there is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.domain import delivery
from gateway.domain.dispatches import DISPATCHES, Notice, NoticeKind
from gateway.domain.money import Money
from gateway.domain.nouns import TABLES
from gateway.domain.table import Alarm
from gateway.engine import codec
from gateway.engine.step import FeedBody, feed_text
from gateway.ports import Answer

WRITTEN: dict[str, type[Any]] = {f"dispatch {name}": cls for name, cls in DISPATCHES.items()}
for name, table in (TABLES | {"delivery": delivery.TABLE}).items():
    WRITTEN |= {f"noun {name}": table.data} | {f"{name}.{event}": cls for event, cls in table.events.items()}
WRITTEN |= {cls.__name__: cls for cls in (Alarm, Answer, FeedBody)}

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
st.register_type_strategy(Money, st.builds(Money, st.integers(0, 10**15)))
st.register_type_strategy(datetime, st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
st.register_type_strategy(Mapping, lambda _: st.dictionaries(st.text(), st.text()))


@pytest.mark.parametrize("cls", WRITTEN.values(), ids=WRITTEN.keys())
def test_what_is_written_is_read_back_as_it_was(cls: type[Any]) -> None:
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.from_type(cls))
    def round_trip(value: Any) -> None:
        text = codec.encode(value)
        assert codec.decode(cls, text) == value
        assert codec.encode(codec.decode(cls, text)) == text

    round_trip()


@pytest.mark.parametrize("text", ["{}", "[]", "nothing", '{"delivery": 1}'])
def test_what_was_not_written_by_us_is_not_read(text: str) -> None:
    with pytest.raises(ValidationError):
        codec.decode(delivery.DeliveryParked, text)


def test_what_is_read_again_is_the_very_same_value_until_its_text_changes() -> None:
    parked = delivery.DeliveryParked(delivery="d", recipient="r", body="Notice", attempt=1, reason="busy")
    text = codec.encode(parked)
    first = codec.decode_again(delivery.DeliveryParked, text)
    assert first == parked
    assert codec.decode_again(delivery.DeliveryParked, codec.encode(parked)) is first
    other = codec.decode_again(delivery.DeliveryParked, text.replace("busy", "closed"))
    assert other.reason == "closed"


def test_what_was_written_to_be_kept_is_not_read_anew() -> None:
    parked = delivery.DeliveryParked(delivery="d", recipient="r", body="Notice", attempt=2, reason="busy")
    assert codec.decode_again(delivery.DeliveryParked, codec.encode_kept(parked)) is parked


def test_what_is_forgotten_is_read_anew() -> None:
    first = delivery.DeliveryParked(delivery="first", recipient="r", body="Notice", attempt=1, reason="busy")
    text = codec.encode_kept(first)
    for number in range(2000):
        codec.encode_kept(delivery.DeliveryParked(delivery="d", recipient="r", body="", attempt=number, reason=""))
    read = codec.decode_again(delivery.DeliveryParked, text)
    assert read == first
    assert read is not first


def test_a_feed_line_is_written_around_its_notice_as_the_codec_would_write_it() -> None:
    notice = Notice(
        kind=NoticeKind.OFFER_OPENED, lot_id="L", subject_id="O", state="open", occurred_at=AT, reason='"ə₼'
    )
    assert feed_text(7, codec.encode(notice)) == codec.encode(FeedBody(version=7, notice=notice))
