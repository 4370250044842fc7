"""Evidence about a lot: gathered into one sealed file, verified from that file and the root alone."""

from gateway.evidence.gathering import Gathered, gather, sealed_file
from gateway.evidence.verifying import Finding, Report, verify_evidence

__all__ = ["Finding", "Gathered", "Report", "gather", "sealed_file", "verify_evidence"]
