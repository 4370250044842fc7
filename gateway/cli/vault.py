"""`eherrac-gateway vault`: the signing key under dual control (VLT). Two people, each with a box and a PIN."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from certs.custody import Page
from gateway.cli.console import fail, say
from gateway.keys.vault import ForeignAttemptError, Founder, Vault, VaultError, check_due, is_open

app = App(name="vault", help="The signing key under dual control: opened, closed and checked by two custodians.")

Folder = Annotated[Path, Parameter(name="--dir", help="Folder of the vault.")]
Boxes = Annotated[
    list[Path], Parameter(name="--box", negative=(), help="A custodian's box; give each of those present.")
]
Pins = Annotated[
    list[Path], Parameter(name="--pin-file", negative=(), help="Files with the PINs, in the boxes' order; else asked.")
]
_DEFAULT = Path("vault")
_REFUSED = 3


@app.command
def init(
    key: Path,
    *,
    custodian: Annotated[list[str], Parameter(negative=(), help="Name of a custodian; at least two.")],
    spare: Annotated[list[str], Parameter(negative=(), help="Name of a spare share, to be sealed elsewhere.")] = [],  # noqa: B006
    threshold: int = 2,
    pin_file: Pins = [],  # noqa: B006
    dir: Folder = _DEFAULT,
) -> None:
    """Seal a private key in a new vault and make every custodian's box.

    Parameters
    ----------
    key
        The private key, PEM. Destroy the file afterwards; the vault is then the only place it is in.
    threshold
        How many custodians open it together.
    """
    names = [*custodian, *spare]
    pins = _pins(names, pin_file)
    founders = [Founder(name=name, pin=pin, spare=name in spare) for name, pin in zip(names, pins, strict=True)]
    try:
        Vault.found(dir, key.read_bytes(), founders, threshold=threshold, now=datetime.now(UTC))
    except (VaultError, OSError) as error:
        fail(str(error))
    say(f"vault in {dir}: {threshold} of {len(names)} open it")
    say(f"hand out {dir / 'boxes'}/NAME.json, seal the spare ones elsewhere, remove that folder, destroy {key}")


@app.command(name="open")
def open_(*, box: Boxes, into: Path, pin_file: Pins = [], dir: Folder = _DEFAULT) -> None:  # noqa: B006
    """Open the vault: the key is laid where `[keys] key` reads it, best in memory (/run).

    Parameters
    ----------
    into
        Where the key is laid, readable by its owner only.
    """
    _say_done(_together(lambda vault, present: vault.open(present, into, now=datetime.now(UTC)), dir, box, pin_file))


@app.command
def close(*, box: Boxes, at: Path, pin_file: Pins = [], dir: Folder = _DEFAULT) -> None:  # noqa: B006
    """Close the vault: the key is compared with the book, then taken away. Stop `serve` first: it holds the key.

    Parameters
    ----------
    at
        Where the key lies.
    """
    _say_done(_together(lambda vault, present: vault.close(present, at, now=datetime.now(UTC)), dir, box, pin_file))


@app.command
def check(*, box: Boxes, pin_file: Pins = [], dir: Folder = _DEFAULT) -> None:  # noqa: B006
    """The monthly look: the shares still open the vault, and the key in it is the one of the book."""
    _say_done(_together(lambda vault, present: vault.check(present, now=datetime.now(UTC)), dir, box, pin_file))


@app.command
def book(*, dir: Folder = _DEFAULT) -> None:
    """Show every page, verified; ends with 3 if the book does not hold or the monthly look is overdue."""
    try:
        pages = Vault(dir).book()
    except VaultError as error:
        fail(str(error), _REFUSED)
    for page in pages:
        _say_done(page)
    due = check_due(pages)
    overdue = due < datetime.now(UTC)
    say(f"{'open' if is_open(pages) else 'closed'}; next look {'was' if overdue else 'is'} due {due:%Y-%m-%d}")
    if overdue:
        raise SystemExit(_REFUSED)


def _together(
    act: Callable[[Vault, Sequence[tuple[Path, str]]], Page], dir: Path, boxes: list[Path], pin_files: list[Path]
) -> Page:
    """What the custodians present do; a foreign attempt is an incident and is told as such."""
    present = list(zip(boxes, _pins([box.stem for box in boxes], pin_files), strict=True))
    try:
        return act(Vault(dir), present)
    except ForeignAttemptError as error:
        fail(f"INCIDENT, written in the book: {error}", _REFUSED)
    except (VaultError, OSError) as error:
        fail(str(error))


def _pins(names: Sequence[str], files: Sequence[Path]) -> list[str]:
    if files and len(files) != len(names):
        fail(f"{len(names)} PINs are needed, one for each of {', '.join(names)}")
    if files:
        return [file.read_text("utf-8").strip() for file in files]
    return [getpass.getpass(f"PIN of {name}: ") for name in names]


def _say_done(page: Page) -> None:
    people = " and ".join(page.custodians) or "-"
    say(f"{page.number:>4}  {page.at:%Y-%m-%d %H:%M:%S}Z  {page.entry:<8}  {people}  {page.note}  {page.hash[:16]}")
