"""Bytes to Asan Pay's messages and back, and where they go. The only file that knows paths and the media type."""

from __future__ import annotations

from typing import TypeVar

from contracts.fields import WireModel, validated
from contracts.json import JsonLimits, parse_json

MEDIA_TYPE = "application/json"

INVOICES_PATH = "/asan-pay/v1/invoices"  # at Asan Pay
CANCELLATION_PATH = "/asan-pay/v1/invoices/{number}/cancellation"
SETTLEMENT_PATH = "/asan-pay/v1/settlements/{day}"  # day: 2026-11-22, in Baku
NOTIFICATIONS_PATH = "/asan-pay/v1/notifications"  # at the gateway

IDEMPOTENCY_HEADER = "Idempotency-Key"  # the same key: the first answer again; with other content: 409

_LIMITS = JsonLimits(body_max_bytes=64 * 1024, depth_max=4)  # a message is about 1 kB
_LIST_LIMITS = JsonLimits(body_max_bytes=8 * 1024 * 1024, depth_max=4)  # about 20 000 payments a day

MessageT = TypeVar("MessageT", bound=WireModel)


def read(model: type[MessageT], data: bytes) -> MessageT:
    """Read one message.

    Raises:
        RefusedError: JSON_MALFORMED, BODY_TOO_LARGE, AMOUNT_INVALID, IBAN_INVALID, TIME_INVALID, SCHEMA_INVALID with
            the JSON pointer of the fault.
    """
    return validated(model, _arrays_as_tuples(parse_json(data, _LIMITS)))


def read_list(model: type[MessageT], data: bytes) -> MessageT:
    """Read a settlement list: as `read`, with a limit of its own."""
    return validated(model, _arrays_as_tuples(parse_json(data, _LIST_LIMITS)))


def write(message: WireModel) -> bytes:
    """Write one message: compact UTF-8, absent fields left out, equal input giving equal bytes."""
    return message.model_dump_json(by_alias=True, exclude_none=True).encode()


def _arrays_as_tuples(value: object) -> object:
    """Strict models keep sequences as tuples."""
    if isinstance(value, dict):
        return {key: _arrays_as_tuples(member) for key, member in value.items()}
    return tuple(_arrays_as_tuples(member) for member in value) if isinstance(value, list) else value
