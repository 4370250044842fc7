"""SQLite on the simulated disk: a VFS in the SQLite library that Python's own `sqlite3` uses, made with ctypes.

While it is installed it is the process's default: `sqlite3.connect` of an absolute path under `ROOT` opens a file of
the mounted disk, through locks and shared memory as on a real one. The code under test is not told.
"""

from __future__ import annotations

import _sqlite3
import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_int, c_int64, c_void_p
from dataclasses import dataclass, field
from typing import Any

from simulator.disk import BUSY, CANT_OPEN, OK, READ_FAILED, WRITE_FAILED, Disk, File
from simulator.loop import Process, current_process

ROOT = "/simulated"
_SHORT_READ, _NOT_FOUND, _NO_SUCH_FILE = 522, 12, 5898
_POWERSAFE_OVERWRITE = 0x1000
_UNLOCK, _EXCLUSIVE = 1, 8
_NONE, _SHARED, _RESERVED, _PENDING, _WHOLE = range(5)
_MEMORY, _WAL, _CREATE = 0, 0x80000, 0x4
_NAME_MAX = 512


def available() -> bool:
    """Whether Python's SQLite lets another VFS in."""
    return hasattr(_library(), "sqlite3_vfs_register")


def _library() -> Any:
    path = getattr(_sqlite3, "__file__", None)
    return None if path is None else ctypes.PyDLL(path)


@dataclass(slots=True, eq=False)
class _Shared:
    """What all who have one file open share: locks, and the memory beside a WAL."""

    level: dict[int, int] = field(default_factory=dict)  # handle to lock level
    slots: list[dict[int, bool]] = field(default_factory=lambda: [{} for _ in range(8)])  # handle to exclusive?
    regions: list[Any] = field(default_factory=list)
    mapped: set[int] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class _Handle:
    name: str | None
    file: File
    process: Process | None

    @property
    def dead(self) -> bool:
        return self.process is not None and not self.process.alive


_FORGOTTEN = _Handle(None, File(), Process("forgotten"))  # of a disk that is not mounted any more
_FORGOTTEN.process.kill()  # type: ignore[union-attr]


class _State:
    """The mounted disk and what is open on it."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.handles: dict[int, _Handle] = {}
        self.shared: dict[str | None, _Shared] = {}

    def of(self, address: int) -> tuple[_Handle, _Shared]:
        handle = self.handles.get(address, _FORGOTTEN)
        return handle, self.shared.setdefault(handle.name, _Shared())


_state = _State()


@contextmanager
def mounted(disk: Disk) -> Iterator[None]:
    """SQLite sees this disk until the end; what is still open then is forgotten."""
    before = _state.disk, _state.handles, _state.shared
    _state.disk, _state.handles, _state.shared = disk, {}, {}
    _register(_vfs(), True)
    try:
        yield
    finally:
        _register(_vfs().contents.original, True)
        _state.disk, _state.handles, _state.shared = before


def release(process: Process) -> None:
    """What the system does for a dead process: its locks go, its memory is unmapped."""
    for address, handle in _state.handles.items():
        if handle.process is process:
            _let_go(address, _state.of(address)[1])


def _let_go(address: int, shared: _Shared) -> None:
    shared.level.pop(address, None)
    for slot in shared.slots:
        slot.pop(address, None)
    shared.mapped.discard(address)
    if not shared.mapped:
        shared.regions.clear()


# -- files -----------------------------------------------------------------------------------------------------------


def _close(address: int) -> int:
    _, shared = _state.of(address)
    _let_go(address, shared)
    _state.handles.pop(address, None)
    return OK


def _read(address: int, buffer: int, amount: int, offset: int) -> int:
    handle = _state.handles.get(address, _FORGOTTEN)
    if handle.dead or "read" in _state.disk.failing:
        return READ_FAILED
    octets = bytes(handle.file.data[offset : offset + amount])
    if len(octets) < amount:
        ctypes.memset(buffer, 0, amount)
    ctypes.memmove(buffer, octets, len(octets))
    return OK if len(octets) == amount else _SHORT_READ


def _write(address: int, buffer: int, amount: int, offset: int) -> int:
    handle = _state.handles.get(address, _FORGOTTEN)
    return _state.disk.write(handle.process, handle.file, offset, ctypes.string_at(buffer, amount))


def _truncate(address: int, size: int) -> int:
    handle = _state.handles.get(address, _FORGOTTEN)
    if handle.dead or "write" in _state.disk.failing:
        return WRITE_FAILED
    handle.file.truncate(size)
    return OK


def _sync(address: int, _: int) -> int:
    handle = _state.handles.get(address, _FORGOTTEN)
    return _state.disk.sync(handle.process, handle.file)


def _file_size(address: int, size: Any) -> int:
    size[0] = len(_state.handles.get(address, _FORGOTTEN).file.data)
    return OK


# -- locks -----------------------------------------------------------------------------------------------------------


def _lock(address: int, level: int) -> int:
    handle, shared = _state.of(address)
    others = max((held for other, held in shared.level.items() if other != address), default=_NONE)
    barred = {_SHARED: others >= _PENDING, _RESERVED: others >= _RESERVED, _WHOLE: others >= _SHARED}
    if handle.dead or barred.get(level, False):
        return BUSY
    shared.level[address] = level
    return OK


def _unlock(address: int, level: int) -> int:
    _, shared = _state.of(address)
    if level == _NONE:
        shared.level.pop(address, None)
    elif address in shared.level:
        shared.level[address] = level
    return OK


def _check_reserved(address: int, found: Any) -> int:
    _, shared = _state.of(address)
    found[0] = int(any(held >= _RESERVED for held in shared.level.values()))
    return OK


def _map(address: int, region: int, size: int, extend: int, place: int) -> int:
    _, shared = _state.of(address)
    shared.mapped.add(address)
    while extend and len(shared.regions) <= region:
        shared.regions.append(ctypes.create_string_buffer(size))
    known = region < len(shared.regions)
    c_void_p.from_address(place).value = ctypes.addressof(shared.regions[region]) if known else None
    return OK


def _lock_shared(address: int, first: int, number: int, flags: int) -> int:
    handle, shared = _state.of(address)
    slots = shared.slots[first : first + number]
    if flags & _UNLOCK:
        for slot in slots:
            slot.pop(address, None)
        return OK
    exclusive = bool(flags & _EXCLUSIVE)
    for slot in slots:
        if any(exclusive or held for other, held in slot.items() if other != address):
            return BUSY
    if handle.dead:
        return BUSY
    for slot in slots:
        slot[address] = exclusive
    return OK


def _barrier(_: int) -> None:
    return None


def _unmap(address: int, _: int) -> int:
    _, shared = _state.of(address)
    shared.mapped.discard(address)
    if not shared.mapped:
        shared.regions.clear()
    return OK


# -- the file system -------------------------------------------------------------------------------------------------


def _open(_: int, name: bytes | None, address: int, flags: int, out: int) -> int:
    process = current_process()
    path = None if name is None else name.decode()
    file = File() if path is None else _state.disk.files.get(path)
    if process is not None and not process.alive:
        return CANT_OPEN
    if file is None:
        if not flags & _CREATE or path is None or "write" in _state.disk.failing:
            return CANT_OPEN
        file = _state.disk.files[path] = File()
    _state.handles[address] = _Handle(path, file, process)
    c_void_p.from_address(address).value = ctypes.addressof(_METHODS)
    if out:
        c_int.from_address(out).value = flags
    return OK


def _delete(_: int, name: bytes, __: int) -> int:
    process = current_process()
    if process is not None and not process.alive:
        return WRITE_FAILED
    return OK if _state.disk.files.pop(name.decode(), None) is not None else _NO_SUCH_FILE


def _access(_: int, name: bytes, __: int, found: Any) -> int:
    file = _state.disk.files.get(name.decode())
    found[0] = int(file is not None and bool(file.data))
    return OK


def _full_path(_: int, name: bytes, size: int, out: int) -> int:
    ctypes.memmove(out, name + b"\0", min(size, len(name) + 1))
    return OK


def _randomness(_: int, amount: int, out: int) -> int:
    ctypes.memset(out, 7, amount)
    return amount


def _sleep(_: int, micros: int) -> int:
    return micros


def _time(_: int, out: Any) -> int:
    out[0] = 2_461_000.0
    return OK


def _last_error(_: int, __: int, ___: int) -> int:
    return 0


_HANDLE = c_void_p
_METHOD_TYPES: dict[str, tuple[Any, Any]] = {
    "close": (CFUNCTYPE(c_int, _HANDLE), _close),
    "read": (CFUNCTYPE(c_int, _HANDLE, c_void_p, c_int, c_int64), _read),
    "write": (CFUNCTYPE(c_int, _HANDLE, c_void_p, c_int, c_int64), _write),
    "truncate": (CFUNCTYPE(c_int, _HANDLE, c_int64), _truncate),
    "sync": (CFUNCTYPE(c_int, _HANDLE, c_int), _sync),
    "file_size": (CFUNCTYPE(c_int, _HANDLE, POINTER(c_int64)), _file_size),
    "lock": (CFUNCTYPE(c_int, _HANDLE, c_int), _lock),
    "unlock": (CFUNCTYPE(c_int, _HANDLE, c_int), _unlock),
    "check_reserved": (CFUNCTYPE(c_int, _HANDLE, POINTER(c_int)), _check_reserved),
    "control": (CFUNCTYPE(c_int, _HANDLE, c_int, c_void_p), lambda *_: _NOT_FOUND),
    "sector_size": (CFUNCTYPE(c_int, _HANDLE), lambda _: 4096),
    "characteristics": (CFUNCTYPE(c_int, _HANDLE), lambda _: _POWERSAFE_OVERWRITE),
    "shm_map": (CFUNCTYPE(c_int, _HANDLE, c_int, c_int, c_int, c_void_p), _map),
    "shm_lock": (CFUNCTYPE(c_int, _HANDLE, c_int, c_int, c_int), _lock_shared),
    "shm_barrier": (CFUNCTYPE(None, _HANDLE), _barrier),
    "shm_unmap": (CFUNCTYPE(c_int, _HANDLE, c_int), _unmap),
}
_VFS_TYPES: dict[str, tuple[Any, Any]] = {
    "open": (CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p, c_int, c_void_p), _open),
    "delete": (CFUNCTYPE(c_int, c_void_p, c_char_p, c_int), _delete),
    "access": (CFUNCTYPE(c_int, c_void_p, c_char_p, c_int, POINTER(c_int)), _access),
    "full_path": (CFUNCTYPE(c_int, c_void_p, c_char_p, c_int, c_void_p), _full_path),
    "dl_open": (c_void_p, None),
    "dl_error": (c_void_p, None),
    "dl_sym": (c_void_p, None),
    "dl_close": (c_void_p, None),
    "randomness": (CFUNCTYPE(c_int, c_void_p, c_int, c_void_p), _randomness),
    "sleep": (CFUNCTYPE(c_int, c_void_p, c_int), _sleep),
    "time": (CFUNCTYPE(c_int, c_void_p, POINTER(c_double)), _time),
    "last_error": (CFUNCTYPE(c_int, c_void_p, c_int, c_void_p), _last_error),
}


class _Methods(Structure):
    _fields_ = [("version", c_int), *((name, kind) for name, (kind, _) in _METHOD_TYPES.items())]


class _Vfs(Structure):
    _fields_ = [
        ("version", c_int),
        ("file_bytes", c_int),
        ("name_max", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("original", c_void_p),
        *((name, kind) for name, (kind, _) in _VFS_TYPES.items()),
    ]


def _filled(structure: Any, types: dict[str, tuple[Any, Any]]) -> Any:
    for name, (kind, function) in types.items():
        if function is not None:
            setattr(structure, name, kind(function))
    return structure


_METHODS = _filled(_Methods(version=2), _METHOD_TYPES)
_made: Any = None


def _vfs() -> Any:
    """Ours, made once; `original` is the default it stands in for."""
    global _made  # noqa: PLW0603 - SQLite keeps the pointer for ever
    if _made is None:
        find = _library().sqlite3_vfs_find
        find.restype, find.argtypes = c_void_p, [c_char_p]
        ours = _Vfs(version=1, file_bytes=16, name_max=_NAME_MAX, name=b"simulated", original=find(None))
        _made = ctypes.pointer(_filled(ours, _VFS_TYPES))
    return _made


def _register(vfs: Any, default: bool) -> None:
    register = _library().sqlite3_vfs_register
    register.restype, register.argtypes = c_int, [c_void_p, c_int]
    if register(ctypes.cast(vfs, c_void_p) if not isinstance(vfs, int) else vfs, int(default)) != OK:
        raise OSError("SQLite takes no other VFS")
