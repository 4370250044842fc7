"""What is published: WSDL with the address of this installation, the schema, and the compiled schema that judges."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib import resources

from lxml import etree

from contracts.xml import CompiledSchema

_PACKAGE = "contracts.soap"
_SCHEMA = "gateway-1.xsd"
_IMPORT = "{http://www.w3.org/2001/XMLSchema}import"
_ADDRESSES = ("{http://schemas.xmlsoap.org/wsdl/soap/}address", "{http://schemas.xmlsoap.org/wsdl/soap12/}address")


class Service(StrEnum):
    """The two services; the value is the file."""

    GATEWAY = "gateway.wsdl"  # ours, for banks and the platform
    CALLBACK = "callback.wsdl"  # a bank's, for us


def wsdl(service: Service, address: str, *, schema_at: str | None = None) -> bytes:
    """The service's WSDL, its address and the schema's filled in (`{schema_at}?xsd=1`, else beside the service)."""
    root = etree.fromstring(_file(service.value))
    for node in root.iter(*_ADDRESSES):
        node.set("location", address)
    for node in root.iter(_IMPORT):
        node.set("schemaLocation", f"{schema_at or address}?xsd=1")
    return bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True))


def xsd() -> bytes:
    """The schema of both services, as it stands."""
    return _file(_SCHEMA)


@cache
def schema() -> CompiledSchema:
    """The judge of every Body child, in and out."""
    return CompiledSchema(_PACKAGE, _SCHEMA)


@cache
def _file(name: str) -> bytes:
    return resources.files(_PACKAGE).joinpath(name).read_bytes()
