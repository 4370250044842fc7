"""What was refused is written down whatever signs a stranger put into it: no database keeps all of them."""

from __future__ import annotations

import pytest
from puppet import Hand

from contracts.errors import ErrorCode, Refusal
from gateway.engine.refusals import RefusalBook

STRANGE = ["/v1/lots/\x00", "/v1/lots/\ud800"]  # as `%00` in a path comes, and what is no UTF-8 in a header


@pytest.mark.parametrize("strange", STRANGE)
async def test_a_refusal_of_signs_that_nobody_can_keep_is_written_down_and_found(hand: Hand, strange: str) -> None:
    """AOS-S2: else it could not be, nor all that were refused in the same moment; a receipt would be read for ever."""
    refusal = Refusal(code=ErrorCode.NOT_FOUND, facts={"path": strange})
    await hand.engine.record_refusal(None, strange, refusal)
    await RefusalBook(hand.engine.record_refusals, nameless="anonymous").note(None, strange, refusal)
    lines = await hand.engine.store.read(lambda reader: reader.refusals(code=ErrorCode.NOT_FOUND))
    assert [line.data.count("/v1/lots/\ufffd") for line in lines] == [2, 2]
