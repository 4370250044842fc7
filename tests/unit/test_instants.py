"""Instants in strangers' texts: read, or no moment of ours; nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from certs import xades
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.instants import instant_of
from contracts.iso20022.scalars import read_instant
from gateway.doors.console import shown

NO_MOMENTS = (
    "0001-01-01T00:00:00+14:00",  # before the first day in UTC
    "9999-12-31T23:59:59-14:00",  # after the last
    "2026-11-22T24:00:00Z",  # which XML Schema allows
    "2026-99-99T99:99:99Z",
    "2026-11-22T10:00:00",  # nobody's time
    "2026-11-22T10:00:60Z",
    "2026-11-22T10:00:00+04:60",  # which Python takes for 05:00
    "2026-11-22T10:00:00+14:01",  # beyond every zone, and XML Schema's
    "2026-11-22T10:00:00+0400",
    "",
)


def test_a_moment_is_read_in_utc() -> None:
    assert instant_of("2026-11-22T10:00:00+04:00") == datetime(2026, 11, 22, 6, tzinfo=UTC)


@pytest.mark.parametrize("text", NO_MOMENTS)
@pytest.mark.parametrize("read", [lambda text: read_instant(text, "/x"), xades._signing_time])
def test_what_is_no_moment_is_refused_as_one(read: Callable[[str], datetime], text: str) -> None:
    assert instant_of(text) is None
    with pytest.raises(RefusedError) as raised:
        read(text)
    assert raised.value.refusal.code == ErrorCode.TIME_INVALID


@pytest.mark.parametrize("text", [*NO_MOMENTS, "9999-12-31T23:00:00Z"])  # the last is none in Baku
def test_a_text_that_only_looks_like_a_moment_is_shown_as_it_is(text: str) -> None:
    """A bank's reason may be such a text: the operators' page about the lot is shown all the same."""
    assert shown.fact(text, "az") == text
