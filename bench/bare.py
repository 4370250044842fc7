"""XML signatures by libxmlsec alone: no plan, no trust, no limits; the floor of every signature of ours in XML."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import xmlsec
from lxml import etree

from certs.authority import Authority
from certs.keystore import Credential
from certs.trust import TrustStore
from certs.wss import WSU_ID
from gateway.bootstrap import utc_now

KINDS = {"rsa": "RSA-2048", "p256": "P-256"}
PASSES = 3
_DS = "{http://www.w3.org/2000/09/xmldsig#}"
_WSU, _, _ID = WSU_ID[1:].partition("}")


@dataclass(frozen=True)
class Keys:
    """A key of one kind with its certificate, ours and as libxmlsec holds it."""

    kind: str
    credential: Credential
    trust: TrustStore

    @cached_property
    def signing(self) -> Any:
        return xmlsec.Key.from_memory(self.credential.to_pem()[0], xmlsec.constants.KeyDataFormatPem)

    @cached_property
    def verifying(self) -> Any:
        return xmlsec.Key.from_memory(self.credential.to_pem()[1], xmlsec.constants.KeyDataFormatCertPem)


def keys() -> list[Keys]:
    """One of each kind, of an authority of its own."""
    authority = Authority.create(utc_now())
    lists = [authority.crl(utc_now())]
    trust = TrustStore.from_pem(anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=lists)
    issued = {kind: authority.issue("999101", "Xəzər Nümunə Bankı", key=kind, now=utc_now()) for kind in KINDS}
    return [Keys(kind, credential, trust) for kind, credential in issued.items()]


def template(signed: bytes) -> bytes:
    """A signed document without its digests and its value: what libxmlsec fills in."""
    root = etree.fromstring(signed)
    for element in root.iter(f"{_DS}DigestValue", f"{_DS}SignatureValue"):
        element.text = None
    return etree.tostring(root)


def sign(root: etree._Element, key: Any) -> bytes:
    """Fill the template in and write it."""
    context, signature = _context(root, key)
    context.sign(signature)
    return etree.tostring(root)


def verify(root: etree._Element, key: Any) -> None:
    """Digests and value. Raises xmlsec.Error."""
    context, signature = _context(root, key)
    context.verify(signature)


def cpu_us(play: Callable[[], Any], count: int) -> float:
    """CPU of this thread for one call, the quickest of several passes, microseconds."""
    play()
    best = float("inf")
    for _ in range(PASSES):
        began = time.thread_time()
        for _ in range(count):
            play()
        best = min(best, time.thread_time() - began)
    return best / count * 1e6


def _context(root: etree._Element, key: Any) -> tuple[Any, etree._Element]:
    context = xmlsec.SignatureContext()
    context.key = key
    for element in root.iter():
        if element.get(WSU_ID) is not None:
            context.register_id(element, _ID, _WSU)
    signature = next(root.iter(f"{_DS}Signature"))
    return context, signature
