"""`eherrac-gateway pki`: the development authority on disk. For development and demonstration, never for production.

Layout under DIR: `authority/` (root, issuing CA, register), and per participant a folder `CODE/` in the form that
`[keys]` of the configuration expects: key.pem, chain.pem, anchors.pem, intermediates.pem, crl.pem.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from certs.authority import Authority
from gateway.cli.console import fail, say

app = App(name="pki", help="Development certificates in the manner of BSXM: authority, participants, revocation.")

Directory = Annotated[Path, Parameter(name="--dir", help="Folder of the authority and the participants' keys.")]
_DEFAULT = Path("keys")
_SECRET_MODE = 0o600


@app.command
def init(*, dir: Directory = _DEFAULT) -> None:
    """Create a root and an issuing CA in DIR/authority."""
    folder = dir / "authority"
    if folder.exists():
        fail(f"{folder} exists already; an authority is never overwritten")
    save_authority(dir, Authority.create(datetime.now(UTC)), datetime.now(UTC))
    say(f"authority created in {folder}")


@app.command
def issue(
    code: str,
    name: str,
    *,
    key: Literal["rsa", "p256"] = "rsa",
    days: int = 365,
    dir: Directory = _DEFAULT,
) -> None:
    """Issue a signing certificate.

    Parameters
    ----------
    code
        Registration code of the participant (organizationIdentifier), for example 999101.
    name
        Name of the organisation.
    key
        RSA-2048 or P-256.
    days
        Validity in days.
    """
    authority = load_authority(dir)
    credential = authority.issue(code, name, key=key, now=datetime.now(UTC), days=days)
    key_pem, chain_pem = credential.to_pem()
    folder = dir / code
    _write(folder / "key.pem", key_pem, secret=True)
    _write(folder / "chain.pem", chain_pem)
    save_authority(dir, authority, datetime.now(UTC))
    say(f"{code}: certificate {credential.certificate.serial_number:x} in {folder}")


@app.command
def revoke(serial: str, *, dir: Directory = _DEFAULT) -> None:
    """Revoke a certificate by its serial number (hexadecimal) and publish new lists to every participant's folder."""
    authority = load_authority(dir)
    try:
        authority.revoke(serial.lower().removeprefix("0x"), datetime.now(UTC))
    except KeyError:
        fail(f"no certificate with serial {serial} was issued here")
    save_authority(dir, authority, datetime.now(UTC))
    say(f"revoked {serial}; lists renewed")


@app.command
def renew(*, dir: Directory = _DEFAULT) -> None:
    """Publish fresh revocation lists to every participant's folder; a gateway takes none older than three hours."""
    save_authority(dir, load_authority(dir), datetime.now(UTC))
    say("lists renewed")


@app.command(name="list")
def list_(*, dir: Directory = _DEFAULT) -> None:
    """Show every certificate issued."""
    for line in load_authority(dir).register:
        state = f"revoked {line.revoked_at:%Y-%m-%d %H:%M}" if line.revoked_at else "valid"
        say(f"{line.serial:>40}  {line.participant:<10} {state:<24} until {line.not_after:%Y-%m-%d}  {line.name}")


def create_world(directory: Path, participants: dict[str, tuple[str, str]]) -> None:
    """An authority and a key folder for each participant (code to name and kind of key), for the demonstration."""
    now = datetime.now(UTC)
    authority = Authority.create(now)
    for code, (name, key) in participants.items():
        key_pem, chain_pem = authority.issue(code, name, key=key, now=now, days=30).to_pem()
        _write(directory / code / "key.pem", key_pem, secret=True)
        _write(directory / code / "chain.pem", chain_pem)
    save_authority(directory, authority, now)


def load_authority(directory: Path) -> Authority:
    """The authority of a folder; ends the program if there is none."""
    folder = directory / "authority"
    if not folder.is_dir():
        fail(f"no authority in {folder}; begin with `eherrac-gateway pki init`")
    return Authority.from_files({path.name: path.read_bytes() for path in folder.iterdir()})


def save_authority(directory: Path, authority: Authority, now: datetime) -> None:
    """Write the authority, then its anchors and a fresh list into every participant's folder."""
    crl = authority.crl(now)
    for name, content in authority.to_files().items():
        _write(directory / "authority" / name, content, secret=name.endswith(".key.pem"))
    for folder in directory.iterdir():
        if folder.is_dir() and folder.name != "authority":
            _write(folder / "anchors.pem", authority.anchors_pem)
            _write(folder / "intermediates.pem", authority.intermediates_pem)
            _write(folder / "crl.pem", crl)


def _write(path: Path, content: bytes, *, secret: bool = False) -> None:
    """Write a file whole or not at all; a secret one is readable by its owner only, from its first byte."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _SECRET_MODE if secret else 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.replace(path)
