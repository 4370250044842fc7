"""Retry-After as counterparties write it."""

from __future__ import annotations

import pytest

from gateway.wire.patience import RETRY_AFTER_MAX_S, retry_after_s

NOW = "Sun, 22 Nov 2026 09:30:00 GMT"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "9" * 400}, RETRY_AFTER_MAX_S),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 09:31:30 GMT", "date": NOW}, 90.0),
        ({"retry-after": "Sun, 22 Nov 2026 09:31:30 GMT"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 09:31:30 GMT", "date": "today"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 09:29:00 GMT", "date": NOW}, 0.0),
        ({"retry-after": "Sun, 22 Nov 9999 09:29:00 GMT", "date": NOW}, RETRY_AFTER_MAX_S),
        ({"retry-after": "Tue, 31 Feb 2026 09:29:00 GMT", "date": NOW}, None),
        ({"retry-after": "Sun, 22 Nov 2026 09:31:30 +0400", "date": NOW}, None),
        ({"retry-after": "2026-11-22T09:31:30Z", "date": NOW}, None),
    ],
)
def test_seconds_and_moments_are_read_and_all_else_asks_for_nothing(
    headers: dict[str, str], expected: float | None
) -> None:
    assert retry_after_s(headers) == expected
