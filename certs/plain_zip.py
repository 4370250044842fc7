"""A zip that every reader reads alike, or a refusal. Pure.

Some readers go by the directory at the end, others by the header before each entry, others take a deflated entry to end
where its stream ends. So all that is said twice is compared, and every octet has its place:
 (1) headers with their content, one after another; the directory; the end: nothing before, between, inside or behind;
 (2) each header says what the directory says of its entry, and the end how many there are;
 (3) the content is exactly as long as said, has the CRC said, and a deflated one ends with its stream;
 (4) no encryption, streaming, other packing, extra field, comment, second disk or zip64; nothing but plain files.

Raises:
    RefusedError: SIGNATURE_MALFORMED(step, what[, entry]), BODY_TOO_LARGE(limit_bytes).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError, refuse

STORED, DEFLATED = 0, 8
_UTF8_NAME = 0x800  # the only flag taken: no encryption, no data descriptors
_LOCAL, _LISTED, _END = struct.Struct("<4s5H3L2H"), struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s4H2LH")
_LOCAL_MARK, _LISTED_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_UNIX_KIND_SHIFT, _PLAIN_KINDS, _DOS_FOLDER = 28, (0, 8), 0x10  # of the external attributes: no link, no folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of the zip."""

    name: str
    content: bytes
    is_stored: bool  # not deflated


class _Packed(NamedTuple):
    """What header and directory both say, in their order, and where the header stands."""

    flags: int
    method: int
    time: int
    date: int
    crc: int
    packed_bytes: int
    unpacked_bytes: int
    name: bytes
    offset: int


def read(container: bytes, *, entries_max: int, content_max_bytes: int) -> list[Entry]:
    """Every entry in its order."""
    try:
        directory, listed = _directory(container, entries_max)
        packed = list(_contents(memoryview(container), directory, listed))
    except struct.error:
        raise _malformed("not a readable zip") from None
    if sum(entry.unpacked_bytes for entry in listed) > content_max_bytes:
        raise refuse(ErrorCode.BODY_TOO_LARGE, limit_bytes=content_max_bytes)
    return [
        Entry(name=_name(entry), content=_unpacked(entry, octets), is_stored=entry.method == STORED)
        for entry, octets in zip(listed, packed, strict=True)
    ]


def _directory(container: bytes, entries_max: int) -> tuple[int, list[_Packed]]:
    """Where the directory begins, and what it lists; it ends where the end begins."""
    end = len(container) - _END.size
    if end < 0 or not container.startswith(_LOCAL_MARK):
        raise _malformed("not a readable zip")
    mark, disk, first_disk, here, count, size, begin, comment = _END.unpack_from(container, end)
    if mark != _END_MARK or disk or first_disk or here != count or comment or begin + size != end:
        raise _malformed("content outside its entries")
    if not 1 <= count <= entries_max:
        raise _malformed("too many entries, or none")
    listed, position = [], begin
    for _ in range(count):
        entry, position = _listed(container, position)
        listed.append(entry)
    if position != end:
        raise _malformed("content outside its entries")
    return begin, listed


def _listed(container: bytes, position: int) -> tuple[_Packed, int]:
    """An entry of the directory, and where the next begins."""
    mark, _, _, *said, name_bytes, extra, comment, disk, _, attributes, offset = _LISTED.unpack_from(
        container, position
    )
    begin = position + _LISTED.size
    entry = _Packed._make((*said, container[begin : begin + name_bytes], offset))
    if mark != _LISTED_MARK or extra or comment or disk:
        raise _malformed("content outside its entries", entry)
    if entry.flags & ~_UTF8_NAME or entry.method not in (STORED, DEFLATED):
        raise _malformed("encrypted, streamed, or compressed in another way", entry)
    if attributes >> _UNIX_KIND_SHIFT not in _PLAIN_KINDS or attributes & _DOS_FOLDER:
        raise _malformed("not a plain file", entry)
    return entry, begin + name_bytes


def _contents(container: memoryview, directory: int, listed: list[_Packed]) -> Iterator[memoryview]:
    """The packed octets of each entry, if its header says the same and stands where the one before ended."""
    position = 0
    for entry in listed:
        mark, _, *said, name_bytes, extra = _LOCAL.unpack_from(container, position)
        begin = position + _LOCAL.size
        name = bytes(container[begin : begin + name_bytes])
        if entry.offset != position or mark != _LOCAL_MARK or extra:
            raise _malformed("content outside its entries", entry)
        if (*said, name) != entry[:-1]:
            raise _malformed("a header that says something else than the directory", entry)
        position = begin + name_bytes + entry.packed_bytes
        yield container[begin + name_bytes : position]
    if position != directory:
        raise _malformed("content outside its entries")


def _unpacked(entry: _Packed, octets: memoryview) -> bytes:
    """The content; no more than one octet beyond what was said of its length is ever unpacked."""
    if entry.method == STORED:
        content, is_whole = bytes(octets), True
    else:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = stream.decompress(octets, entry.unpacked_bytes + 1)
        except zlib.error:
            raise _malformed("not a readable zip", entry) from None
        is_whole = stream.eof and not stream.unused_data
    if not is_whole or len(content) != entry.unpacked_bytes or zlib.crc32(content) != entry.crc:
        raise _malformed("content of another length or CRC than is said", entry)
    return content


def _name(entry: _Packed) -> str:
    """ASCII: of other names there are several spellings."""
    try:
        return entry.name.decode("ascii")
    except UnicodeDecodeError:
        raise _malformed("a name that this profile does not take", entry) from None


def _malformed(what: str, entry: _Packed | None = None) -> RefusedError:
    named = {} if entry is None else {"entry": entry.name.decode("ascii", "backslashreplace")[:100]}
    return refuse(ErrorCode.SIGNATURE_MALFORMED, step="zip", what=what, **named)
