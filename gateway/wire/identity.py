"""Who we are on a socket, and whom we believe."""

from __future__ import annotations

from dataclasses import dataclass

from certs.keystore import Credential
from certs.trust import TrustStore


@dataclass(frozen=True, slots=True)
class Identity:
    """A key pair with its certificate, and the trust store peers are judged by. Replaced as a whole."""

    credential: Credential
    trust: TrustStore
