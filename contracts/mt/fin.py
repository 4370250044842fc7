"""The FIN frame: blocks 1 (from), 2 (to and type) and 4 (fields), as bytes and as values. Pure.

    {1:F01EHRNAZ22AXXX0000000000}{2:I205NABZAZ2CARTSN}{4:
    :20:LIM261122000001
    -}

Lines end with CRLF; the charset is SWIFT's x. Block 5 of a network is not ours: the transport is signed as a whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse

MESSAGE_MAX_BYTES = 10_000  # SWIFT's own limit of an MT
_HEAD = re.compile(r"\{1:F01([A-Z0-9]{12})[0-9]{10}\}\{2:I([0-9]{3})([A-Z0-9]{12})N\}\{4:\r\n")
_TAIL = "-}"
_TAG = re.compile(r":([0-9]{2}[A-Z]?):(.*)", re.DOTALL)
_CHARSET = re.compile(r"[A-Za-z0-9/\-?:().,'+ \r\n]*")
_BIC_LENGTH, _BRANCH = 8, "XXX"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One message before its fields mean anything. Addresses are BICs of 8 or 11 characters."""

    kind: str  # three digits
    from_bic: str
    to_bic: str
    fields: tuple[tuple[str, str], ...]

    def one(self, tag: str) -> str:
        """The field of this tag.

        Raises:
            RefusedError: SCHEMA_INVALID, it is missing or there twice.
        """
        found = self.every(tag)
        if len(found) != 1:
            raise refuse(ErrorCode.SCHEMA_INVALID, path=f":{tag}:", fault="one field is wanted")
        return found[0]

    def every(self, tag: str) -> tuple[str, ...]:
        """All fields of this tag, in order."""
        return tuple(value for name, value in self.fields if name == tag)


def write_frame(frame: Frame) -> bytes:
    """Bytes of a message.

    Raises:
        RefusedError: SCHEMA_INVALID, a field holds what FIN cannot carry.
    """
    for tag, value in frame.fields:
        _check_text(tag, value)
    head = f"{{1:F01{_terminal(frame.from_bic)}0000000000}}{{2:I{frame.kind}{_terminal(frame.to_bic)}N}}{{4:\r\n"
    body = "".join(f":{tag}:{value}\r\n" for tag, value in frame.fields)
    return f"{head}{body}{_TAIL}".encode("ascii")


def read_frame(data: bytes) -> Frame:
    """Take a message apart.

    Raises:
        RefusedError: BODY_TOO_LARGE, or SCHEMA_INVALID with the block or field at fault.
    """
    if len(data) > MESSAGE_MAX_BYTES:
        raise refuse(ErrorCode.BODY_TOO_LARGE, limit_bytes=MESSAGE_MAX_BYTES)
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise refuse(ErrorCode.SCHEMA_INVALID, path="{4:", fault="not of the charset x") from None
    head = _HEAD.match(text)
    if head is None or not text.endswith("\r\n" + _TAIL):
        raise refuse(ErrorCode.SCHEMA_INVALID, path="{1:", fault="not a FIN message of blocks 1, 2 and 4")
    fields = _fields(text[head.end() : -len(_TAIL) - 2])
    return Frame(kind=head[2], from_bic=_bic(head[1]), to_bic=_bic(head[3]), fields=fields)


def _fields(body: str) -> tuple[tuple[str, str], ...]:
    """A line that begins with a tag begins a field; others go on with the one before."""
    fields = []
    for part in re.split(r"\r\n(?=:[0-9]{2}[A-Z]?:)", body):
        match = _TAG.fullmatch(part)
        if match is None:
            raise refuse(ErrorCode.SCHEMA_INVALID, path="{4:", fault="a field begins with its tag")
        _check_text(match[1], match[2])
        fields.append((match[1], match[2]))
    return tuple(fields)


def _check_text(tag: str, value: str) -> None:
    lines = value.split("\r\n")
    sound = _CHARSET.fullmatch(value) and "\r" not in "".join(lines) and "\n" not in "".join(lines)
    hidden = any(line.startswith("-") or (line.startswith(":") and index) for index, line in enumerate(lines))
    if not sound or not value or hidden:
        raise refuse(ErrorCode.SCHEMA_INVALID, path=f":{tag}:", fault="not of the charset x, or empty")


def _terminal(bic: str) -> str:
    """BIC as terminal address: `A` between the institution and its branch."""
    return f"{bic[:_BIC_LENGTH]}A{bic[_BIC_LENGTH:] or _BRANCH}"


def _bic(terminal: str) -> str:
    branch = terminal[_BIC_LENGTH + 1 :]
    return terminal[:_BIC_LENGTH] + ("" if branch == _BRANCH else branch)
