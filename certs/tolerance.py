"""What a SOAP client may do besides the profile, by name: off unless the operator grants it to a counterparty.

A tolerance widens how a signature may be written, never what must be signed nor by which algorithms: positions, one of
each part, Body and Timestamp signed by SHA-256 hold with all of them (AOS-S2).
"""

from __future__ import annotations

from enum import StrEnum

from certs.signed_xml import malformed
from certs.steps import blame, with_facts
from contracts.errors.causes import Cause
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError, refuse


class Tolerance(StrEnum):
    """Named in `[[banks]] tolerances` and `[platform] tolerances`."""

    INCLUSIVE_NAMESPACES = "inclusive_namespaces"  # ec:InclusiveNamespaces, which WSS4J writes by default
    NODE_SOAP = "node_soap"  # plain Id on Body and Timestamp, and enveloped-signature before canonicalisation
    WCF_ORDER = "wcf_order"  # token, Timestamp and Signature in any order; without, the token comes first


def not_tolerated(tolerance: Tolerance) -> RefusedError:
    """The refusal of who is not granted it: ALGORITHM_NOT_ALLOWED or SIGNATURE_MALFORMED, with the tolerance's name."""
    return with_facts(_refused(tolerance), tolerance=tolerance.value)


def _refused(tolerance: Tolerance) -> RefusedError:
    match tolerance:
        case Tolerance.INCLUSIVE_NAMESPACES:
            refused = refuse(ErrorCode.ALGORITHM_NOT_ALLOWED, algorithm="InclusiveNamespaces")
            return blame(refused, Cause.INCLUSIVE_PREFIXES)
        case Tolerance.NODE_SOAP:
            return blame(malformed("references", "plain Id"), Cause.NODE_SOAP_DEFAULTS)
        case Tolerance.WCF_ORDER:
            return blame(malformed("security header", "the token is not first"), Cause.SECURITY_ORDER)
