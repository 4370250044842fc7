"""The protocol of an auction: what it states, as XML by our schema and as a printed document. Pure, reproducible."""

from contracts.protocol.model import BidderRecord, BuyerRecord, ProtocolRecord, ProtocolResult
from contracts.protocol.pdf import PDF_MEDIA_TYPE, PDF_NAME, render_pdf
from contracts.protocol.xml import XML_MEDIA_TYPE, XML_NAME, build_xml, read_xml

__all__ = [
    "PDF_MEDIA_TYPE",
    "PDF_NAME",
    "XML_MEDIA_TYPE",
    "XML_NAME",
    "BidderRecord",
    "BuyerRecord",
    "ProtocolRecord",
    "ProtocolResult",
    "build_xml",
    "read_xml",
    "render_pdf",
]
