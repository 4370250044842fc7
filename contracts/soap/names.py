"""Names on the wire: namespaces, versions of SOAP and what they imply."""

from __future__ import annotations

from enum import StrEnum

GATEWAY = "urn:eherrac:gateway:1"
ENVELOPE_11 = "http://schemas.xmlsoap.org/soap/envelope/"
ENVELOPE_12 = "http://www.w3.org/2003/05/soap-envelope"
SECURITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


class SoapVersion(StrEnum):
    """The two envelopes we speak; the value is the namespace."""

    V11 = ENVELOPE_11
    V12 = ENVELOPE_12

    @property
    def media_type(self) -> str:
        """Of a message in this version, without parameters."""
        return "text/xml" if self is SoapVersion.V11 else "application/soap+xml"

    @property
    def content_type(self) -> str:
        """The header we write."""
        return f"{self.media_type}; charset=utf-8"

    def tag(self, local: str) -> str:
        """A qualified name in this version's namespace."""
        return f"{{{self.value}}}{local}"


def version_of(media_type: str) -> SoapVersion | None:
    """The version a Content-Type announces, or None for anything else."""
    return next((version for version in SoapVersion if version.media_type == media_type.strip().lower()), None)
