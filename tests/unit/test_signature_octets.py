"""The short way of reading Signature and Content-Digest says what the whole grammar of RFC 9651 says."""

from __future__ import annotations

from typing import Any

import http_sf
from hypothesis import example, given
from hypothesis import strategies as st

from certs.http_signature.base import _only_octets

_PIECES = st.sampled_from(
    ["sig1", "sha-256", "*a", "A", "1a", "=", ":", "=:", "AAEC", "AA==", "AAA", "+/", " ", ",", ";"]
)


@given(st.lists(_PIECES, max_size=8).map("".join))
@example("sig1=:=:")
@example("sig1=::")
@example("sig1=:AA:")
@example("sig1=:AAAA==:")
@example("sig1=:AAEC:\n")
def test_octets_read_the_short_way_are_those_of_the_grammar(value: str) -> None:
    """AOS-S2: what is verified is what stands there, whichever way it was read."""
    short = _only_octets(value)
    if short is None:
        return
    members: Any = http_sf.parse(value.encode(), tltype="dictionary")
    assert list(members.items()) == [(short[0], (short[1], {}))]


def test_an_ordinary_signature_is_read_the_short_way() -> None:
    """Otherwise the test above proves nothing."""
    assert _only_octets("sig1=:AAEC:") == ("sig1", b"\0\1\2")
