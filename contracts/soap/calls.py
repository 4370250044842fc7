"""Which response answers which request, and how a request is addressed over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.soap import model
from contracts.soap.names import SoapVersion

RESPONSES: dict[type[Any], type[Any]] = {
    model.PublishEvent: model.PublishEventResponse,
    model.ListOffers: model.ListOffersResponse,
    model.DecideOffer: model.DecideOfferResponse,
    model.GetPayment: model.GetPaymentResponse,
    model.GetProtocol: model.GetProtocolResponse,
    model.GetFeed: model.GetFeedResponse,
    model.GetUnacknowledged: model.GetUnacknowledgedResponse,
    model.Notify: model.NotifyResponse,
}


def content_type(version: SoapVersion, action: str) -> str:
    """SOAP 1.2 says the action in the Content-Type."""
    return version.content_type if version is SoapVersion.V11 else f'{version.content_type}; action="{action}"'


def headers(version: SoapVersion, action: str) -> Mapping[str, str]:
    """SOAP 1.1 says it in a header of its own, in quotes."""
    return {"SOAPAction": f'"{action}"'} if version is SoapVersion.V11 else {}


def action_of(message: Any) -> str:
    """The soapAction of the WSDL."""
    service = "callback" if isinstance(message, model.Notify) else "gateway"
    return f"urn:eherrac:{service}:1:{type(message).__name__}"
