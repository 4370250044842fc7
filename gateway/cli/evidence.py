"""`eherrac-gateway evidence export|verify`: everything about a lot in one sealed file, and its check offline."""

from __future__ import annotations

import asyncio
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from certs.keystore import pem_bundle
from gateway.cli.console import fail, say
from gateway.cli.settings import ConfigPath, load
from gateway.config import Config
from gateway.evidence import Finding, Gathered, Report, gather, sealed_file, verify_evidence
from gateway.evidence.gathering import TrustMaterial
from gateway.keys import KeyFolder
from gateway.keys.keyring import RevocationNow, key_folder, known_revocation
from gateway.store import open_store

app = App(name="evidence", help="Everything about a lot in one sealed file that anybody can check offline.")
Language = Annotated[Literal["az", "en"], Parameter(help="Language of the report.")]

_REFUSED = 3
_FILE_MAX_BYTES = 256 * 1_048_576


@app.command
def export(lot: str, *, out: Path | None = None, config: ConfigPath = None, language: Language = "az") -> None:
    """Write everything about a lot into one file: messages, answers, documents, journal, certificates, lists.

    It is verified before this returns; ends with 3 if anything in it does not hold, and names it.

    Parameters
    ----------
    lot
        Id of the lot.
    out
        Where to write; LOT.evidence.asice without.
    """
    settings = load(config)
    gathered = asyncio.run(_gather(settings, lot))
    if gathered is None:
        fail(f"no lot {lot}", 1)
    folder = key_folder(settings)
    revocation = asyncio.run(known_revocation(settings, lambda: datetime.now(UTC)))
    content = exported(gathered, folder, revocation, now=datetime.now(UTC))
    path = out or Path(f"{lot}.evidence.asice")
    path.write_bytes(content)
    report = verify_evidence(content, (folder.directory / folder.anchors).read_bytes())
    _say_broken(report, language)
    say(f"{path}: {len(gathered.messages)} messages, {len(gathered.lines)} journal lines, {len(content)} B")
    if not report.holds:
        raise SystemExit(_REFUSED)


@app.command
def verify(
    file: Path, *, trust: Annotated[Path, Parameter(help="Root certificate, PEM.")], language: Language = "az"
) -> None:
    """Verify an evidence file offline, with nothing but the root: a line per item; ends with 0, or 3.

    Parameters
    ----------
    file
        What `evidence export` wrote.
    """
    try:
        if file.stat().st_size > _FILE_MAX_BYTES:
            fail(f"{file} is larger than {_FILE_MAX_BYTES} bytes")
        content, root = file.read_bytes(), trust.read_bytes()
    except OSError as error:
        fail(str(error))
    report = verify_evidence(content, root)
    for finding in report.findings:
        say(_line(finding, language))
    _say_broken(report, language)
    if not report.holds:
        raise SystemExit(_REFUSED)
    say(_words(language)["holds"])


async def _gather(settings: Config, lot: str) -> Gathered | None:
    store = await open_store(settings.store.url)
    try:
        return await store.read(lambda reader: gather(reader, lot))
    finally:
        await store.close()


def exported(gathered: Gathered, folder: KeyFolder, revocation: RevocationNow, *, now: datetime) -> bytes:
    """The file, sealed with our key. Signers' certificates are gathered by verifying a first draft of it."""
    credential = folder.identity().credential
    issuers = (folder.directory / folder.intermediates).read_bytes()
    material = TrustMaterial(certificates=issuers, revocation=revocation.lists, answers=revocation.answers)
    draft = sealed_file(gathered, credential, material, now=now)
    known = verify_evidence(draft, (folder.directory / folder.anchors).read_bytes()).certificates
    leaves = pem_bundle([known[digest] for digest in sorted(known)])
    material = replace(material, certificates=issuers + leaves)
    return sealed_file(gathered, credential, material, now=now)


def _say_broken(report: Report, language: str) -> None:
    broken = [finding for finding in report.findings if not finding.holds]
    if broken:
        say(f"{_words(language)['broken']}: {len(broken)}")
        for finding in broken:
            say(f"  {_line(finding, language)}")


def _line(finding: Finding, language: str) -> str:
    words = _words(language)
    line = f"{words['yes' if finding.holds else 'no']:<13} {words[finding.what]}: {finding.about}"
    if finding.refusal is None:
        return line
    facts = ", ".join(f"{name}={fact}" for name, fact in finding.refusal.facts.items())
    return f"{line}  {finding.refusal.code} {facts}"


@cache
def _words(language: str) -> dict[str, str]:
    source = resources.files("gateway").joinpath("data", "evidence.toml").read_text("utf-8")
    words: dict[str, dict[str, str]] = tomllib.loads(source)
    return words[language]
