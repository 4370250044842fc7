"""The AÖS-facing door of a bank: answers what the instant payment system passes on, by the bank's own books.

    core = MyBooks()                                             # implements CoreBanking
    door = IsoParticipant(settings, lambda: identity, core, clock=clock)
    await door.start()                                           # serves POST {door.address}/aos/v1/messages
    door.connect("http://127.0.0.1:7001")                        # base address of AÖS, may be known later
    await door.close()

As debtor agent of a passed pain.001 it answers with its pacs.008 (consent) or pain.002/NAUT; as creditor agent of a
passed pacs.008 with pacs.002/AUTH or NAUT (AOS-P3, AOS-P7). STAT settles or credits, RJCT releases (AOS-P4, AOS-P5).
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.wire.core_banking import CoreBanking

__all__ = ["CoreBanking", "IsoParticipantSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IsoParticipantSettings:
    """Who the bank is on the rail, and where its door listens."""

    bic: str  # of the bank, 8 characters
    address: str  # 12 characters, the prefix of its message ids (facts.md)
    system_bic: str = "NABZAZ2CIPS"  # of AÖS
    system_participant: str = "AOS"  # registration code in the certificate of AÖS (AOS-S1)
    system_url: str | None = None  # base address of AÖS; may be given later by `connect`
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    body_max_bytes: int = 262_144  # a signed pacs.008 is about 6 kB
    timeout_s: float = 5.0
    silent_for: frozenset[str] = frozenset()  # IBANs whose requests and credits are not answered at all (demo, tests)
