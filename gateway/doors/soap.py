"""The SOAP door, for banks and the platform: the operations of `soap_operations` behind a signed endpoint.

Mounted under `PREFIX`, without the middleware that signs HTTP:  root.add_subapp(PREFIX, soap_app(settings, ...))
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from contracts.soap.description import Service
from contracts.soap.model import REQUESTS
from gateway.doors.metrics import Metrics
from gateway.doors.queries import Queries
from gateway.doors.soap_operations import MESSAGES, Operations
from gateway.ports import Receiver
from gateway.wire.admission import Admission
from gateway.wire.identity import Identity
from gateway.wire.repetition import FORGETFUL, Memory
from gateway.wire.server import EVERYBODY, KeepAnswer
from gateway.wire.soap_server import Offered, OnRefusal, SoapEndpoint, SoapLimits

PREFIX = "/soap"
PATH = "/v1"  # below the prefix
LIMITS = SoapLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapSettings:
    """Who may come in, and how much they may say."""

    platform: str  # participant code of the auction platform
    banks: Collection[str]  # participant codes of the banks
    address: str | None = None  # public address written into the WSDL; without, the one asked at
    limits: SoapLimits = LIMITS
    offers_max: int = 500  # in one answer


def soap_app(
    settings: SoapSettings,
    *,
    identity: Callable[[], Identity],
    receiver: Receiver,
    queries: Queries,
    clock: Callable[[], datetime],
    note_refusal: OnRefusal,
    metrics: Metrics,
    keep_answer: KeepAnswer | None = None,
    admission: Admission = EVERYBODY,
    memory: Memory = FORGETFUL,
) -> web.Application:
    """Build the application to be mounted under `PREFIX`."""
    operations = Operations(
        receiver, queries, platform=settings.platform, banks=settings.banks, offers_max=settings.offers_max
    )
    offered = Offered(
        service=Service.GATEWAY,
        requests=REQUESTS,
        admit=operations.caller,
        perform=operations.perform,
        address=settings.address,
        questions=frozenset(REQUESTS.values()) - MESSAGES,
    )
    endpoint = SoapEndpoint(
        offered,
        identity,
        clock=clock,
        limits=settings.limits,
        on_refusal=note_refusal,
        on_answered=lambda outcome, duration_s: metrics.request("soap", outcome, duration_s),
        keep_answer=keep_answer,
        admission=admission,
        memory=memory,
    )
    app = web.Application()
    app.add_routes(endpoint.routes(PATH))
    return app


__all__ = ["PATH", "PREFIX", "SoapSettings", "soap_app"]
