"""What the reason of an attempt means, for somebody who reads no code: whose fault it is, and whether repeating helps.

The reason itself stays as it was written: an engineer at the other end wants it so. Pure.
"""

from __future__ import annotations

import re

from contracts.errors import ErrorCode, Refusal
from contracts.errors.catalogue import describe
from gateway.doors.console.words import text

KINDS = (  # the first that fits
    ("not_believed", r"\bnot (believed|verifiable)\b|^unreadable answer|could not be read|speaks of another"),
    ("too_large", r"^BODY_TOO_LARGE"),
    ("kafka_unsure", r"no acknowledgement from Kafka"),
    ("kafka_away", r"not handed to Kafka|Kafka is not reachable"),
    ("certificate", r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|SSLCertVerification|SSLError"),
    ("no_name", r"getaddrinfo|Name or service not known|nodename nor servname|DNSError"),
    ("nobody_there", r"Cannot connect to host|Connection refused|ConnectionRefused"),
    ("no_answer", r"no answer in time|TimeoutError|Timeout"),
    ("cut_off", r"ServerDisconnected|Connection reset|ClientOSError|BrokenPipe|IncompleteRead"),
    ("busy", r"^HTTP (429|503)\b"),
    ("their_fault", r"^HTTP 5\d\d\b|answered 5\d\d"),
    ("gone", r"HTTP_410|^HTTP 410"),
    ("ours", r"NOTICE_INVALID|RECIPIENT_UNKNOWN|PARTICIPANT_UNKNOWN|adapter failed|not an absolute address"),
)
_CODE = re.compile(r"^([A-Z]+(?:_[A-Z]+)+)\b")
_CODES = frozenset(ErrorCode)


def explained(reason: str | None, language: str) -> str:
    """One or two sentences; empty where nothing can be said of it."""
    for kind, pattern in KINDS:
        if reason and re.search(pattern, reason):
            return text(language, f"why.{kind}")
    code = _CODE.match(reason or "")
    if code is None or code[1] not in _CODES:
        return ""
    title = describe(Refusal(code=ErrorCode(code[1])), language).title
    return text(language, "why.refused", title=title)
