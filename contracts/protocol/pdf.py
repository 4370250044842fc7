"""The protocol in print: A4, PDF/A-2, Noto Sans, the same octets for the same record for as long as it is kept.

Typesetting is typst's; it sees no system fonts, no clock and no network. What it is given are values, never markup.
"""

from __future__ import annotations

import hashlib
import json
import threading
from functools import cache
from importlib import resources

import typst

from contracts.protocol.model import ProtocolRecord
from contracts.protocol.view import build_view
from contracts.protocol.xml import build_xml

PDF_NAME = "protokol.pdf"
PDF_MEDIA_TYPE = "application/pdf"

_STANDARDS: list[typst.PDFStandard] = ["a-2a"]  # archival, with the structure that screen readers need
_one_at_a_time = threading.Lock()  # one compiler, its fonts read once


def render_pdf(record: ProtocolRecord, *, xml: bytes | None = None, language: str = "az") -> bytes:
    """Print a protocol (about 10 ms; call it off the event loop). The footer carries the digest of its XML.

    `xml` is what `build_xml` made of the record, for who has it already.

    Raises:
        RefusedError: as `build_xml`.
    """
    view = build_view(record, hashlib.sha256(xml or build_xml(record)).hexdigest(), language)
    with _one_at_a_time:
        content = _compiler().compile(
            input=_template(),
            format="pdf",
            sys_inputs={"view": json.dumps(view, ensure_ascii=False)},
            pdf_standards=_STANDARDS,
            timestamp=int(record.drawn_up_at.timestamp()),
        )
    if not isinstance(content, bytes):
        raise TypeError("typst gave no single document")
    return content


@cache
def _compiler() -> typst.Compiler:
    with resources.as_file(resources.files("contracts.protocol") / "fonts") as folder:
        fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder)])
    return typst.Compiler(font_paths=fonts)


@cache
def _template() -> bytes:
    return resources.files("contracts.protocol").joinpath("protocol.typ").read_bytes()
