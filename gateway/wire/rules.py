"""What a client of ours insists on: how an answer must be signed, how old it may be, and where it may connect to."""

from __future__ import annotations

from dataclasses import dataclass, field

from certs.http_signature import HttpSignaturePolicy
from certs.tolerance import Tolerance, Tolerated
from certs.wss import WssExpectations
from gateway.wire.addresses import AddressRule

TOLERANT = WssExpectations(tolerated=Tolerated(of_all=frozenset({Tolerance.INCLUSIVE_NAMESPACES})))
"""For whoever has no settings: WSS4J, which most banks use, lists namespaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRules:
    """Of one client. `addresses` None: anywhere, for sandboxes, which connect where they are told."""

    signatures: HttpSignaturePolicy = field(default_factory=HttpSignaturePolicy)
    envelopes: WssExpectations = TOLERANT
    addresses: AddressRule | None = None
