"""Keys inside a PKCS#11 device (HSM, smart card, SoftHSM): opened with a PIN, they sign and never leave it.

One session, used by one thread at a time: a library need not bear more. A session that broke (the device was restarted,
the network went, the token was taken out) is opened again once, by the library started anew where it must be; what
fails then is our own fault and is told so, and the next signature tries again.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pkcs11
from pkcs11 import KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import PinIncorrect, PinLocked, PKCS11Error

from gateway.errors import OurFaultError

_alone = threading.Lock()  # of the library, which starts anew for all of a process


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePlace:
    """Where the key is. The PIN is kept in memory, because a broken session is opened again."""

    module: Path  # the device's PKCS#11 library
    token: str
    label: str  # of the private key
    pin: str = field(repr=False)


class Pkcs11Key:
    """A `certs.keystore.DeviceKey`. One per process and token: logging in and out holds for the whole process."""

    def __init__(self, place: DevicePlace) -> None:
        """Open the session. Raises OurFaultError: no such library, token or key, or a wrong PIN."""
        self._place = place
        try:
            with _alone:
                self._key = self._open()
        except (PKCS11Error, RuntimeError) as error:
            raise self._failure(error) from error

    def sign_message(self, data: bytes) -> bytes:
        """RSA PKCS#1 v1.5 over SHA-256, or ECDSA P-256 over SHA-256 as raw r||s. Raises OurFaultError."""
        with _alone:
            with suppress(PKCS11Error):
                return _sign(self._key, data)
            try:
                self._key = self._open_again()
                return _sign(self._key, data)
            except (PKCS11Error, RuntimeError) as error:
                raise self._failure(error) from error

    def close(self) -> None:
        """Log out. The next signature would log in again."""
        with _alone:
            self._key.session.close()

    def _open(self) -> Any:
        """The key's handle; the library gives it its abilities at run time."""
        token = pkcs11.lib(str(self._place.module)).get_token(token_label=self._place.token)
        session = token.open(user_pin=self._place.pin)
        try:
            return session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=self._place.label)
        except PKCS11Error:
            session.close()
            raise

    def _open_again(self) -> Any:
        """A library may keep to what it saw of a token that was taken out: then it starts anew."""
        try:
            return self._open()
        except (PinIncorrect, PinLocked):
            raise  # another try would use one up
        except PKCS11Error:
            pkcs11.lib(str(self._place.module)).reinitialize()
            return self._open()

    def _failure(self, error: Exception) -> OurFaultError:
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        return OurFaultError(f"PKCS#11 token {self._place.token}, key {self._place.label}: {reason}")


def _sign(key: Any, data: bytes) -> bytes:
    if key.key_type is KeyType.RSA:
        return bytes(key.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS))
    return bytes(key.sign(hashlib.sha256(data).digest(), mechanism=Mechanism.ECDSA))
