"""A message at the AÖS door that does not verify: refused, kept as evidence, changing nothing, reported (AOS-S2)."""

from __future__ import annotations

import pytest
from aos_speaks import post_message, sealed_status
from town import Town

from gateway.domain.quota import QuotaPolicy
from gateway.doors import aos_deficiency
from gateway.wire.iso_envelope import CONTENT_TYPE, MESSAGES_PATH


async def test_a_damaged_message_of_aos_is_reported_at_once_and_only_once(town: Town) -> None:
    """AOS-S2: the report is under way in the same transaction that keeps the bytes."""
    damaged = (await sealed_status(town.identity("AOS").credential)).replace(b"<TxSts>ACSC", b"<TxSts>RJCT")
    assert [await post_message(town, "AOS", damaged) for _ in range(2)] == [401, 401]
    assert await town.counts() == {("deficiency", "reporting"): 1}
    (noun,) = await town.system.store.read(lambda reader: reader.list_nouns("deficiency"))
    evidence = await town.system.store.read(lambda reader: reader.evidence_of("deficiency", noun.id))
    kept = await town.system.store.read(lambda reader: reader.evidence_piece(evidence[0].seq))
    assert kept is not None
    assert kept.content.endswith(damaged)
    (report,) = await town.system.store.read(lambda reader: reader.outbox_of("deficiency", noun.id))
    assert (report.channel, report.body_type) == ("aos", "DeficiencyReport")


async def test_a_message_signed_by_another_than_aos_is_a_deficiency_too(town: Town) -> None:
    """AOS-S1, AOS-S2."""
    assert await post_message(town, "AOS", await sealed_status(town.identity("999101").credential)) == 403
    assert await town.counts() == {("deficiency", "reporting"): 1}


async def test_what_verifies_and_is_wrong_otherwise_is_no_deficiency(town: Town) -> None:
    """A status for a message we never sent is refused, and that is all."""
    assert await post_message(town, "AOS", await sealed_status(town.identity("AOS").credential)) == 404
    assert await town.counts() == {}


async def test_a_stranger_cannot_make_us_flood_the_central_bank(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """AOS-S2: what AÖS's channel brings is reported all the same."""
    monkeypatch.setattr(aos_deficiency, "STRANGERS", QuotaPolicy(rate_per_s=1e-9, burst=3))
    statuses = [await post_message(town, "999101", b"<x>%d</x>" % number) for number in range(3)]
    unsigned = [
        (await town.rest("AOS", "POST", MESSAGES_PATH, b"%d" % number, content_type=CONTENT_TYPE, sign=False)).status
        for number in range(6)
    ]
    assert (set(statuses), set(unsigned)) == ({403}, {401})
    assert (await town.counts())["deficiency", "reporting"] == 3
    assert len(await town.refusals()) == 6  # each is in the journal
    damaged = (await sealed_status(town.identity("AOS").credential)).replace(b"<TxSts>ACSC", b"<TxSts>RJCT")
    assert await post_message(town, "AOS", damaged) == 401
    assert (await town.counts())["deficiency", "reporting"] == 4
