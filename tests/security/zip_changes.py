"""The kinds of changes that attackers make to a sealed container (ASiC-E), seeded: entries, layout, signature file."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zipfile
from collections.abc import Iterator

import xml_changes

SIGNATURE_NAME = "META-INF/signatures0.xml"
NAMES = (
    "protokol.xml",
    "PROTOKOL.XML",
    "../protokol.xml",
    "/protokol.xml",
    "protokol.xml\x00",
    "META-INF/signatures1.xml",
)


def read(container: bytes) -> list[tuple[zipfile.ZipInfo, bytes]]:
    with zipfile.ZipFile(io.BytesIO(container)) as archive:
        return [(info, archive.read(info)) for info in archive.infolist()]


def write(entries: list[tuple[str, bytes, int]], comment: bytes = b"") -> bytes:
    held = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(held, "w") as archive:
        warnings.simplefilter("ignore")  # a name twice is the attack
        archive.comment = comment
        for name, content, method in entries:
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type, info.create_system, info.external_attr = method, 0, 0
            archive.writestr(info, content)
    return held.getvalue()


def change_entries(rng: random.Random, container: bytes, other: bytes) -> bytes:
    """Entries added, doubled, dropped, renamed, reordered, packed otherwise, or taken from another container."""
    entries = [(info.filename, content, info.compress_type) for info, content in read(container)]
    theirs = [(info.filename, content, info.compress_type) for info, content in read(other)]
    index = rng.randrange(len(entries))
    name, content, method = entries[index]
    match rng.choice(["add", "double", "drop", "rename", "order", "pack", "theirs", "content", "comment"]):
        case "add":
            entries.insert(index, (rng.choice(["x.txt", *NAMES]), b"forged", 0))
        case "double":
            entries.insert(rng.randrange(len(entries) + 1), (name, rng.choice([content, b"forged"]), method))
        case "drop":
            del entries[index]
        case "rename":
            entries[index] = (rng.choice(NAMES), content, method)
        case "order":
            rng.shuffle(entries)
        case "pack":
            entries[index] = (name, content, zipfile.ZIP_STORED if method else zipfile.ZIP_DEFLATED)
        case "theirs":
            entries[index] = rng.choice(theirs)
        case "content":
            entries[index] = (name, content + rng.choice([b" ", b"0", b"\n"]), method)
        case "comment":
            return write(entries, comment=b"PK\x05\x06" + b"x" * 30)
    return write(entries)


def change_signature(rng: random.Random, container: bytes, other: bytes) -> bytes:
    """The signature file changed as XML."""
    held = {info.filename: content for info, content in read(container)}
    theirs = {info.filename: content for info, content in read(other)}
    seed = rng.randrange(2**32)
    mutant = next(xml_changes.deep_mutants(seed, 1, held[SIGNATURE_NAME], [theirs[SIGNATURE_NAME]]))
    mutant = (
        mutant
        if rng.random() < 0.2
        else next(
            xml_changes.mutants(
                seed, 1, held[SIGNATURE_NAME], [theirs[SIGNATURE_NAME]], xml_changes.CHANGES + xml_changes.KNOWING
            )
        )
    )
    entries = [
        (info.filename, mutant if info.filename == SIGNATURE_NAME else content, info.compress_type)
        for info, content in read(container)
    ]
    return write(entries)


def change_layout(rng: random.Random, container: bytes, other: bytes) -> bytes:
    """Bytes that only some readers see: before, behind and between, headers that disagree, sizes that lie, bombs."""
    data = bytearray(container)
    entry = data.find(b"PK\x03\x04", rng.randrange(len(data) // 2))
    listed = data.find(b"PK\x01\x02", rng.randrange(len(data) // 2))
    match rng.choice(["before", "behind", "two", "local", "listed", "byte", "bomb"]):
        case "before":
            return rng.choice([b"MZ", other, b"%PDF-1.7\n"]) + container
        case "behind":
            return container + rng.choice([b"\x00", other, b"PK\x05\x06" + bytes(18)])
        case "two":
            return container + other
        case "local" if entry >= 0:
            struct.pack_into("<H", data, entry + rng.choice([6, 8, 14, 18, 22, 28]), rng.choice([0, 1, 8, 9, 0xFFFF]))
        case "listed" if listed >= 0:
            struct.pack_into(
                "<H", data, listed + rng.choice([8, 10, 16, 20, 24, 30, 32, 42]), rng.choice([0, 1, 8, 0xFFFF])
            )
        case "bomb":
            entries = [(info.filename, content, info.compress_type) for info, content in read(container)]
            return write([*entries, ("x.txt", bytes(5_000_000), zipfile.ZIP_DEFLATED)])
        case _:
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def mutants(seed: int, count: int, container: bytes, other: bytes) -> Iterator[bytes]:
    """`count` mutants of a sealed container; `other` is an honest one too."""
    rng = random.Random(seed)
    for _ in range(count):
        change = rng.choice([change_entries, change_signature, change_signature, change_layout])
        yield change(rng, container, other)
