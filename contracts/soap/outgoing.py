"""Our own messages are judged by the schema too, before anybody signs them."""

from __future__ import annotations

from typing import Any

from lxml import etree

from contracts.errors.refusal import RefusedError
from contracts.soap.codec import write
from contracts.soap.description import schema


def written(message: Any) -> etree._Element:
    """The element of a message of ours.

    Raises:
        ValueError: our own schema does not allow it; that is our fault, never the reader's.
    """
    try:
        element = write(message)
        schema().validate(element)
    except RefusedError as error:
        raise ValueError(f"{type(message).__name__}: {dict(error.refusal.facts)}") from error
    return element
