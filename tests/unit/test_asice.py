"""Sealed containers: every octet that a reader could take for content is signed, or the container is refused."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zipfile
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from certs import timestamp
from certs.asice import (
    MANIFEST_NAME,
    MEDIA_TYPE,
    SIGNATURE_NAME,
    AsiceLimits,
    extract,
    imprint,
    open_sealed,
    seal,
    with_stamp,
)
from certs.authority import Authority
from certs.keystore import Credential
from certs.trust import TrustStore
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError

NOW = datetime(2026, 11, 20, 9, 0, 0, 250_000, tzinfo=UTC)
FILES = {"protokol.xml": ("application/xml", b"<a/>"), "protokol.pdf": ("application/pdf", b"%PDF-" + b"0" * 5000)}

Entries = list[tuple[str, bytes, int]]  # name, content, zip method


class World(NamedTuple):
    gateway: Credential
    stranger: Credential
    trust: TrustStore
    authority: Authority
    container: bytes


@pytest.fixture(scope="module")
def world() -> World:
    authority = Authority.create(NOW)
    gateway = authority.issue("GATEWAY", "Qapı", key="p256", now=NOW)
    return World(
        gateway=gateway,
        stranger=Authority.create(NOW).issue("GATEWAY", "Qapı", key="p256", now=NOW),
        trust=trust_of(authority),
        authority=authority,
        container=seal(FILES, gateway, now=NOW),
    )


def trust_of(authority: Authority, now: datetime = NOW) -> TrustStore:
    return TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(now)]
    )


def entries_of(container: bytes) -> Entries:
    with zipfile.ZipFile(io.BytesIO(container)) as archive:
        return [(info.filename, archive.read(info), info.compress_type) for info in archive.infolist()]


def packed(entries: Entries) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content, method in entries:
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type, info.create_system = method, 0
            archive.writestr(info, content)
    return buffer.getvalue()


def code_of(call: Callable[[], object]) -> ErrorCode:
    with pytest.raises(RefusedError) as caught:
        call()
    return caught.value.refusal.code


@pytest.mark.parametrize("key", ["rsa", "p256"])
def test_what_was_sealed_is_opened_and_named(world: World, key: str) -> None:
    credential = world.authority.issue("GATEWAY", "Qapı", key=key, now=NOW)
    sealed = open_sealed(seal(FILES, credential, now=NOW), trust_of(world.authority))
    assert {name: (file.media_type, file.content) for name, file in sealed.files.items()} == FILES
    assert sealed.verified.signer.participant == "GATEWAY"
    assert sealed.verified.signed_at == NOW.replace(microsecond=0)
    assert "trust" in sealed.verified.steps


def test_equal_input_gives_equal_containers_with_a_deterministic_key(world: World) -> None:
    """EHR-16."""
    rsa = world.authority.issue("GATEWAY", "Qapı", key="rsa", now=NOW)
    assert seal(FILES, rsa, now=NOW) == seal(FILES, rsa, now=NOW)


def test_the_type_can_be_read_at_a_fixed_place(world: World) -> None:
    """ETSI EN 319 162-1: `mimetype` comes first, plainly, so that its content starts at octet 38."""
    assert world.container[30:38] == b"mimetype"
    assert world.container[38:].startswith(MEDIA_TYPE.encode())


def test_one_file_is_taken_out(world: World) -> None:
    assert extract(world.container, "protokol.xml") == b"<a/>"
    assert code_of(lambda: extract(world.container, "other.xml")) is ErrorCode.NOT_FOUND


def changed(position: str, change: Callable[[bytes], bytes]) -> Callable[[Entries], Entries]:
    def apply(entries: Entries) -> Entries:
        after = [(name, change(content) if name == position else content, how) for name, content, how in entries]
        assert after != entries, "the test changed nothing"
        return after

    return apply


def in_signature(pattern: str, replacement: str) -> Callable[[Entries], Entries]:
    return changed(SIGNATURE_NAME, lambda content: re.sub(pattern, replacement, content.decode(), count=1).encode())


def added(name: str, content: bytes = b"x") -> Callable[[Entries], Entries]:
    return lambda entries: [*entries, (name, content, zipfile.ZIP_DEFLATED)]


def without(name: str) -> Callable[[Entries], Entries]:
    return lambda entries: [entry for entry in entries if entry[0] != name]


B64 = "[A-Za-z0-9+/]{43}="
MALFORMED, INVALID = ErrorCode.SIGNATURE_MALFORMED, ErrorCode.SIGNATURE_INVALID
TAMPERED: list[tuple[str, Callable[[Entries], Entries], ErrorCode]] = [
    ("file changed", changed("protokol.xml", lambda _: b"<b/>"), ErrorCode.DIGEST_MISMATCH),
    ("file left out", without("protokol.xml"), MALFORMED),
    ("file added", added("other.xml"), ErrorCode.SIGNATURE_INCOMPLETE),
    ("files changed round", lambda e: [("protokol.pdf" if n == "protokol.xml" else n, c, m) for n, c, m in e
                                       if n != "protokol.pdf"] + [("protokol.xml", FILES["protokol.pdf"][1], 8)],
     ErrorCode.DIGEST_MISMATCH),
    ("no signature", without(SIGNATURE_NAME), ErrorCode.SIGNATURE_MISSING),
    ("no manifest", without(MANIFEST_NAME), MALFORMED),
    ("second signature file", added("META-INF/signatures1.xml"), MALFORMED),
    ("name that leads out", added("../evil.sh"), MALFORMED),
    ("absolute name", added("/etc/passwd"), MALFORMED),
    ("name in a folder", added("a/b.xml"), MALFORMED),
    ("hidden name", added(".profile"), MALFORMED),
    ("name of another case", added("Protokol.xml"), MALFORMED),
    ("other type", changed("mimetype", lambda _: b"application/zip"), MALFORMED),
    ("type with a line end", changed("mimetype", lambda c: c + b"\n"), MALFORMED),
    ("type not first", lambda e: [*e[1:], e[0]], MALFORMED),
    ("type compressed", lambda e: [(e[0][0], e[0][1], zipfile.ZIP_DEFLATED), *e[1:]], MALFORMED),
    ("other packing", lambda e: [(n, c, zipfile.ZIP_BZIP2 if n.endswith("pdf") else m) for n, c, m in e], MALFORMED),
    ("type of a file in the manifest", changed(MANIFEST_NAME, lambda c: c.replace(b"/pdf", b"/xml")), MALFORMED),
    ("file only in the manifest", changed(MANIFEST_NAME, lambda c: c.replace(b"protokol.xml", b"x.xml")), MALFORMED),
    ("signing time", in_signature("2026-11-20T09:00:00Z", "2026-11-20T08:00:00Z"), ErrorCode.DIGEST_MISMATCH),
    ("media type", in_signature(">application/pdf<", ">text/html<"), ErrorCode.DIGEST_MISMATCH),
    ("certificate digest", in_signature(rf"(CertDigest>.*?)>{B64}<", rf"\1>{'A' * 43}=<"), ErrorCode.DIGEST_MISMATCH),
    ("file digest", in_signature(rf">{B64}<", f">{'A' * 43}=<"), ErrorCode.DIGEST_MISMATCH),
    ("signature value", in_signature(r'Id="S0-SV">....', 'Id="S0-SV">AAAA'), INVALID),
    ("reference order", in_signature('Id="S0-R0"', 'Id="S0-R9"'), MALFORMED),
    ("properties not referenced", in_signature('URI="#S0-SP"', 'URI="#S0-XX"'), ErrorCode.SIGNATURE_INCOMPLETE),
    ("properties of another type", in_signature("#SignedProperties", "#Other"), ErrorCode.SIGNATURE_INCOMPLETE),
    ("digest method", in_signature("xmlenc#sha256", "xmlenc#sha1"), ErrorCode.ALGORITHM_NOT_ALLOWED),
    ("signature method", in_signature("ecdsa-sha256", "hmac-sha256"), ErrorCode.ALGORITHM_NOT_ALLOWED),
    ("method of another key", in_signature("ecdsa-sha256", "rsa-sha256"), ErrorCode.ALGORITHM_NOT_ALLOWED),
    ("transform added", in_signature('<ds:DigestMethod', '<ds:Transforms/><ds:DigestMethod'), MALFORMED),
    ("object added", in_signature("</ds:Signature>", "<ds:Object/></ds:Signature>"), MALFORMED),
    ("signature twice", in_signature("(<ds:Signature .*</ds:Signature>)", r"\1\1"), MALFORMED),
    ("id twice", in_signature('Id="S0-R1"', 'Id="S0-R0"'), MALFORMED),
    ("target of another", in_signature('Target="#S0"', 'Target="#S1"'), MALFORMED),
    ("other wrapper", in_signature("(?s)XAdESSignatures(.*)XAdESSignatures", r"Other\1Other"), MALFORMED),
    ("comment", in_signature("<ds:KeyInfo>", "<ds:KeyInfo><!-- x -->"), ErrorCode.XML_FORBIDDEN),
    ("entity", in_signature("<asic", "<!DOCTYPE a [<!ENTITY x 'y'>]><asic"), ErrorCode.XML_FORBIDDEN),
    ("not XML", changed(SIGNATURE_NAME, lambda _: b"nothing"), ErrorCode.XML_MALFORMED),
]  # fmt: skip


@pytest.mark.parametrize(("change", "code"), [row[1:] for row in TAMPERED], ids=[row[0] for row in TAMPERED])
def test_a_changed_container_is_refused(world: World, change: Callable[[Entries], Entries], code: ErrorCode) -> None:
    container = packed(change(entries_of(world.container)))
    assert code_of(lambda: open_sealed(container, world.trust)) is code


def test_packing_alone_changes_nothing(world: World) -> None:
    """The table above refuses for its one change, and not for having been packed again."""
    assert open_sealed(packed(entries_of(world.container)), world.trust)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: b"MZ" + c,
        lambda c: c + b"tail",
        lambda c: c[:-2] + struct.pack("<H", 4) + b"note",
        lambda c: c[:-30],
        lambda _: b"",
        lambda _: b"PK\x03\x04",
        lambda c: c.replace(b"protokol.xml", b"protokol.xmm", 1),
    ],
    ids=["something before", "something behind", "comment", "cut off", "empty", "start only", "two names of one entry"],
)
def test_a_container_that_is_also_something_else_is_refused(world: World, change: Callable[[bytes], bytes]) -> None:
    assert code_of(lambda: open_sealed(change(world.container), world.trust)) is MALFORMED


def test_a_gap_between_entries_is_refused(world: World) -> None:
    """Octets that no directory lists: another reader may list them."""
    gap = 64
    end = world.container.rindex(b"PK\x05\x06")
    directory = struct.unpack_from("<I", world.container, end + 16)[0]
    moved = world.container[:directory] + b"\0" * gap + world.container[directory:end]
    moved += world.container[end : end + 16] + struct.pack("<I", directory + gap) + world.container[end + 20 :]
    assert code_of(lambda: open_sealed(moved, world.trust)) is MALFORMED


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice_is_refused(world: World) -> None:
    entries = entries_of(world.container)
    container = packed([*entries, ("protokol.xml", b"<other/>", zipfile.ZIP_DEFLATED)])
    assert code_of(lambda: open_sealed(container, world.trust)) is MALFORMED


def test_a_zip_bomb_is_not_unpacked(world: World) -> None:
    bomb = packed([*entries_of(world.container), ("bomb.bin", b"\0" * 2_000_000, zipfile.ZIP_DEFLATED)])
    limits = AsiceLimits(content_max_bytes=1_000_000)
    assert code_of(lambda: open_sealed(bomb, world.trust, limits=limits)) is ErrorCode.BODY_TOO_LARGE
    honest_size, said = struct.pack("<I", 2_000_000), struct.pack("<I", 10)
    assert code_of(lambda: open_sealed(bomb.replace(honest_size, said), world.trust)) is MALFORMED


def test_too_large_a_container_is_not_even_opened(world: World) -> None:
    limits = AsiceLimits(container_max_bytes=len(world.container) - 1)
    assert code_of(lambda: open_sealed(world.container, world.trust, limits=limits)) is ErrorCode.BODY_TOO_LARGE


def test_as_many_files_as_the_limits_say_are_sealed_and_opened(world: World) -> None:
    files = {f"{number:04}.bin": ("application/octet-stream", b"%d" % number) for number in range(300)}
    limits = AsiceLimits(files_max=300)
    container = seal(files, world.gateway, now=NOW, limits=limits)
    assert list(open_sealed(container, world.trust, limits=limits).files) == list(files)
    assert code_of(lambda: open_sealed(container, world.trust)) is MALFORMED


def test_a_signature_cannot_be_moved_to_other_files(world: World) -> None:
    other = seal({"protokol.xml": ("application/xml", b"<b/>")}, world.gateway, now=NOW)
    signature = next(content for name, content, _ in entries_of(world.container) if name == SIGNATURE_NAME)
    moved = packed(changed(SIGNATURE_NAME, lambda _: signature)(entries_of(other)))
    assert code_of(lambda: open_sealed(moved, world.trust)) in (MALFORMED, ErrorCode.DIGEST_MISMATCH)


def test_a_signer_of_another_authority_is_refused(world: World) -> None:
    stranger = seal(FILES, world.stranger, now=NOW)
    assert code_of(lambda: open_sealed(stranger, world.trust)) is ErrorCode.CERTIFICATE_UNTRUSTED


def test_the_certificate_may_not_be_replaced_by_another_of_the_same_key(world: World) -> None:
    """XAdES binds the certificate itself: the same key certified for another participant is another signer."""
    key, certificate = world.gateway.private_key, world.gateway.certificate
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_IDENTIFIER, "EHERRAC")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=1))
    other = builder.sign(key, hashes.SHA256())
    mine, theirs = (b64encode(each.public_bytes(Encoding.DER)).decode() for each in (certificate, other))
    container = packed(in_signature(re.escape(mine), theirs)(entries_of(world.container)))
    assert code_of(lambda: open_sealed(container, world.trust)) is ErrorCode.DIGEST_MISMATCH


def test_trust_is_judged_at_the_time_of_signing(world: World) -> None:
    """National rule: a signature is judged by the certificate's state at the moment of signing."""
    authority = Authority.create(NOW)
    credential = authority.issue("GATEWAY", "Qapı", key="p256", now=NOW)
    container, later = seal(FILES, credential, now=NOW), NOW + timedelta(hours=2)
    authority.revoke(format(credential.certificate.serial_number, "x"), NOW + timedelta(hours=1))
    after = trust_of(authority, later)
    assert open_sealed(container, after).verified.signed_at == NOW.replace(microsecond=0)
    assert code_of(lambda: open_sealed(container, after, at=later)) is ErrorCode.CERTIFICATE_REVOKED
    assert code_of(lambda: open_sealed(seal(FILES, credential, now=later), after)) is ErrorCode.CERTIFICATE_REVOKED


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"mimetype": ("text/plain", b"")},
        {"META-INF/x": ("text/plain", b"")},
        {"../x": ("text/plain", b"")},
        {"a b": ("text/plain", b"")},
        {"a&b": ("text/plain", b"")},
        {"a": ('text/plain"', b"")},
        {"a": ("text/plain", b""), "A": ("text/plain", b"")},
        {f"f{index}": ("text/plain", b"") for index in range(17)},
    ],
)
def test_what_could_not_be_opened_is_not_sealed(world: World, files: dict[str, tuple[str, bytes]]) -> None:
    with pytest.raises(ValueError, match=r"container|media type"):
        seal(files, world.gateway, now=NOW)


def stamped(world: World, *, clock: Credential | None = None, at: datetime = NOW, of: bytes | None = None) -> bytes:
    """The world's container with a time-stamp: by `clock` at `at`, over the signature of the container `of`."""
    clock = clock or world.authority.issue_time_stamper("Vaxt (nümunə)", key="p256", now=NOW)
    reply = timestamp.answer(timestamp.request(imprint(of or world.container), 7), clock, now=at, serial=1)
    return with_stamp(world.container, timestamp.token_of(reply, 7))


def refused_at_the_stamp(container: bytes, trust: TrustStore) -> ErrorCode:
    with pytest.raises(RefusedError) as caught:
        open_sealed(container, trust)
    assert caught.value.refusal.facts["step"] == "11 time-stamp"
    return caught.value.refusal.code


def test_a_time_stamp_proves_when_the_signature_existed(world: World) -> None:
    plain, sealed = open_sealed(world.container, world.trust), open_sealed(stamped(world), world.trust)
    assert (plain.level, plain.stamp) == ("B-B", None)
    assert sealed.level == "B-T"
    assert sealed.stamp is not None
    assert sealed.stamp.at == NOW.replace(microsecond=0)
    assert "Vaxt" in sealed.stamp.authority
    assert sealed.files == plain.files


def test_a_stamp_of_another_signature_is_refused(world: World) -> None:
    other = seal(FILES, world.gateway, now=NOW + timedelta(seconds=1))
    assert refused_at_the_stamp(stamped(world, of=other), world.trust) is ErrorCode.DIGEST_MISMATCH


def test_a_stamp_over_the_files_instead_of_the_signature_is_refused(world: World) -> None:
    clock = world.authority.issue_time_stamper("Vaxt", key="rsa", now=NOW)
    digest = hashlib.sha256(FILES["protokol.xml"][1]).digest()
    reply = timestamp.answer(timestamp.request(digest, 7), clock, now=NOW, serial=1)
    container = with_stamp(world.container, timestamp.token_of(reply, 7))
    assert refused_at_the_stamp(container, world.trust) is ErrorCode.DIGEST_MISMATCH


def test_a_stamp_by_an_authority_that_we_do_not_believe_is_refused(world: World) -> None:
    foreign = Authority.create(NOW).issue_time_stamper("Yad", key="p256", now=NOW)
    assert refused_at_the_stamp(stamped(world, clock=foreign), world.trust) is ErrorCode.CERTIFICATE_UNTRUSTED


def test_a_participant_is_no_authority_of_time(world: World) -> None:
    assert refused_at_the_stamp(stamped(world, clock=world.gateway), world.trust) is ErrorCode.CERTIFICATE_USAGE


def test_a_token_that_is_none_is_refused(world: World) -> None:
    assert refused_at_the_stamp(with_stamp(world.container, b"0"), world.trust) is MALFORMED


def test_the_signer_is_judged_at_the_proven_time_and_not_at_the_claimed() -> None:
    """A key revoked between the two cannot sign for the time before: the claim is its holder's own."""
    authority = Authority.create(NOW)
    gateway = authority.issue("GATEWAY", "Qapı", key="p256", now=NOW)
    later = NOW + timedelta(hours=1)
    clock = authority.issue_time_stamper("Vaxt", key="p256", now=NOW)
    mine = World(gateway, gateway, trust_of(authority), authority, seal(FILES, gateway, now=NOW))
    before, after = stamped(mine, clock=clock), stamped(mine, clock=clock, at=later + timedelta(minutes=2))
    authority.revoke(format(gateway.certificate.serial_number, "x"), later)
    trust = trust_of(authority, later + timedelta(minutes=5))
    assert open_sealed(before, trust).level == "B-T"
    assert open_sealed(mine.container, trust).level == "B-B"  # only the claim; nothing proves it
    assert code_of(lambda: open_sealed(after, trust)) is ErrorCode.CERTIFICATE_REVOKED


UNSIGNED = "</xades:UnsignedSignatureProperties>"
STAMP = re.compile(rb"<xades:SignatureTimeStamp .*</xades:SignatureTimeStamp>")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda xml: STAMP.sub(b"", xml), id="no time-stamp in it"),
        pytest.param(
            lambda xml: STAMP.sub(lambda it: it[0] + it[0].replace(b"S0-TS", b"S1"), xml), id="two time-stamps"
        ),
        pytest.param(
            lambda xml: xml.replace(UNSIGNED.encode(), b"<xades:CounterSignature/>" + UNSIGNED.encode()),
            id="something else beside it",
        ),
        pytest.param(lambda xml: STAMP.sub(b"<xades:CertificateValues/>", xml), id="something else instead"),
        pytest.param(
            lambda xml: xml.replace(UNSIGNED.encode(), UNSIGNED.encode() + b"<xades:UnsignedDataObjectProperties/>"),
            id="something else behind",
        ),
        pytest.param(
            lambda xml: xml.replace(
                b"</xades:UnsignedProperties>", b"</xades:UnsignedProperties><xades:UnsignedProperties/>"
            ),
            id="unsigned properties twice",
        ),
        pytest.param(
            lambda xml: xml.replace(b"<xades:EncapsulatedTimeStamp>", b"<xades:EncapsulatedTimeStamp>text "),
            id="no base64",
        ),
    ],
)
def test_nothing_but_one_time_stamp_stands_unsigned(world: World, change: Callable[[bytes], bytes]) -> None:
    entries = changed(SIGNATURE_NAME, change)(entries_of(stamped(world)))
    assert code_of(lambda: open_sealed(packed(entries), world.trust)) is MALFORMED
