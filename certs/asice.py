"""ASiC-E containers (ETSI EN 319 162-1): files, a manifest and one XAdES signature over every file, in one zip.

Opening reads
 (1) the zip: within its limits of size, number and expansion, and read alike by every reader (`certs.plain_zip`, four
     steps of its own); no name twice, no name that leads out;
 (2) `mimetype` is the first entry, stored plainly, with exactly the container's type;
 (3) beside the files stand only the manifest and one signature file;
 (4) the signature holds over every file (`certs.xades`, six steps of its own);
 (5) the manifest lists the same files with the same media types;
 (6) a time-stamp, if the signature carries one, holds over its value (`certs.timestamp`, six steps of its own);
 (7) the signer is trusted at the time asked for, else at the time-stamp's, else at the claimed time of signing, and is
     what is expected of him, the algorithm and a time-stamp where one was agreed included (`certs.expectations`).
Everything here is offline and pure.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from certs import plain_zip, timestamp, xades
from certs.algorithms import public_key_of
from certs.expectations import STRICT, Expected
from certs.explain import judge_signer
from certs.keystore import Credential
from certs.steps import at_step, with_facts
from certs.timestamp import Stamp
from certs.trust import TrustStore, Verified
from certs.xades import DetachedFile, XadesSignature, sign_detached, verify_detached, with_time_stamp
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError, refuse
from contracts.xml import parse_xml

MEDIA_TYPE = "application/vnd.etsi.asic-e+zip"
MIMETYPE_NAME = "mimetype"
MANIFEST_NAME = "META-INF/manifest.xml"
SIGNATURE_NAME = "META-INF/signatures0.xml"


STEPS = ("zip", "mimetype", "entries", *xades.STEPS, "manifest", "time-stamp", "trust")


@dataclass(frozen=True, slots=True, kw_only=True)
class AsiceLimits:
    """What a container may be at most; the default is a protocol's."""

    container_max_bytes: int = 16_777_216
    content_max_bytes: int = 67_108_864  # unpacked, all files together
    files_max: int = xades.FILES_MAX

    @property
    def entries_max(self) -> int:
        """Files, and the three entries of the format."""
        return self.files_max + 3


PROTOCOL = AsiceLimits()

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")  # no path, no escape, nothing hidden
_NAME_MAX_CHARS = 100
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")
_ODF = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's own; the time of signing stands in the signature
_DEFLATE_LEVEL = 1  # a print is compressed inside: the highest level takes half as long again for a thirtieth less


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """One file of a verified container; `sha256` is hexadecimal."""

    name: str
    media_type: str
    content: bytes
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A verified container: its files in their order, by whom and when it was sealed, its own digest (hex).

    `stamp` proves when the signature existed; without it the time of signing is the signer's own claim.
    """

    files: Mapping[str, SealedFile]
    verified: Verified
    sha256: str
    stamp: Stamp | None = None

    @property
    def level(self) -> str:
        """Of the signature, by ETSI EN 319 132-1: `B-B`, or `B-T` with a time-stamp."""
        return "B-B" if self.stamp is None else "B-T"


def seal(
    files: Mapping[str, tuple[str, bytes]], credential: Credential, *, now: datetime, limits: AsiceLimits = PROTOCOL
) -> bytes:
    """Put files (name → media type, content) in a container and seal it. Equal but for the signature on equal input.

    Raises:
        ValueError: no files, too many, or a name or media type that the format or this profile does not take.
    """
    listed = [DetachedFile(name=name, media_type=kind, content=content) for name, (kind, content) in files.items()]
    _check_own(listed, limits)
    return _packed(
        {file.name: file.content for file in listed}
        | {MANIFEST_NAME: _manifest(listed)}
        | {SIGNATURE_NAME: sign_detached(listed, credential, now=now, files_max=limits.files_max)}
    )


def imprint(container: bytes) -> bytes:
    """What a time-stamp of our own sealed container is to be over (SHA-256)."""
    files, _, signature_file = _divide(read_entries(container))
    return verify_detached(signature_file, files).imprint


def with_stamp(container: bytes, token: bytes) -> bytes:
    """Our own sealed container with a time-stamp over its signature, which still holds. The token is not verified."""
    entries = read_entries(container)
    stamped = _packed(entries | {SIGNATURE_NAME: with_time_stamp(entries[SIGNATURE_NAME], token)})
    imprint(stamped)
    return stamped


def open_sealed(
    container: bytes,
    trust: TrustStore,
    *,
    at: datetime | None = None,
    limits: AsiceLimits = PROTOCOL,
    expected: Expected = STRICT,
) -> Sealed:
    """Verify a container by the plan above; `at` replaces the time of signing as the moment of judgement.

    Raises:
        RefusedError: BODY_TOO_LARGE, SIGNATURE_*, DIGEST_MISMATCH, ALGORITHM_NOT_ALLOWED, XML_*, CERTIFICATE_*,
            REVOCATION_UNKNOWN, TIME_INVALID.
    """
    with at_step(STEPS, "zip"):  # (1) (2)
        entries = read_entries(container, limits)
    with at_step(STEPS, "entries"):  # (3)
        files, manifest, signature_file = _divide(entries)
    with at_step(STEPS, "references"):  # (4)
        signature = verify_detached(signature_file, files, files_max=limits.files_max)
    with at_step(STEPS, "manifest"):  # (5)
        _check_manifest(manifest, signature.media_types, limits)
    leaf, issuers = signature.certificates[0], signature.certificates[1:]
    stamp = _judge_stamp(signature, trust)  # (6)
    moment = at or (signature.signing_time if stamp is None else stamp.at)
    with at_step(STEPS, "trust"):  # (7)
        signer = judge_signer(leaf, issuers, trust, at=moment, participant=None, expected=expected)
        expectations = expected.of(signer.participant)
        expectations.check_key(public_key_of(leaf))
    with at_step(STEPS, "time-stamp"):
        if expectations.time_stamp_required and stamp is None:
            expectations.check_parts({"SignatureTimeStamp"}, signature.media_types)
    verified = Verified(signer=signer, signed_at=signature.signing_time, steps=STEPS)
    sealed_files = {name: _sealed(name, content, signature) for name, content in files.items()}
    return Sealed(files=sealed_files, verified=verified, sha256=hashlib.sha256(container).hexdigest(), stamp=stamp)


def extract(container: bytes, name: str) -> bytes:
    """One file out of a container that was verified before it was kept (our own store). Nothing is verified here.

    Raises:
        RefusedError: NOT_FOUND, no such file in it; as `read_entries`.
    """
    entries = read_entries(container)
    if name not in entries:
        raise refuse(ErrorCode.NOT_FOUND, path=name)
    return entries[name]


def read_entries(container: bytes, limits: AsiceLimits = PROTOCOL) -> dict[str, bytes]:
    """Steps (1) and (2): every entry's content by name, `mimetype` left out. Nothing is verified yet.

    Raises:
        RefusedError: BODY_TOO_LARGE, SIGNATURE_MALFORMED.
    """
    if len(container) > limits.container_max_bytes:
        raise refuse(ErrorCode.BODY_TOO_LARGE, limit_bytes=limits.container_max_bytes)
    listed = plain_zip.read(container, entries_max=limits.entries_max, content_max_bytes=limits.content_max_bytes)
    if len({entry.name.lower() for entry in listed}) != len(listed):
        raise _malformed("zip", "a name twice")
    if not all(_is_allowed_name(entry.name) for entry in listed):
        raise _malformed("zip", "a name that this profile does not take")
    if listed[0].name != MIMETYPE_NAME or not listed[0].is_stored:
        raise _malformed("mimetype", "not the plain first entry")
    if listed[0].content != MEDIA_TYPE.encode():
        raise _malformed("mimetype", "another type of container")
    return {entry.name: entry.content for entry in listed[1:]}


def _is_allowed_name(name: str) -> bool:
    if name in (MIMETYPE_NAME, MANIFEST_NAME, SIGNATURE_NAME):
        return True
    return len(name) <= _NAME_MAX_CHARS and _NAME.fullmatch(name) is not None


def _judge_stamp(signature: XadesSignature, trust: TrustStore) -> Stamp | None:
    """Every refusal tells this step: what a token lacks is not what the signature lacks."""
    if signature.token is None:
        return None
    clocks = trust.with_policy(timestamp.policy_of(trust.policy))
    try:
        return timestamp.verify(signature.token, signature.imprint, clocks)
    except RefusedError as error:
        raise with_facts(error, step=f"{STEPS.index('time-stamp') + 1} time-stamp") from error.__cause__


def _divide(entries: dict[str, bytes]) -> tuple[dict[str, bytes], bytes, bytes]:
    files = {name: content for name, content in entries.items() if not name.startswith("META-INF/")}
    if SIGNATURE_NAME not in entries:
        raise refuse(ErrorCode.SIGNATURE_MISSING, what=SIGNATURE_NAME)
    if MANIFEST_NAME not in entries or not files:
        raise _malformed("entries", "no manifest, or no files")
    return files, entries[MANIFEST_NAME], entries[SIGNATURE_NAME]


def _check_manifest(manifest: bytes, media_types: Mapping[str, str], limits: AsiceLimits) -> None:
    """It is not signed, so it may say nothing but what is signed."""
    root = parse_xml(manifest, limits=xades.xml_limits(limits.files_max))
    listed = [(entry.get(f"{{{_ODF}}}full-path"), entry.get(f"{{{_ODF}}}media-type")) for entry in root]
    if root.tag != f"{{{_ODF}}}manifest" or sorted(map(str, listed)) != sorted(
        map(str, [("/", MEDIA_TYPE), *media_types.items()])
    ):
        raise _malformed("manifest", "not the files that are signed")


def _manifest(files: list[DetachedFile]) -> bytes:
    root = etree.Element(f"{{{_ODF}}}manifest", {f"{{{_ODF}}}version": "1.2"}, nsmap={"manifest": _ODF})
    for path, media_type in (("/", MEDIA_TYPE), *((file.name, file.media_type) for file in files)):
        etree.SubElement(
            root, f"{{{_ODF}}}file-entry", {f"{{{_ODF}}}full-path": path, f"{{{_ODF}}}media-type": media_type}
        )
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _check_own(files: list[DetachedFile], limits: AsiceLimits) -> None:
    if not 1 <= len(files) <= limits.files_max or len({file.name.lower() for file in files}) != len(files):
        raise ValueError(f"a container takes 1 to {limits.files_max} files of different names")
    for file in files:
        if not _is_allowed_name(file.name) or file.name in (MIMETYPE_NAME, MANIFEST_NAME, SIGNATURE_NAME):
            raise ValueError(f"not a file name for a container: {file.name!r}")
        if not _MEDIA_TYPE.fullmatch(file.media_type):
            raise ValueError(f"not a media type: {file.media_type!r}")


def _packed(entries: Mapping[str, bytes]) -> bytes:
    """The zip: `mimetype`, then the entries in their order."""
    container = io.BytesIO()
    with zipfile.ZipFile(container, "w") as archive:
        _write(archive, MIMETYPE_NAME, MEDIA_TYPE.encode(), zipfile.ZIP_STORED)
        for name, content in entries.items():
            _write(archive, name, content)
    return container.getvalue()


def _write(archive: zipfile.ZipFile, name: str, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> None:
    info = zipfile.ZipInfo(name, date_time=_EPOCH)
    info.compress_type, info.create_system, info.external_attr = method, 0, 0
    archive.writestr(info, content, compresslevel=_DEFLATE_LEVEL)


def _sealed(name: str, content: bytes, signature: XadesSignature) -> SealedFile:
    return SealedFile(
        name=name,
        media_type=signature.media_types[name],
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _malformed(step: str, what: str) -> RefusedError:
    return refuse(ErrorCode.SIGNATURE_MALFORMED, step=step, what=what)
