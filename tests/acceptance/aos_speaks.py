"""What AÖS, or somebody in its place, puts to the gateway's door of messages."""

from __future__ import annotations

from town import Town

from certs.keystore import Credential
from contracts.iso20022.samples import STATUS
from gateway.wire.iso_envelope import CONTENT_TYPE, MESSAGES_PATH, seal


async def post_message(town: Town, code: str, body: bytes) -> int:
    """The HTTP status that the participant `code` gets for these octets."""
    answer = await town.client(code).request(
        "POST",
        town.system.address + MESSAGES_PATH,
        body=body,
        content_type=CONTENT_TYPE,
        expected_participant="GATEWAY",
    )
    return answer.status


async def sealed_status(credential: Credential) -> bytes:
    """A status report for a payment nobody ordered, signed with this credential."""
    return await seal(STATUS, from_bic="NABZAZ2CIPS", to_bic="EHRNAZ22", credential=credential)
