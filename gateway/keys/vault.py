"""A vault on disk: its record, the custodians' boxes, and the book; and what two people together may do with it.

Layout: `vault.json` (who keeps shares, how many are needed, the sealed key), `book.jsonl` (a page a line),
`boxes/NAME.json` (to be carried away by their custodians; the spare ones sealed and kept elsewhere, VLT-4.8).
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from certs import custody
from certs.custody import Box, Custodian, CustodyError, Entry, ForeignError, Opened, Page
from gateway.errors import OurFaultError

CHECK_EVERY = timedelta(days=31)  # VLT-4.13: at least once a month, used or not
_BOX_MODE = 0o600


class VaultError(OurFaultError):
    """The vault cannot be used so: its files are damaged, it is open already, or the people are not enough."""


class ForeignAttemptError(VaultError):
    """Somebody without a right to it tried to open the vault; it stands in the book now (VLT-4.12)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Founder:
    """Somebody who is to keep a share."""

    name: str
    pin: str
    spare: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """`vault.json`. `head` is the hash of the book's last page; `sealed` and `item` are hexadecimal."""

    id: str
    threshold: int
    custodians: tuple[Custodian, ...]
    sealed: str
    item: str
    pages: int
    head: str


class Vault:
    """A vault's folder. Every method that changes it writes a page that everybody taking part has signed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def found(
        cls, folder: Path, key_pem: bytes, founders: Sequence[Founder], *, threshold: int, now: datetime
    ) -> Vault:
        """Seal a key in a new vault and give every founder a box.

        Raises:
            VaultError: there is a vault already, names are not different, or too few people.
        """
        if (folder / "vault.json").exists():
            raise VaultError(f"there is a vault in {folder} already")
        if len({founder.name for founder in founders}) != len(founders):
            raise VaultError("every custodian has a name of his own")
        secret, id = secrets.token_bytes(custody.SECRET_BYTES), secrets.token_hex(16)
        try:
            shares = custody.split(secret, threshold=threshold, count=len(founders), random=secrets.token_bytes)
            boxes = [
                custody.box_of(one.name, share, one.pin, random=secrets.token_bytes, spare=one.spare)
                for one, share in zip(founders, shares, strict=True)
            ]
        except ValueError as error:
            raise VaultError(str(error)) from error
        present = [opened for opened, _ in boxes]
        custodians = tuple(one.custodian for one in present)
        item = item_of(key_pem)
        page = custody.page_after((), Entry.FOUNDED, present, item=item, now=now)
        sealed = custody.seal_key(key_pem, secret, vault_id=id, random=secrets.token_bytes).hex()
        vault = cls(folder)
        (folder / "book.jsonl").unlink(missing_ok=True)  # of a founding that did not come to its end
        for _, box in boxes:
            _write(folder / "boxes" / f"{box.custodian}.json", json.dumps(asdict(box), indent=1))
        record = Record(
            id=id, threshold=threshold, custodians=custodians, sealed=sealed, item=item, pages=1, head=page.hash
        )
        vault._append(record, page)
        return vault

    def open(self, boxes: Sequence[tuple[Path, str]], into: Path, *, now: datetime) -> Page:
        """Open with boxes and PINs, and lay the key at `into` (owner only; best in memory, as under /run).

        Raises:
            ForeignAttemptError: it did not open; VaultError: it is open, or the book is broken.
        """
        record, book = self._read()
        if is_open(book):
            raise VaultError("the vault is open already; close it first")
        present, key = self._unsealed(record, book, boxes, now)
        page = custody.page_after(book, Entry.OPENED, present, item=item_of(key), now=now, note=_spares(present))
        self._append(record, page)
        _write(into, key.decode("ascii"))
        return page

    def close(self, boxes: Sequence[tuple[Path, str]], at: Path, *, now: datetime) -> Page:
        """Take the key away from `at`, after comparing it with the book (VLT-4.9).

        Raises:
            ForeignAttemptError, VaultError: also where what lies there is not the vault's key.
        """
        record, book = self._read()
        if not is_open(book):
            raise VaultError("the vault is not open")
        present, _ = self._unsealed(record, book, boxes, now)
        note = _spares(present) if at.exists() else "nothing lay there"
        if at.exists():
            if item_of(at.read_bytes()) != record.item:
                raise VaultError(f"what lies at {at} is not what the book says; guard it and report (VLT-5.15)")
            _destroy(at)
        page = custody.page_after(book, Entry.CLOSED, present, item=record.item, now=now, note=note)
        self._append(record, page)
        return page

    def check(self, boxes: Sequence[tuple[Path, str]], *, now: datetime) -> Page:
        """The monthly look (VLT-4.13): the shares still open it, and the key in it is the one of the book."""
        record, book = self._read()
        present, key = self._unsealed(record, book, boxes, now)
        page = custody.page_after(book, Entry.CHECKED, present, item=item_of(key), now=now, note=_spares(present))
        self._append(record, page)
        return page

    def book(self) -> tuple[Page, ...]:
        """Every page.

        Raises:
            VaultError: a page was changed, taken out, or is not signed; files are damaged.
        """
        return self._read()[1]

    def _unsealed(
        self, record: Record, book: Sequence[Page], boxes: Sequence[tuple[Path, str]], now: datetime
    ) -> tuple[list[Opened], bytes]:
        """The people present and the key; an attempt that fails becomes a page before it is refused."""
        if len({path.resolve() for path, _ in boxes}) < record.threshold:
            raise VaultError(f"{record.threshold} custodians are needed")
        try:
            present = [custody.open_box(_box(path), pin, record.custodians) for path, pin in boxes]
            secret = custody.join([one.share for one in present])
            key = custody.unseal_key(bytes.fromhex(record.sealed), secret, vault_id=record.id)
        except ForeignError as error:
            page = custody.page_after(book, Entry.ATTEMPT, (), item=record.item, now=now, note=str(error))
            self._append(record, page)
            raise ForeignAttemptError(str(error)) from error
        except CustodyError as error:
            raise VaultError(str(error)) from error
        if item_of(key) != record.item:
            raise VaultError("the key in the vault is not the one that was put in")
        return present, key

    def _read(self) -> tuple[Record, tuple[Page, ...]]:
        try:
            record = _record(json.loads((self._folder / "vault.json").read_text("utf-8")))
            lines = (self._folder / "book.jsonl").read_text("utf-8").splitlines()
            book = tuple(_page(json.loads(line)) for line in lines)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise VaultError(f"the vault in {self._folder} cannot be read: {error}") from error
        bad = custody.first_bad_page(book, record.custodians, record.threshold)
        if bad is not None:
            raise VaultError(f"page {bad} of the book does not hold: report and draw up an act (VLT-4.12)")
        heads = [custody.GENESIS, *(page.hash for page in book)]
        # One page more than the record knows is a crash between the two, and the page is linked and signed.
        if record.pages not in (len(book), len(book) - 1) or heads[record.pages] != record.head:
            raise VaultError(f"the book has {len(book)} pages, the record says {record.pages}: report it (VLT-4.14)")
        return record, book

    def _append(self, record: Record, page: Page) -> None:
        """The page first, so that a crash in between shows as a page too many and never as one too few."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "book.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(page), ensure_ascii=False, default=str) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh = asdict(record) | {"pages": page.number, "head": page.hash}
        _write(self._folder / "vault.json", json.dumps(fresh, ensure_ascii=False, indent=1))


def is_open(book: Sequence[Page]) -> bool:
    """Whether the last opening has not been followed by a closing."""
    handled = [page.entry for page in book if page.entry in (Entry.OPENED, Entry.CLOSED)]
    return bool(handled) and handled[-1] is Entry.OPENED


def check_due(book: Sequence[Page]) -> datetime:
    """When the vault must be opened or checked next (VLT-4.13)."""
    looked = [page.at for page in book if page.entry in (Entry.FOUNDED, Entry.OPENED, Entry.CHECKED)]
    return looked[-1] + CHECK_EVERY


def item_of(key_pem: bytes) -> str:
    """What the book counts: SHA-256 of the key's public half, hexadecimal.

    Raises:
        VaultError: it is no private key.
    """
    try:
        key = load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError) as error:
        raise VaultError(f"not a private key: {error}") from error
    octets = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(octets).hexdigest()


def _spares(present: Sequence[Opened]) -> str:
    names = [one.custodian.name for one in present if one.custodian.spare]
    return f"spare: {', '.join(names)}" if names else ""


def _box(path: Path) -> Box:
    try:
        return Box(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ForeignError(f"{path.name} is no box of a custodian: {type(error).__name__}") from error


def _record(data: dict[str, Any]) -> Record:
    return Record(**data | {"custodians": tuple(Custodian(**one) for one in data["custodians"])})


def _page(data: dict[str, Any]) -> Page:
    read = {"at": datetime.fromisoformat(data["at"]), "entry": Entry(data["entry"])}
    return Page(**data | read | {"custodians": tuple(data["custodians"])})


def _write(path: Path, text: str) -> None:
    """Whole or not at all, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _BOX_MODE), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _destroy(path: Path) -> None:
    """Overwrite, then remove: enough in memory; a disk that keeps old blocks may keep this one."""
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
