"""Containers that two readers would read differently: what is said twice must be said alike, every octet has its place.

Each row is made of an honest container whose signature holds, and was taken for one by a reader of the directory alone.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from certs.asice import MANIFEST_NAME, SIGNATURE_NAME, Sealed, open_sealed, seal
from certs.authority import Authority
from certs.trust import TrustStore
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
FILES = {"protokol.xml": ("application/xml", b"<a/>"), "protokol.pdf": ("application/pdf", b"%PDF-" + b"0" * 5000)}

_authority = Authority.create(NOW)
_house = _authority.issue("GATEWAY", "Qapı", key="p256", now=NOW)
_trust = TrustStore.from_pem(
    anchors=_authority.anchors_pem, intermediates=_authority.intermediates_pem, crls=[_authority.crl(NOW)]
)
_container = seal(FILES, _house, now=NOW)


@dataclass(frozen=True, kw_only=True)
class Part:
    """An entry; `header` are fields in which its header says something else than the directory."""

    name: bytes
    method: int
    crc: int
    length: int
    octets: bytes
    header: dict[str, int | bytes] = field(default_factory=dict)
    attributes: int = 0
    flags: int = 0

    def local(self) -> bytes:
        said = {"flags": self.flags, "method": self.method, "crc": self.crc, "packed": len(self.octets)}
        said |= {"length": self.length, "name": self.name} | self.header
        name = said.pop("name")
        sizes = (said["crc"], said["packed"], said["length"], len(name), 0)
        return struct.pack("<4s5H3L2H", b"PK\3\4", 20, said["flags"], said["method"], 0, 0x21, *sizes) + name

    def listed(self, offset: int) -> bytes:
        sizes = (self.crc, len(self.octets), self.length, len(self.name), 0, 0, 0, 0, self.attributes, offset)
        made = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, self.flags, self.method, 0, 0x21, *sizes)
        return made + self.name


def parts() -> list[Part]:
    """The honest container's."""
    with zipfile.ZipFile(io.BytesIO(_container)) as archive:
        found = []
        for info in archive.infolist():
            begin = info.header_offset + 30 + len(info.filename)
            octets = _container[begin : begin + info.compress_size]
            said = {"method": info.compress_type, "crc": info.CRC, "length": info.file_size}
            found.append(Part(name=info.filename.encode(), octets=octets, **said))
        return found


def packed(entries: list[Part], *, told: int | None = None, disk: int = 0, shift: int = 0) -> bytes:
    """The zip; `told` is how many entries the end says there are."""
    body, directory = b"", b""
    for entry in entries:
        directory += entry.listed(len(body) + shift)
        body += entry.local() + entry.octets
    count = len(entries) if told is None else told
    end = struct.pack("<4s4H2LH", b"PK\5\6", disk, 0, count, count, len(directory), len(body) + shift, 0)
    return body + directory + end


def changed(name: bytes, change: Callable[[Part], Part]) -> bytes:
    return packed([change(part) if part.name == name else part for part in parts()])


def in_header(**said: int | bytes) -> Callable[[], bytes]:
    return lambda: changed(b"protokol.xml", lambda part: replace(part, header=said))


def stored(part: Part) -> Part:
    return replace(part, method=0, octets=zlib.decompress(part.octets, -15))


def hidden_in_stream() -> bytes:
    """Behind the end of a deflate stream another entry, which readers find that go from header to header."""
    evil, name = b"forged", b"protokol2.pdf"
    entry = Part(name=name, method=0, crc=zlib.crc32(evil), length=len(evil), octets=evil)

    def change(part: Part) -> Part:
        return replace(part, octets=part.octets + entry.local() + evil, header={"packed": len(part.octets)})

    return changed(b"protokol.pdf", change)


def with_entry(part: Part) -> bytes:
    return packed([*parts(), part])


def plain(name: bytes, **said: int) -> Part:
    return Part(name=name, method=0, crc=0, length=0, octets=b"", **said)


def moved(container: bytes) -> bytes:
    """The directory behind a gap that the end knows of."""
    end = container.rindex(b"PK\5\6")
    begin = struct.unpack_from("<I", container, end + 16)[0]
    return (
        container[:begin]
        + bytes(8)
        + container[begin : end + 16]
        + struct.pack("<I", begin + 8)
        + container[end + 20 :]
    )


def zip64(container: bytes) -> bytes:
    """The end refers to a bigger one."""
    end = container.rindex(b"PK\5\6")
    count, size, begin = struct.unpack_from("<H2L", container, end + 10)
    big = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, begin)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    return (
        container[:end] + big + locator + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *[0xFFFF] * 2, *[2**32 - 1] * 2, 0)
    )


ATTACKS: dict[str, Callable[[], bytes]] = {
    "an entry hidden behind the end of a deflate stream": hidden_in_stream,
    "octets behind the end of a deflate stream": lambda: changed(
        b"protokol.pdf", lambda part: replace(part, octets=part.octets + b"x")
    ),
    "octets behind the length of a stored entry": lambda: changed(
        b"protokol.pdf", lambda part: replace(stored(part), octets=stored(part).octets + b"x")
    ),
    "a stream cut off": lambda: changed(b"protokol.pdf", lambda part: replace(part, octets=part.octets[:-1])),
    "a header with another name": in_header(name=b"protokol.xmm"),
    "a header with another way of packing": in_header(method=0),
    "a header with another length": in_header(length=1),
    "a header with another packed length": in_header(packed=1),
    "a header with another CRC": in_header(crc=5),
    "a header that says encrypted": in_header(flags=1),
    "a header that says streamed": in_header(flags=8),
    "a header that says masked": in_header(flags=0x2000),
    "encrypted": lambda: changed(b"protokol.xml", lambda part: replace(part, flags=1)),
    "streamed": lambda: changed(b"protokol.xml", lambda part: replace(part, flags=8)),
    "packed in another way": lambda: changed(b"protokol.xml", lambda part: replace(part, method=12)),
    "another CRC, in both": lambda: changed(b"protokol.xml", lambda part: replace(part, crc=5)),
    "fewer entries told than there are": lambda: packed(parts(), told=2),
    "more entries told than there are": lambda: packed(parts(), told=6),
    "a second disk": lambda: packed(parts(), disk=1),
    "offsets that are all too large": lambda: packed(parts(), shift=4),
    "a directory behind a gap": lambda: moved(_container),
    "zip64": lambda: zip64(_container),
    "a link": lambda: changed(b"protokol.xml", lambda part: replace(part, attributes=0o120777 << 16)),
    "a device": lambda: changed(b"protokol.xml", lambda part: replace(part, attributes=0o020666 << 16)),
    "a folder": lambda: changed(b"protokol.xml", lambda part: replace(part, attributes=0x10)),
    "a name that leads out": lambda: with_entry(plain(b"../x.txt")),
    "a name that leads out on Windows": lambda: with_entry(plain(b"..\\x.txt")),
    "an absolute name": lambda: with_entry(plain(b"/x.txt")),
    "a name with NUL": lambda: with_entry(plain(b"x.txt\0")),
    "one name in two letter cases": lambda: with_entry(plain(b"PROTOKOL.XML")),
    "one name in two Unicode forms": lambda: with_entry(plain("protokol.xml\u0301".encode(), flags=0x800)),
    "a name beyond UTF-8": lambda: with_entry(plain(b"\xff.txt", flags=0x800)),
    "an empty name": lambda: with_entry(plain(b"")),
    "mimetype second": lambda: packed([parts()[1], parts()[0], *parts()[2:]]),
    "mimetype twice": lambda: with_entry(parts()[0]),
    "no entry at all": lambda: packed([]),
}


def opened(container: bytes) -> Sealed:
    return open_sealed(container, _trust)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_container_that_two_readers_would_read_differently_is_refused(name: str) -> None:
    """EHR-7: and the refusal says of which entry, where it is one's."""
    with pytest.raises(RefusedError) as caught:
        opened(ATTACKS[name]())
    assert caught.value.refusal.code is ErrorCode.SIGNATURE_MALFORMED
    assert caught.value.refusal.facts["step"] in ("1 zip", "2 mimetype")
    assert caught.value.refusal.facts["what"]


def test_the_same_container_without_an_attack_is_opened_however_it_was_packed() -> None:
    assert set(opened(packed(parts())).files) == set(FILES)
    assert packed(parts()).startswith(_container[:100])
    assert opened(changed(b"protokol.pdf", stored)).files["protokol.pdf"].content == FILES["protokol.pdf"][1]
    as_by_unix = [replace(part, attributes=0o100644 << 16) for part in parts()]
    assert {part.name for part in as_by_unix} >= {MANIFEST_NAME.encode(), SIGNATURE_NAME.encode()}
    assert set(opened(packed(as_by_unix)).files) == set(FILES)
