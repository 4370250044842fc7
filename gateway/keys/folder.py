"""Keys and trust from a folder, looked at again now and then: new lists and keys take effect by themselves.

Layout (names are settings): `key.pem`, `chain.pem`, `anchors.pem`, `intermediates.pem`, `crl.pem`. A next key may lie
beside the present one as `key.next.pem` and `chain.next.pem`: it takes over at its certificate's notBefore (PSP-7.1.5).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import structlog
from cryptography import x509
from cryptography.x509.ocsp import OCSPResponse

from certs.keystore import Credential, DeviceKey
from certs.trust import TrustPolicy, TrustStore
from contracts.errors.refusal import RefusedError
from gateway.errors import OurFaultError
from gateway.wire.identity import Identity

T = TypeVar("T")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFolder:
    """Where the files are."""

    directory: Path
    key: str = "key.pem"
    chain: str = "chain.pem"
    anchors: str = "anchors.pem"
    intermediates: str = "intermediates.pem"
    crls: tuple[str, ...] = ("crl.pem",)
    next_key: str = "key.next.pem"
    next_chain: str = "chain.next.pem"
    policy: TrustPolicy = field(default_factory=TrustPolicy)
    device: DeviceKey | None = None  # holds the private key; `key` is then not read

    def identity(self, now: datetime | None = None) -> Identity:
        """Who we are and whom we trust. The next key, where there is one, is ours from its notBefore on.

        Raises:
            OurFaultError: a file is missing or not what it should be; names it.
        """
        credential, following = self._read(self._credential, self.key), self.following()
        if following is not None and (now or datetime.now(UTC)) >= following.certificate.not_valid_before_utc:
            credential = following
        return Identity(credential, self.trust())

    def following(self) -> Credential | None:
        """The next credential, if it has been put beside the present one.

        Raises:
            OurFaultError: it is not what it should be, or somebody else's.
        """
        if not (self.directory / self.next_chain).exists():
            return None
        return self._read(self._following, self.next_chain)

    def trust(self) -> TrustStore:
        """Whom we trust."""
        return self._read(
            lambda: TrustStore.from_pem(
                anchors=self._bytes(self.anchors),
                intermediates=self._bytes(self.intermediates),
                crls=[self._bytes(name) for name in self.crls],
                policy=self.policy,
            ),
            self.anchors,
        )

    def changes(self) -> tuple[tuple[str, int, int, int], ...]:
        """Of each file when it was written (ns), its size and inode: one put in place of another may well be older."""
        names = [self.chain, self.anchors, self.intermediates, *self.crls]
        if self.device is None:
            names.append(self.key)
        names += [name for name in (self.next_key, self.next_chain) if (self.directory / name).exists()]
        stats = [(name, (self.directory / name).stat()) for name in names]
        return tuple((name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in stats)

    def _credential(self) -> Credential:
        if self.device is not None:
            return Credential.in_device(self.device, self._bytes(self.chain))
        return Credential.from_pem(self._bytes(self.key), self._bytes(self.chain))

    def _following(self) -> Credential:
        """In a device it is a new certificate for the key that is there."""
        chain = self._bytes(self.next_chain)
        if self.device is not None:
            following = Credential.in_device(self.device, chain)
        else:
            following = Credential.from_pem(self._bytes(self.next_key), chain)
        if following.participant != self._credential().participant:
            raise ValueError("the next certificate is another participant's")
        return following

    def _bytes(self, name: str) -> bytes:
        return (self.directory / name).read_bytes()

    def _read(self, build: Callable[[], T], name: str) -> T:
        try:
            return build()
        except (OSError, ValueError, RefusedError) as error:
            raise OurFaultError(f"keys in {self.directory}: {name}: {error}") from error


class WatchedKeys:
    """An identity that follows its folder. Call it for the present one; a broken change is reported and not taken."""

    def __init__(
        self, folder: KeyFolder, *, reload_s: float, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._folder, self._reload_s, self._clock = folder, reload_s, clock
        self._own = folder.identity(clock())
        self._switch_at = self._next_switch()
        self._lists: tuple[x509.CertificateRevocationList, ...] = ()
        self._answers: tuple[OCSPResponse, ...] = ()
        self._identity = self._own
        self._changed = folder.changes()
        self._look_at = time.monotonic() + reload_s

    def __call__(self) -> Identity:
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + self._reload_s
            self._reload()
        return self._identity

    def know(self, lists: Sequence[x509.CertificateRevocationList], answers: Sequence[OCSPResponse]) -> None:
        """Judge by these lists and answers too, besides those of the folder; they replace what was told before."""
        self._lists, self._answers = tuple(lists), tuple(answers)
        self._renew()

    def _next_switch(self) -> datetime | None:
        """When the next key becomes ours; None where there is none, or it is already."""
        following = self._folder.following()
        if following is None or following.certificate == self._own.credential.certificate:
            return None
        return following.certificate.not_valid_before_utc

    def _renew(self) -> None:
        trust = self._own.trust.with_revocation(self._lists, self._answers)
        self._identity = Identity(self._own.credential, trust)

    def _reload(self) -> None:
        try:
            changed = self._folder.changes()
            due = self._switch_at is not None and self._clock() >= self._switch_at
            if changed != self._changed or due:
                own, self._changed = self._folder.identity(self._clock()), changed
                self._own = Identity(own.credential, own.trust.having_seen(self._identity.trust))
                self._switch_at = self._next_switch()
                self._renew()
        except (OSError, OurFaultError) as error:
            _log.error("keys not reloaded", reason=str(error))
