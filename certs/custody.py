"""Dual control of keys (VLT-4.1) electronically (VLT-4.2): a secret split among custodians, their signed book. Pure.

The secret that seals the keys is split by Shamir's scheme over GF(256): any `threshold` shares give it back, fewer say
nothing of it. A custodian's share lies in a box that opens with that person's PIN, together with the key by which the
person signs the book. The book's pages are numbered, linked by their hashes, and each opening, closing and check
is signed by those who did it (VLT-4.10, VLT-4.11, VLT-4.14).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

SECRET_BYTES = 32
SHARES_MAX = 255  # the field has no more places
PIN_MIN_CHARS = 6
GENESIS = "0" * 64
_NONCE_BYTES, _SALT_BYTES = 12, 16
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**15, 8, 1  # about 0.1 s and 32 MB a try
_REDUCING = 0x11B  # x^8 + x^4 + x^3 + x + 1

Random = Callable[[int], bytes]


class CustodyError(ValueError):
    """Shares, PINs or a book that cannot be used; says why, without a secret."""


class ForeignError(CustodyError):
    """A PIN or share that is not a custodian's: an attempt to be written down (VLT-4.12)."""


@dataclass(frozen=True, slots=True)
class Share:
    """One part of a split secret; `index` is its place, from 1."""

    index: int
    octets: bytes = field(repr=False)


def split(secret: bytes, *, threshold: int, count: int, random: Random) -> list[Share]:
    """Split into `count` shares of which any `threshold` give the secret back.

    Raises:
        ValueError: not 2 ≤ threshold ≤ count ≤ 255.
    """
    if not 2 <= threshold <= count <= SHARES_MAX:
        raise ValueError("at least two shares are needed to open, of at most 255")
    coefficients = [secret, *(random(len(secret)) for _ in range(threshold - 1))]
    return [
        Share(index, bytes(_value(column, index) for column in zip(*coefficients, strict=True)))
        for index in range(1, count + 1)
    ]


def join(shares: Sequence[Share]) -> bytes:
    """The secret, if the shares are enough and of one splitting; other shares give other octets, unnoticed here.

    Raises:
        CustodyError: one share twice (VLT-4.6: nobody hands his to another), none, or of different lengths.
    """
    indices = [share.index for share in shares]
    if not shares or len(set(indices)) != len(indices) or len({len(share.octets) for share in shares}) != 1:
        raise CustodyError("shares of different people are needed")
    weights = [_weight(index, indices) for index in indices]
    columns = zip(*(share.octets for share in shares), strict=True)
    return bytes(
        _sum(_times(weight, octet) for weight, octet in zip(weights, column, strict=True)) for column in columns
    )


def _value(coefficients: Sequence[int], at: int) -> int:
    """A polynomial's value, by Horner."""
    value = 0
    for coefficient in reversed(coefficients):
        value = _times(value, at) ^ coefficient
    return value


def _weight(index: int, indices: Sequence[int]) -> int:
    """Lagrange's, at zero."""
    weight = 1
    for other in indices:
        if other != index:
            weight = _times(weight, _times(other, _inverse(other ^ index)))
    return weight


def _times(left: int, right: int) -> int:
    product = 0
    while right:
        if right & 1:
            product ^= left
        left <<= 1
        if left & 0x100:
            left ^= _REDUCING
        right >>= 1
    return product


def _inverse(value: int) -> int:
    """value^254: in this field, its inverse."""
    power, result = value, 1
    for _ in range(7):
        power = _times(power, power)
        result = _times(result, power)
    return result


def _sum(values: Iterable[int]) -> int:
    total = 0
    for value in values:
        total ^= value
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Custodian:
    """A keeper of a share. `public_key` (hexadecimal) verifies what the person signs in the book."""

    name: str
    index: int
    public_key: str
    spare: bool = False  # sealed and kept elsewhere (VLT-4.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A custodian's share and signing key under the PIN; all hexadecimal."""

    custodian: str
    salt: str
    nonce: str
    content: str


@dataclass(frozen=True, slots=True)
class Opened:
    """What a box holds."""

    custodian: Custodian
    share: Share
    signing_key: Ed25519PrivateKey = field(repr=False)


def box_of(name: str, share: Share, pin: str, *, random: Random, spare: bool = False) -> tuple[Opened, Box]:
    """Put a share and a new signing key into a box.

    Raises:
        CustodyError: the PIN is too short.
    """
    if len(pin) < PIN_MIN_CHARS:
        raise CustodyError(f"a PIN has at least {PIN_MIN_CHARS} characters")
    seed, salt, nonce = random(SECRET_BYTES), random(_SALT_BYTES), random(_NONCE_BYTES)
    signing_key = Ed25519PrivateKey.from_private_bytes(seed)
    public = signing_key.public_key().public_bytes_raw().hex()
    custodian = Custodian(name=name, index=share.index, public_key=public, spare=spare)
    content = AESGCM(_stretched(pin, salt)).encrypt(nonce, seed + share.octets, name.encode())
    box = Box(custodian=name, salt=salt.hex(), nonce=nonce.hex(), content=content.hex())
    return Opened(custodian, share, signing_key), box


def open_box(box: Box, pin: str, custodians: Sequence[Custodian]) -> Opened:
    """What a box holds.

    Raises:
        ForeignError: no custodian's box, or another PIN.
    """
    custodian = next((one for one in custodians if one.name == box.custodian), None)
    if custodian is None:
        raise ForeignError(f"{box.custodian} is no custodian of this vault")
    try:
        key = AESGCM(_stretched(pin, bytes.fromhex(box.salt)))
        content = key.decrypt(bytes.fromhex(box.nonce), bytes.fromhex(box.content), box.custodian.encode())
    except (InvalidTag, ValueError):
        raise ForeignError(f"the PIN of {box.custodian} does not open the box") from None
    signing_key = Ed25519PrivateKey.from_private_bytes(content[:SECRET_BYTES])
    if signing_key.public_key().public_bytes_raw().hex() != custodian.public_key:
        raise ForeignError(f"the box of {box.custodian} is of another vault")
    return Opened(custodian, Share(custodian.index, content[SECRET_BYTES:]), signing_key)


def _stretched(pin: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=SECRET_BYTES, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P).derive(pin.encode())


def seal_key(key: bytes, secret: bytes, *, vault_id: str, random: Random) -> bytes:
    """The key under the secret, bound to this vault."""
    nonce = random(_NONCE_BYTES)
    return nonce + AESGCM(secret).encrypt(nonce, key, vault_id.encode())


def unseal_key(sealed: bytes, secret: bytes, *, vault_id: str) -> bytes:
    """The key.

    Raises:
        ForeignError: the secret is not this vault's.
    """
    try:
        return AESGCM(secret).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], vault_id.encode())
    except (InvalidTag, ValueError):
        raise ForeignError("these shares do not open this vault") from None


class Entry(StrEnum):
    """What a page of the book tells."""

    FOUNDED = "founded"
    OPENED = "opened"
    CLOSED = "closed"
    CHECKED = "checked"
    ATTEMPT = "attempt"  # foreign, or one that failed: an incident (VLT-4.12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page. `item` is the SHA-256 of the key's public half, counted at every handover (VLT-5.13)."""

    number: int
    at: datetime
    entry: Entry
    custodians: tuple[str, ...]
    item: str
    note: str
    prev_hash: str
    hash: str = ""
    signatures: Mapping[str, str] = field(default_factory=dict)


def page_after(
    book: Sequence[Page], entry: Entry, by: Sequence[Opened], *, item: str, now: datetime, note: str = ""
) -> Page:
    """The next page, signed by everybody in `by`."""
    page = Page(
        number=len(book) + 1,
        at=now.astimezone(UTC),
        entry=entry,
        custodians=tuple(one.custodian.name for one in by),
        item=item,
        note=note,
        prev_hash=book[-1].hash if book else GENESIS,
    )
    digest = page_digest(page)
    signatures = {one.custodian.name: one.signing_key.sign(bytes.fromhex(digest)).hex() for one in by}
    return replace(page, hash=digest, signatures=signatures)


def page_digest(page: Page) -> str:
    """The hash a page must have: over the one before and everything it says."""
    said = [page.number, page.at.isoformat(), page.entry, page.custodians, page.item, page.note, page.prev_hash]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def first_bad_page(book: Sequence[Page], custodians: Sequence[Custodian], threshold: int) -> int | None:
    """The number of the first page that was changed, taken out, moved, or is not signed by enough people."""
    keys = {one.name: one.public_key for one in custodians}
    previous = GENESIS
    for number, page in enumerate(book, start=1):
        linked = (page.number, page.prev_hash, page.hash) == (number, previous, page_digest(page))
        if not linked or not _is_signed(page, keys, threshold):
            return number
        previous = page.hash
    return None


def _is_signed(page: Page, keys: Mapping[str, str], threshold: int) -> bool:
    if page.entry is Entry.ATTEMPT:
        return True  # by whom it was is not known
    signers = set(page.custodians)
    if len(signers) < threshold or signers != set(page.signatures) or not signers <= set(keys):
        return False
    try:
        for name in signers:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(keys[name]))
            key.verify(bytes.fromhex(page.signatures[name]), bytes.fromhex(page.hash))
    except (InvalidSignature, ValueError):
        return False
    return True
