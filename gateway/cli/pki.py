"""`eherrac-gateway pki`: the development authority on disk. For development and demonstration, never for production.

Layout under DIR: `authority/` (root, issuing CA, register), and per participant a folder `CODE/` in the form that
`[keys]` of the configuration expects: key.pem, chain.pem, anchors.pem, intermediates.pem, crl.pem.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from certs.authority import Authority
from certs.keystore import pem_bundle
from certs.trust import Revocation
from contracts.errors import ErrorCode, Refusal
from contracts.errors.catalogue import describe
from gateway.cli.console import fail, say
from gateway.cli.settings import ConfigPath, load
from gateway.config import Config
from gateway.errors import NotSentError, OurFaultError, OutcomeUnknownError
from gateway.keys.keyring import key_folder, wire_rules
from gateway.keys.rehearsal import Rehearsed
from gateway.keys.rehearsal import rehearse as rehearse_key
from gateway.wire.client import SignedClient
from gateway.wire.identity import Identity

app = App(name="pki", help="Development certificates in the manner of BSXM: authority, participants, revocation.")

Directory = Annotated[Path, Parameter(name="--dir", help="Folder of the authority and the participants' keys.")]
_DEFAULT = Path("keys")
_SECRET_MODE = 0o600
_REFUSED = 3
_ASK_TIMEOUT_S = 10.0


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
    key: Literal["rsa", "rsa3072", "p256"] = "rsa",
    days: int = 365,
    following: Annotated[bool, Parameter(name="--next", negative=())] = False,
    in_days: int = 0,
    request: Path | None = None,
    dir: Directory = _DEFAULT,
) -> None:
    """Issue a signing certificate, with a key made here or for the key of a certificate request.

    Parameters
    ----------
    code
        Registration code of the participant (organizationIdentifier), for example 999101.
    name
        Name of the organisation.
    key
        RSA-2048, RSA-3072 or P-256.
    days
        Validity in days.
    following
        Put it beside the present key as the next one, which takes over when its validity begins.
    in_days
        When its validity begins, days from now.
    request
        A certificate request (PKCS#10, PEM): its key stays where it is, only the chain is written.
    """
    authority = load_authority(dir)
    begins = datetime.now(UTC) + timedelta(days=in_days)
    folder, which = dir / code, ".next" if following else ""
    if request is None:
        credential = authority.issue(code, name, key=key, now=begins, days=days)
        certificate = credential.certificate
        key_pem, chain_pem = credential.to_pem()
        _write(folder / f"key{which}.pem", key_pem, secret=True)
    else:
        try:
            path = authority.issue_requested(request.read_bytes(), code, name, now=begins, days=days)
        except (OSError, ValueError) as error:
            fail(f"no certificate for {request}: {error}")
        certificate, chain_pem = path[0], pem_bundle(path)
        (folder / f"key{which}.pem").unlink(missing_ok=True)  # it would belong to another certificate
    _write(folder / f"chain{which}.pem", chain_pem)
    save_authority(dir, authority, datetime.now(UTC))
    say(f"{code}: certificate {certificate.serial_number:x} in {folder}")


@app.command(name="issue-tsa")
def issue_tsa(name: str, *, days: int = 365, dir: Directory = _DEFAULT) -> None:
    """Issue the certificate of an authority of time (RFC 3161) into DIR/TSA.

    Parameters
    ----------
    name
        Name of the authority.
    days
        Validity in days.
    """
    authority = load_authority(dir)
    credential = authority.issue_time_stamper(name, now=datetime.now(UTC), days=days)
    key_pem, chain_pem = credential.to_pem()
    _write(dir / "TSA" / "key.pem", key_pem, secret=True)
    _write(dir / "TSA" / "chain.pem", chain_pem)
    save_authority(dir, authority, datetime.now(UTC))
    say(f"TSA: certificate {credential.certificate.serial_number:x} in {dir / 'TSA'}")


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
    renew_lists(dir)
    say("lists renewed")


@app.command
def rehearse(*, config: ConfigPath = None, counterpart: str | None = None, participant: str | None = None) -> None:
    """Sign everything with the next key and verify it, before the day it takes over. Nothing is changed.

    Ends with 0 if every signature holds, 3 if one does not, 2 if there is no next key.

    Parameters
    ----------
    counterpart
        Address of a counterparty's sandbox: one signed GET is sent there, and its signed answer verified.
    participant
        Registration code of that counterparty.
    """
    settings = load(config)
    folder = key_folder(settings)
    try:
        following = folder.following()
        if following is None:
            fail(f"no {folder.next_chain} in {folder.directory}")
        begins = following.certificate.not_valid_before_utc
        now = datetime.now(UTC)
        # Lists of today say nothing about a day to come; that the certificate is not revoked now is told by itself.
        policy = folder.policy if begins <= now else replace(folder.policy, revocation=Revocation.NONE)
        trust = replace(folder, policy=policy).trust()
    except OurFaultError as error:
        fail(error.reason)
    results = rehearse_key(following, trust, max(now, begins))
    if counterpart is not None:
        results.append(asyncio.run(_ask(settings, Identity(following, trust), counterpart, participant)))
    say(
        f"next key of {following.participant}: serial {following.certificate.serial_number:x}, "
        f"from {begins:%Y-%m-%d %H:%M} UTC"
    )
    for result in results:
        say(f"{result.what:<16} {'holds' if result.refusal is None else describe(result.refusal, 'en').detail}")
    if any(result.refusal is not None for result in results):
        raise SystemExit(_REFUSED)


async def _ask(settings: Config, identity: Identity, url: str, participant: str | None) -> Rehearsed:
    """Whether a counterparty accepts our next key: anything but its refusal of the signature is a yes."""
    client = SignedClient(
        lambda: identity, timeout_s=_ASK_TIMEOUT_S, clock=lambda: datetime.now(UTC), rules=wire_rules(settings)
    )
    try:
        answer = await client.request("GET", url, expected_participant=participant)
    except (NotSentError, OutcomeUnknownError) as error:
        fail(f"{url}: {error.reason}")
    finally:
        await client.close()
    refused = answer.status in (401, 403)
    return Rehearsed(what=f"at {url}", refusal=Refusal(code=ErrorCode.SIGNATURE_INVALID) if refused else None)


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
        key_pem, chain_pem = authority.issue(code, name, key=key, now=now).to_pem()
        _write(directory / code / "key.pem", key_pem, secret=True)
        _write(directory / code / "chain.pem", chain_pem)
    save_authority(directory, authority, now)


def renew_lists(directory: Path) -> None:
    """A fresh list into every participant's folder."""
    save_authority(directory, load_authority(directory), datetime.now(UTC))


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
