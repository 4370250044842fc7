"""The signed wrapper: sealing and opening, and what is not believed."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from lxml import etree

from certs.authority import Authority
from certs.trust import TrustStore
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError, refuse
from contracts.iso20022 import Envelope, samples
from gateway.wire.iso_envelope import MessageIds, open_signed, seal

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority():
    return Authority.create(NOW)


@pytest.fixture(scope="module")
def credential(authority):
    return authority.issue("GATEWAY", "Nümunə", key="p256", now=NOW)


@pytest.fixture(scope="module")
def trust(authority, credential):
    return TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )


def _sealed(credential, message=samples.TRANSFER, wrapper=Envelope.DATA_PDU):
    return seal(message, from_bic="EHRNAZ22", to_bic="NABZAZ2CIPS", credential=credential, wrapper=wrapper)


def _open(data, trust, participant="GATEWAY", wrapper=Envelope.DATA_PDU):
    return open_signed(data, trust, at=NOW, participant_of=lambda header: participant, wrapper=wrapper)


def _code_of(data, trust, participant="GATEWAY", wrapper=Envelope.DATA_PDU):
    with pytest.raises(RefusedError) as caught:
        _open(data, trust, participant, wrapper)
    return caught.value.refusal.code


@pytest.mark.parametrize("wrapper", Envelope)
async def test_what_was_sealed_is_opened_with_its_header_and_signer(credential, trust, wrapper):
    """AOS-S1, AOS-S2."""
    opened = _open(await _sealed(credential, wrapper=wrapper), trust, wrapper=wrapper)
    assert opened.read() == samples.TRANSFER
    assert opened.verified.signer.participant == "GATEWAY"
    assert opened.header.message_name == "pacs.008.001.08"
    assert (opened.header.from_bic, opened.header.to_bic) == ("EHRNAZ22", "NABZAZ2CIPS")


async def test_the_digest_is_of_the_document_so_a_new_signature_is_a_replay_not_a_conflict(credential, trust):
    first, second = await _sealed(credential), await _sealed(credential)
    assert first != second  # ECDSA signs anew every time
    assert _open(first, trust).digest == _open(second, trust).digest
    other = await _sealed(credential, replace(samples.TRANSFER, amount_minor=1))
    assert _open(other, trust).digest != _open(first, trust).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b">500.00<", b">900.00<"),
        (b"<Fr><FIId><FinInstnId><BICFI>EHRNAZ22<", b"<Fr><FIId><FinInstnId><BICFI>XZRNAZ22<"),
        (b"<CreDt>2026-11-22T09", b"<CreDt>2026-11-22T08"),
    ],
)
async def test_a_change_anywhere_in_header_or_document_breaks_the_signature(credential, trust, old, new):
    """AOS-S2."""
    data = await _sealed(credential)
    assert data.count(old) == 1
    assert _code_of(data.replace(old, new), trust) is ErrorCode.DIGEST_MISMATCH


async def test_another_participants_signature_is_refused(credential, trust):
    """AOS-S1."""
    assert _code_of(await _sealed(credential), trust, "AOS") is ErrorCode.PARTICIPANT_MISMATCH


async def test_an_unsigned_message_is_refused(credential, trust):
    data = await _sealed(credential)
    start, end = data.index(b"<Sgntr>"), data.index(b"</Sgntr>")
    assert _code_of(data[:start] + b"<Sgntr>" + data[end:], trust) is ErrorCode.SIGNATURE_MISSING


@pytest.mark.parametrize(
    ("sent", "wanted", "path"),
    [
        (Envelope.DATA_PDU, Envelope.BUSINESS_MESSAGE, "/DataPDU"),
        (Envelope.BUSINESS_MESSAGE, Envelope.DATA_PDU, "/BizMsg"),
    ],
)
async def test_the_wrapper_of_another_rail_is_refused_with_its_path(credential, trust, sent, wanted, path):
    """Though its signature holds; what looks back (evidence) takes both."""
    data = await _sealed(credential, wrapper=sent)
    with pytest.raises(RefusedError) as caught:
        _open(data, trust, wrapper=wanted)
    assert caught.value.refusal.code is ErrorCode.SCHEMA_INVALID
    assert caught.value.refusal.facts["path"] == path
    assert _open(data, trust, wrapper=None).read() == samples.TRANSFER


@pytest.mark.parametrize("wrapper", Envelope)
@pytest.mark.parametrize("place", ["before", "after", "beside"])
async def test_nothing_else_may_lie_in_a_wrapper(credential, trust, wrapper, place):
    """Whatever a second document says, no reader gets as far as choosing between two."""
    root = etree.fromstring(await _sealed(credential, wrapper=wrapper))
    header = next(root.iter("{*}AppHdr"))
    content = header.getparent()
    second = deepcopy(content[1])
    if place == "beside":
        root.append(second)
    else:
        content.insert(0 if place == "before" else 2, second)
    assert _code_of(etree.tostring(root), trust, wrapper=wrapper) is ErrorCode.SCHEMA_INVALID


async def test_a_message_without_its_wrapper_is_refused(trust):
    assert _code_of(b"<Document/>", trust) is ErrorCode.SCHEMA_INVALID


@pytest.mark.parametrize(
    ("wrapper", "path"), [(Envelope.DATA_PDU, "/DataPDU/Body"), (Envelope.BUSINESS_MESSAGE, "/BizMsg")]
)
async def test_a_header_that_names_another_message_than_its_document_is_refused(credential, trust, wrapper, path):
    """The header's id is the key of idempotency, so it must be the document's own."""
    data = await _sealed(credential, wrapper=wrapper)
    opened = _open(data, trust, wrapper=wrapper)
    opened.root.find(".//{*}GrpHdr/{*}MsgId").text = "OTHER"
    with pytest.raises(RefusedError) as caught:
        opened.read()
    assert caught.value.refusal.facts["path"] == f"{path}/AppHdr/BizMsgIdr"


async def test_who_may_sign_is_asked_before_any_signature_is_checked(credential, trust):
    def nobody(header):
        raise refuse(ErrorCode.PARTICIPANT_UNKNOWN, participant=header.from_bic)

    with pytest.raises(RefusedError) as caught:
        open_signed(await _sealed(credential), trust, at=NOW, participant_of=nobody)
    assert caught.value.refusal.facts["participant"] == "EHRNAZ22"


async def test_what_we_may_not_say_is_never_sealed(credential):
    """Our own messages pass the same profile before they leave."""
    with pytest.raises(RefusedError) as caught:
        await _sealed(credential, replace(samples.TRANSFER, amount_minor=0))
    assert caught.value.refusal.code is ErrorCode.AMOUNT_INVALID


def test_message_ids_have_33_characters_and_the_day_in_baku():
    """facts.md: address, yyMMdd, 15 digits."""
    ids = MessageIds("NABZAZ2CAIPS")
    late = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)  # 01:00 on the 23rd in Baku
    first, second = ids.next(late), ids.next(late)
    assert first.startswith("NABZAZ2CAIPS261123")
    assert len(first) == 33
    assert first != second
