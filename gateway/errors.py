"""Failures, typed by what the caller does next (STYLE 7). Refusals are values; these are for what broke.

    GatewayError
    ├── NotSentError          it certainly did not leave: try again later
    ├── OutcomeUnknownError   it may have arrived: ask, or resend under the same id
    ├── TheirFaultError       the other side broke its contract: park it, tell them
    └── OurFaultError         we are wrong or broken: alarm

Foreign exceptions are wrapped where they enter (`raise ... from error`); facts are attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contracts.errors import Refusal
    from gateway.ports import Exhibit


class GatewayError(Exception):
    """The root. `reason` is one line for an operator; it carries no secrets and no customer's data.

    `refusal` says which check failed, where one did; `exhibits` are the bytes to keep as evidence.
    """

    def __init__(self, reason: str, *, refusal: Refusal | None = None, exhibits: tuple[Exhibit, ...] = ()) -> None:
        super().__init__(reason)
        self.reason, self.refusal, self.exhibits = reason, refusal, exhibits


class NotSentError(GatewayError):
    """Nothing left this house: no connection, no route, no handshake. Safe to send again."""


class OutcomeUnknownError(GatewayError):
    """Something may have arrived: a timeout, a broken connection, or an answer that cannot be believed."""


class TheirFaultError(GatewayError):
    """The counterparty's answer is authentic and not what its contract allows."""


class OurFaultError(GatewayError):
    """A fault of ours: configuration, a broken store, a bug."""
