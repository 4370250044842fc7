"""What a sealed file says: what was signed, by whom, when. Pure: the file's octets, a trust store and a time in.

The checks are `certs.asice`'s; this adds that the signature is not from the future, reads the protocol inside, and
says whether its print is the one this house makes of its XML.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib import resources

from certs.asice import Sealed, open_sealed
from certs.expectations import STRICT, Expected
from certs.timestamp import Stamp
from certs.trust import TrustStore, Verified
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.protocol import PDF_NAME, XML_NAME, ProtocolRecord, read_xml, render_pdf
from contracts.protocol.words import amount_figures

_CLOCK_SKEW = timedelta(minutes=5)
_ZIP_START = b"PK\x03\x04"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedFile:
    """One signed file; `sha256` is hexadecimal."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What holds of one sealed file.

    `protocol` is what its XML states, None where the container holds no protocol. `print_matches` says whether the PDF
    is, to the octet, the print of that XML; False may also mean another version of the typesetter.
    """

    sha256: str
    files: tuple[ReportedFile, ...]
    verified: Verified
    level: str  # of the signature: B-B, or B-T with a time-stamp
    stamp: Stamp | None
    protocol: ProtocolRecord | None
    print_matches: bool | None

    def lines(self, language: str = "az") -> tuple[str, ...]:
        """The report as lines for a terminal: a word, then what it says."""
        said = texts(language)
        return (said["holds"], *self._by_whom(said), *self._what(said), *self._protocol(said, language))

    def _by_whom(self, said: Mapping[str, str]) -> tuple[str, ...]:
        signer, signed_at = self.verified.signer, self.verified.signed_at
        return (
            f"{said['participant']}: {signer.participant}",
            f"{said['subject']}: {signer.subject}",
            f"{said['serial']}: {signer.serial}",
            f"{said['certificate']}: {signer.certificate_sha256}",
            f"{said['signed_at']}: {signed_at.isoformat() if signed_at else '-'}",
            f"{said['level']}: XAdES {self.level}",
            f"{said['proven_at']}: {self._proven(said)}",
        )

    def _proven(self, said: Mapping[str, str]) -> str:
        return said["not_proven"] if self.stamp is None else f"{self.stamp.at.isoformat()} ({self.stamp.authority})"

    def _what(self, said: Mapping[str, str]) -> tuple[str, ...]:
        listed = (f"  {file.name} ({file.media_type}, {file.size_bytes} B) {file.sha256}" for file in self.files)
        return (f"{said['container']}: {self.sha256}", f"{said['files']}:", *listed)

    def _protocol(self, said: Mapping[str, str], language: str) -> tuple[str, ...]:
        record = self.protocol
        if record is None:
            return ()
        price = "-" if record.price_minor is None else amount_figures(record.price_minor, language)
        return (
            f"{said['number']}: {record.number}",
            f"{said['result']}: {said[record.result]}",
            f"{said['lot']}: {record.lot_id}, {record.lot_title}",
            f"{said['case_number']}: {record.case_number or '-'}",
            f"{said['price']}: {price}",
            f"{said['print']}: {said['yes' if self.print_matches else 'no']}",
        )


def verify_file(
    content: bytes, trust: TrustStore, *, now: datetime, at: datetime | None = None, expected: Expected = STRICT
) -> VerifyReport:
    """Verify a sealed container; `at` replaces the time of signing as the moment its certificate is judged for.

    Raises:
        RefusedError: CONTENT_TYPE, not a container; SIGNATURE_AGE, signed in the future; and all of `open_sealed`,
            and of `read_xml` for a protocol that is not by its schema.
    """
    if not content.startswith(_ZIP_START):
        raise refuse(ErrorCode.CONTENT_TYPE, expected="ASiC-E")
    sealed = open_sealed(content, trust, at=at, expected=expected)
    signed_at = sealed.verified.signed_at
    if signed_at is not None and signed_at > now + _CLOCK_SKEW:
        raise refuse(ErrorCode.SIGNATURE_AGE, created=signed_at.isoformat(), now=now.isoformat())
    protocol = read_xml(sealed.files[XML_NAME].content) if XML_NAME in sealed.files else None
    return VerifyReport(
        sha256=sealed.sha256,
        files=tuple(
            ReportedFile(name=file.name, media_type=file.media_type, size_bytes=len(file.content), sha256=file.sha256)
            for file in sealed.files.values()
        ),
        verified=sealed.verified,
        level=sealed.level,
        stamp=sealed.stamp,
        protocol=protocol,
        print_matches=_print_matches(sealed, protocol),
    )


def _print_matches(sealed: Sealed, protocol: ProtocolRecord | None) -> bool | None:
    if protocol is None or PDF_NAME not in sealed.files:
        return None
    return render_pdf(protocol) == sealed.files[PDF_NAME].content


@cache
def texts(language: str) -> Mapping[str, str]:
    """The words of `verify`, in Azerbaijani where the language is not one of ours."""
    source = resources.files("gateway").joinpath("verify.toml").read_text(encoding="utf-8")
    catalogue: dict[str, dict[str, str]] = tomllib.loads(source)
    return catalogue.get(language, catalogue["az"])
