"""What is said while the store does not take what somebody brings: to the sender, to come again; to the log, why."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import structlog

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError, refuse
from gateway.store.errors import StoreBusyError, StoreError, StoreUnavailableError

AGAIN_S = 5  # a full disk or a database that moves is not mended sooner
_SPREAD = 2  # those who are refused together come again over as long, and not all at once
SAID_EVERY_S = 10.0  # of one kind of error: senders who repeat must not fill the log

_log = structlog.get_logger(__name__)
_said_at: dict[type[StoreError], float] = {}  # seconds of this process's clock


def spread(chance: float) -> int:
    """After how many seconds one of many comes again; `chance` is drawn from [0, 1)."""
    return AGAIN_S + int(AGAIN_S * (_SPREAD - 1) * chance)


def store_unavailable(error: StoreError, chance: Callable[[], float] = random.random) -> RefusedError:
    """The refusal that stands for what a store raised: nothing was kept, come again.

    OVERLOADED where the store answers and has too much to do, STORE_UNAVAILABLE for all else.
    """
    _say(error)
    if isinstance(error, StoreBusyError):
        return refuse(ErrorCode.OVERLOADED, retry_after_s=spread(chance()))
    return refuse(ErrorCode.STORE_UNAVAILABLE, retry_after_s=AGAIN_S)


def _say(error: StoreError) -> None:
    """One line in a while; an error that is no outage is a fault of ours, and where it is goes along."""
    now, kind = time.monotonic(), type(error)
    if kind in _said_at and now - _said_at[kind] < SAID_EVERY_S:
        return
    _said_at[kind] = now
    if isinstance(error, StoreUnavailableError):
        _log.warning("refused for the store's sake", reason=str(error))
    else:
        _log.error("refused for the store's sake", reason=repr(error), exc_info=error)
