"""`eherrac-gateway verify`: what was signed, by whom, when; or at which step it is refused, why, and what to change.

Works without a network and, but for `store`, without a database: a file, and the certificates to believe. With
`--config FILE --as CODE` a file is judged by what the gateway expects of that counterparty. Exit codes: 0 all accepted,
3 at least one refused, 2 for what cannot be read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from cryptography import x509
from cyclopts import App, Parameter

from certs.expectations import Expectations, Expected
from certs.keystore import pem_bundle
from certs.tolerance import Tolerance
from certs.trust import Revocation, TrustPolicy, TrustStore, Verified
from contracts.errors import Refusal
from contracts.errors.catalogue import describe
from contracts.errors.refusal import RefusedError
from gateway.cli.console import fail, say
from gateway.cli.proofs import judged, tell
from gateway.cli.settings import ConfigPath, load
from gateway.config.expected import expected_of
from gateway.errors import OurFaultError
from gateway.keys.keyring import key_folder
from gateway.verify import texts, verify_file
from gateway.verify_message import Terms, verify_iso, verify_rest, verify_soap

REFUSED = 3

_MESSAGES = Expected(house=Expectations(document_max_age_s=300))
"""Without a configuration: the doors' own, and a kept ISO 20022 message is held to the age of a signature."""

app = App(name="verify", help="Verify sealed protocols (ASiC-E), messages (soap, rest, iso) or the store. Offline.")

Language = Annotated[Literal["az", "en", "ru"], Parameter(help="Language of the answer.")]
MaxAge = Annotated[int | None, Parameter(help="Greatest age of a message in seconds; without, what is expected.")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """Whom to believe, and what to expect.

    Parameters
    ----------
    trust
        PEM certificates: self-signed ones are believed, others only help to find the path. Not needed with --config.
    config
        Configuration of a gateway: what it expects of its counterparties counts, and without --trust its key folder.
    code
        Code of the counterparty that must have signed; what is expected of it counts.
    intermediates
        PEM certificates of issuing authorities that the message does not bring.
    crl
        Revocation lists, PEM or DER. Without any, revocation is not judged, and the answer says so.
    participants
        Whether certificates must name a participant (organizationIdentifier), as the doors ask.
    at
        Moment to judge at, ISO 8601 with an offset; now without.
    """

    trust: Path | None = None
    config: Path | None = None
    code: Annotated[str | None, Parameter(name="--as")] = None
    intermediates: Path | None = None
    crl: tuple[Path, ...] = ()
    participants: bool = False
    at: datetime | None = None

    def store(self) -> TrustStore:
        """The trust store; ends the program if it cannot be read."""
        try:
            return self._store()
        except (OSError, ValueError, OurFaultError) as error:
            fail(f"certificates to believe: {error}")

    @property
    def expected(self) -> Expected:
        """What is expected of whom; of whomever signed, that of --as."""
        known = _MESSAGES if self.config is None else expected_of(load(self.config))
        return known if self.code is None else Expected(house=known.of(self.code))

    @property
    def is_revocation_judged(self) -> bool:
        """Whether there are lists to judge it by."""
        return bool(self.crl) or self.trust is None

    @property
    def now(self) -> datetime:
        """The moment to judge at."""
        if self.at is not None and self.at.tzinfo is None:
            fail("--at needs an offset, for example 2026-11-22T09:00:00+04:00")
        return self.at or datetime.now(UTC)

    def _store(self) -> TrustStore:
        if self.trust is None:
            return self._configured()
        given = x509.load_pem_x509_certificates(self.trust.read_bytes())
        roots = [certificate for certificate in given if certificate.issuer == certificate.subject] or given
        helping = [certificate for certificate in given if certificate not in roots]
        if self.intermediates is not None:
            helping += x509.load_pem_x509_certificates(self.intermediates.read_bytes())
        return TrustStore.from_pem(
            anchors=pem_bundle(roots),
            intermediates=pem_bundle(helping),
            crls=[path.read_bytes() for path in self.crl],
            policy=TrustPolicy(
                revocation=Revocation.REQUIRED if self.crl else Revocation.NONE,
                participant_required=self.participants,
            ),
        )

    def _configured(self) -> TrustStore:
        if self.config is None:
            fail("give --trust, or --config whose key folder is believed")
        return key_folder(load(self.config)).trust()


_BY_OPTIONS = Believed()


@app.default
def container(*files: Path, believed: Believed = _BY_OPTIONS, language: Language = "az") -> None:
    """Verify sealed protocols: what was signed, by whom, when, and whether the print is that of the XML."""
    trust, now, expected = believed.store(), believed.now, believed.expected

    def lines(content: bytes) -> tuple[str, ...]:
        return verify_file(content, trust, now=now, at=believed.at, expected=expected).lines(language)

    _each(files, lines, believed, language)


@app.command
def store(*, config: ConfigPath = None, language: Language = "az") -> None:
    """Hold everything in the configured store against its journal, while the gateway runs or not; ends with 0, or 3."""
    settings, began = load(config), time.monotonic()
    try:
        tell(asyncio.run(judged(settings.store.url, settings)), began, language)
    except OurFaultError as error:
        fail(str(error), 1)


@app.command
def soap(
    *files: Path,
    believed: Believed = _BY_OPTIONS,
    tolerate: tuple[Tolerance, ...] = (),
    max_age_s: MaxAge = None,
    language: Language = "az",
) -> None:
    """Verify SOAP envelopes signed by WS-Security.

    Parameters
    ----------
    tolerate
        What the operator grants the sender besides the profile; may be given several times.
    """

    def verify(content: bytes, trust: TrustStore, terms: Terms) -> Verified:
        return verify_soap(content, trust, replace(terms, expected=_tolerating(terms.expected, tolerate)))

    _messages(files, verify, believed, max_age_s, language)


@app.command
def iso(*files: Path, believed: Believed = _BY_OPTIONS, max_age_s: MaxAge = None, language: Language = "az") -> None:
    """Verify ISO 20022 messages signed in their header."""
    _messages(files, verify_iso, believed, max_age_s, language)


@app.command
def rest(
    *files: Path,
    believed: Believed = _BY_OPTIONS,
    request: Path | None = None,
    max_age_s: MaxAge = None,
    language: Language = "az",
) -> None:
    """Verify HTTP messages by RFC 9421, as logged: start line, fields, empty line, body.

    Parameters
    ----------
    request
        The request that the given responses answer.
    """
    asked = None if request is None else _read(request)

    def verify(content: bytes, trust: TrustStore, terms: Terms) -> Verified:
        return verify_rest(content, trust, terms, request=asked)

    _messages(files, verify, believed, max_age_s, language)


def _messages(
    files: Sequence[Path],
    verify: Callable[[bytes, TrustStore, Terms], Verified],
    believed: Believed,
    max_age_s: int | None,
    language: str,
) -> None:
    trust, said = believed.store(), texts(language)
    expected = believed.expected if max_age_s is None else _aged(believed.expected, max_age_s)
    terms = Terms(now=believed.now, expected=expected, participant=believed.code)

    def lines(content: bytes) -> tuple[str, ...]:
        verified = verify(content, trust, terms)
        signer, signed_at = verified.signer, verified.signed_at
        return (
            f"{said['participant']}: {signer.participant or '-'}",
            f"{said['subject']}: {signer.subject}",
            f"{said['serial']}: {signer.serial}",
            f"{said['certificate']}: {signer.certificate_sha256}",
            f"{said['signed_at']}: {signed_at.isoformat() if signed_at else '-'}",
            f"{said['steps']}: {', '.join(verified.steps)}",
        )

    _each(files, lines, believed, language)


def _tolerating(expected: Expected, tolerances: Sequence[Tolerance]) -> Expected:
    return _widened(expected, lambda one: replace(one, tolerances=one.tolerances | set(tolerances)))


def _aged(expected: Expected, max_age_s: int) -> Expected:
    return _widened(expected, lambda one: replace(one, max_age_s=max_age_s, document_max_age_s=max_age_s))


def _widened(expected: Expected, widen: Callable[[Expectations], Expectations]) -> Expected:
    own = {code: widen(one) for code, one in expected.own.items()}
    return Expected(house=widen(expected.house), own=own)


def _each(files: Sequence[Path], lines: Callable[[bytes], tuple[str, ...]], believed: Believed, language: str) -> None:
    """One file is told in full, several in a line each; ends the program with 3 if any is refused."""
    if not files:
        fail("no file to verify")
    said, refused = texts(language), 0
    for file in files:
        try:
            told = lines(_read(file))
        except RefusedError as error:
            refused += 1
            told = _explained(error.refusal, language)
            verdict = f"{file}: {said['refused']}"
        else:
            verdict = f"{file}: {said['accepted']}"
        say(f"{verdict}: {'; '.join(told)}" if len(files) > 1 else "\n  ".join((verdict, *told)))
    if not believed.is_revocation_judged:
        say(said["not_judged"])
    if refused:
        raise SystemExit(REFUSED)


def _explained(refusal: Refusal, language: str) -> tuple[str, ...]:
    """Code and step, what is wrong, what to do; the facts tell the reference and both digests."""
    problem = describe(refusal, language)
    step = refusal.facts.get("step")
    return (
        f"{refusal.code}" + (f", {texts(language)['at_step']} {step}" if step else ""),
        f"{problem.title}. {problem.detail}",
        problem.remedy,
        *(f"{name}: {value}" for name, value in refusal.facts.items() if name not in ("step", "cause")),
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        fail(f"{path}: {error.strerror}")
