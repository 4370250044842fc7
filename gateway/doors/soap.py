"""The SOAP door, for banks and the platform: the operations of `soap_operations` behind a signed endpoint.

Mounted under `PREFIX`, without the middleware that signs HTTP:  root.add_subapp(PREFIX, soap_app(settings, means))
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from contracts.soap.description import Service
from contracts.soap.model import REQUESTS
from gateway.doors.means import Means
from gateway.doors.soap_operations import MESSAGES, Operations
from gateway.wire.soap_server import Offered, SoapEndpoint, SoapLimits

PREFIX = "/soap"
PATH = "/v1"  # below the prefix
LIMITS = SoapLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapSettings:
    """Where we are reached, and how much may be said."""

    address: str | None = None  # public address written into the WSDL; without, the one asked at
    limits: SoapLimits = LIMITS
    offers_max: int = 500  # in one answer


def soap_app(settings: SoapSettings, means: Means) -> web.Application:
    """Build the application to be mounted under `PREFIX`."""
    operations = Operations(means.receiver, means.queries, means.callers, offers_max=settings.offers_max)
    offered = Offered(
        service=Service.GATEWAY,
        requests=REQUESTS,
        admit=operations.sender,
        perform=operations.perform,
        address=settings.address,
        questions=frozenset(REQUESTS.values()) - MESSAGES,
    )
    endpoint = SoapEndpoint(
        offered,
        means.identity,
        clock=means.clock,
        limits=settings.limits,
        on_refusal=means.note_refusal,
        on_answered=lambda outcome, duration_s: means.metrics.request("soap", outcome, duration_s),
        keep_answer=means.keep_answer,
        admission=means.admission,
        memory=means.memory,
    )
    app = web.Application()
    app.add_routes(endpoint.routes(PATH))
    return app


__all__ = ["PATH", "PREFIX", "SoapSettings", "soap_app"]
