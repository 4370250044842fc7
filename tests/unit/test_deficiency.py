"""What AÖS sends and does not verify: kept, changing nothing, reported at once (AOS-S2)."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from aiohttp.test_utils import make_mocked_request

from adapters.aos.mapping import RailProfile, message_for
from contracts.errors import ErrorCode, Refusal
from contracts.iso20022 import Reason, ReceiptCode, TextMessage, registry
from contracts.iso20022.samples import RECEIPT
from gateway.domain import deficiency
from gateway.domain.dispatches import DeficiencyReport
from gateway.domain.table import ByAlias
from gateway.doors.aos_deficiency import STRANGERS, Deficiencies
from gateway.doors.aos_mapping import hear
from gateway.ports import Exhibit
from gateway.wire.server import VERIFIED

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
DIGEST = "ab" * 32
ID = deficiency.deficiency_id(Refusal(code=ErrorCode.SIGNATURE_INVALID), DIGEST)


@pytest.fixture
def found(house):
    house.tell("deficiency", ID, deficiency.Found(code=ErrorCode.SIGNATURE_INVALID, what="POST /aos", sha256=DIGEST))
    return house


def test_a_deficiency_is_reported_to_the_central_bank_at_once(found) -> None:
    """AOS-S2, AOS-I7: an alarm here and a text there, in the same transaction."""
    (report,) = found.bodies(DeficiencyReport)
    message = message_for(report, RailProfile(own_bic="EHRNAZ22", central_bank_bic="NABZAZ2C"))
    assert isinstance(message, TextMessage)
    assert message.to_bic == "NABZAZ2C"
    assert DIGEST in message.text
    assert ErrorCode.SIGNATURE_INVALID in message.text
    registry.check(registry.build(message), registry.type_of(message))
    assert [alarm.code for alarm in found.alarms] == ["SIGNATURE_DEFICIENCY"]


def test_the_same_bytes_are_reported_once(found) -> None:
    found.tell("deficiency", ID, deficiency.Found(code=ErrorCode.SIGNATURE_INVALID, what="POST /aos", sha256=DIGEST))
    assert len(found.bodies(DeficiencyReport)) == 1


def test_a_report_that_is_taken_is_done(found) -> None:
    found.tell("deficiency", ID, deficiency.Reported())
    assert found.state("deficiency", ID) == "reported"


def test_a_report_that_is_refused_is_a_persons(found) -> None:
    """AOS-R5: the receipt finds its report by the message's id; also when 202 came before it."""
    (report,) = found.bodies(DeficiencyReport)
    found.tell("deficiency", ID, deficiency.Reported())
    receipt = replace(
        RECEIPT,
        code=ReceiptCode.ERRC,
        original_message_name="camt.998.001.03",
        original_message_id=report.message_id,
        reasons=(Reason(code="RC01", text="BİK"),),
    )
    heard = hear(receipt, "EHRNAZ22XXXX")
    assert heard is not None
    assert heard.target.id == ByAlias(deficiency.REPORT_ALIAS, report.message_id)
    found.tell("deficiency", ID, heard.event)
    assert found.state("deficiency", ID) == "unreported"
    assert found.alarms[-1].code == "DEFICIENCY_UNREPORTED"


class Heard:
    """A receiver that only remembers."""

    def __init__(self) -> None:
        self.messages = []

    async def receive(self, message):
        self.messages.append(message)


@pytest.mark.parametrize("code", ErrorCode)
async def test_only_what_does_not_verify_is_a_deficiency(code) -> None:
    receiver = Heard()
    kept = Exhibit(direction="in", media_type="message/http", content=b"x")
    door = Deficiencies(receiver, participant="AOS", clock=lambda: NOW)
    await door.note(Refusal(code=code), "POST /aos", kept)
    assert len(receiver.messages) == (code in deficiency.NOT_VERIFYING)
    assert all(message.exhibits == (kept,) for message in receiver.messages)


def test_every_way_not_to_verify_is_a_deficiency() -> None:
    """AOS-S2: a code that begins so is one, whoever adds it; what was verified and came again is none."""
    spoken_of = ("SIGNATURE_", "DIGEST_", "ALGORITHM_", "CERTIFICATE_", "REVOCATION_", "PARTICIPANT_")
    codes = {code for code in ErrorCode if code.startswith(spoken_of)}
    assert codes - {ErrorCode.SIGNATURE_REPEATED} == deficiency.NOT_VERIFYING


@pytest.mark.parametrize(
    ("signer", "reported"),
    [("AOS", STRANGERS.burst + 5), ("999101", STRANGERS.burst), (None, STRANGERS.burst)],
    ids=["AÖS", "a bank", "nobody"],
)
async def test_only_what_came_by_aos_s_own_channel_is_reported_without_end(signer: str | None, reported: int) -> None:
    """AOS-S2; whoever else throws at that door would have us flood the central bank."""
    receiver = Heard()
    door = Deficiencies(receiver, participant="AOS", clock=lambda: NOW)
    for number in range(STRANGERS.burst + 5):
        request = make_mocked_request("POST", "/aos/v1/messages")
        if signer is not None:
            request[VERIFIED] = SimpleNamespace(signer=SimpleNamespace(participant=signer))
        await door.refused(request, Refusal(code=ErrorCode.DIGEST_MISMATCH), b"%d" % number)
    assert len(receiver.messages) == reported
