"""A kept decision of a person is verified again like every other message (VLT-3.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from certs.asice import MEDIA_TYPE, seal
from certs.authority import Authority
from certs.trust import TrustStore
from contracts.errors.refusal import RefusedError
from gateway.evidence.exhibits import Exhibited, is_signed, signer_of

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)


def test_a_person_s_sealed_decision_names_the_person_and_no_byte_of_it_changes() -> None:
    authority = Authority.create(NOW - timedelta(days=1))
    person = authority.issue("AYGUN", "Aygün Nümunə", key="p256", now=NOW - timedelta(hours=1))
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )
    content = seal({"decision.json": ("application/json", b'{"approve":"P1"}')}, person, now=NOW)
    assert signer_of(Exhibited(media_type=MEDIA_TYPE, content=content, at=NOW), trust, {}).participant == "AYGUN"
    changed = content.replace(b"decision", b"decisiox")
    with pytest.raises(RefusedError):
        signer_of(Exhibited(media_type=MEDIA_TYPE, content=changed, at=NOW), trust, {})


def test_our_own_notes_are_the_only_kind_without_a_signature() -> None:
    assert is_signed(MEDIA_TYPE)
    assert not is_signed("application/json")
