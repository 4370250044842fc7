"""What doors and clients insist on: what is expected of whom, under which names we are reached, where we connect to."""

from __future__ import annotations

from dataclasses import dataclass, field

from certs.expectations import Expectations, Expected
from certs.http_signature import HttpSignaturePolicy
from certs.tolerance import Tolerance
from gateway.wire.addresses import AddressRule

TOLERANT = Expected(house=Expectations(tolerances=frozenset({Tolerance.INCLUSIVE_NAMESPACES})))
"""For whoever has no settings: WSS4J, which most banks use, lists namespaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRules:
    """Of one gateway. `addresses` None: anywhere, for sandboxes, which connect where they are told."""

    signatures: HttpSignaturePolicy = field(default_factory=lambda: HttpSignaturePolicy(expected=TOLERANT))
    addresses: AddressRule | None = None

    @property
    def expected(self) -> Expected:
        """What is expected of whom, the same over every way in and out."""
        return self.signatures.expected
