"""The short way of reading ds:SignedInfo, from the octets that are signed, says what reading by element says."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from certs.algorithms import DIGEST_SHA256, ECDSA_SHA256, ENVELOPED, EXCLUSIVE_C14N, RSA_SHA256, XMLDSIG
from certs.signed_xml import Reference, _read_signed_info, _usual_signed_info, canonical
from contracts.errors.refusal import RefusedError

_SHA1 = "http://www.w3.org/2000/09/xmldsig#sha1"
_NAMES = st.sampled_from(
    [EXCLUSIVE_C14N, ENVELOPED, RSA_SHA256, ECDSA_SHA256, DIGEST_SHA256, _SHA1, "", "a b", "&amp;"]
)
_TEXTS = st.sampled_from(["", " ", "\n  ", "x"])
_URIS = st.sampled_from(["", "#body-1", "#", "#a b", "#&quot;", "http://x/"])
_DIGESTS = st.sampled_from(["AAEC", "", "A A", "AA==", "&lt;"])


def _written(prefix: str, c14n: str, method: str, references: list[tuple[str, list[str], str, str, str]]) -> str:
    p = f"{prefix}:" if prefix else ""
    declared = f'xmlns:{prefix}="{XMLDSIG}"' if prefix else f'xmlns="{XMLDSIG}"'
    parts = []
    for uri, transforms, hashed, digest, space in references:
        listed = "".join(f'<{p}Transform Algorithm="{name}"/>' for name in transforms)
        parts.append(
            f'<{p}Reference URI="{uri}">{space}<{p}Transforms>{listed}</{p}Transforms>'
            f'<{p}DigestMethod Algorithm="{hashed}"/><{p}DigestValue>{digest}</{p}DigestValue></{p}Reference>'
        )
    return (
        f'<{p}SignedInfo {declared}><{p}CanonicalizationMethod Algorithm="{c14n}"/>'
        f'<{p}SignatureMethod Algorithm="{method}"/>{"".join(parts)}</{p}SignedInfo>'
    )


_REFERENCES = st.lists(st.tuples(_URIS, st.lists(_NAMES, max_size=3), _NAMES, _DIGESTS, _TEXTS), max_size=3) | st.lists(
    st.tuples(
        _URIS,
        st.sampled_from([[EXCLUSIVE_C14N], [ENVELOPED, EXCLUSIVE_C14N]]),
        st.just(DIGEST_SHA256),
        _DIGESTS,
        st.just(""),
    ),
    max_size=18,
)
_USUAL = _written("ds", EXCLUSIVE_C14N, RSA_SHA256, [("#b", [ENVELOPED, EXCLUSIVE_C14N], DIGEST_SHA256, "AAEC", "")])


@given(
    st.builds(
        _written,
        st.sampled_from(["ds", "", "sig"]),
        st.just(EXCLUSIVE_C14N) | _NAMES,
        st.sampled_from([RSA_SHA256, ECDSA_SHA256]) | _NAMES,
        _REFERENCES,
    )
)
@example(_USUAL)
@example(_USUAL.replace("<ds:DigestValue>", '<ds:DigestValue Id="x">'))
@example(_USUAL.replace("</ds:SignedInfo>", "x</ds:SignedInfo>"))
@example(_USUAL.replace("</ds:SignedInfo>", "<ds:Object/></ds:SignedInfo>"))
def test_what_is_read_the_short_way_is_read_the_same_by_element(text: str) -> None:
    """AOS-S2: what is verified is what stands there, whichever way it was read."""
    element = etree.fromstring(text)
    short = _usual_signed_info(canonical(element))
    if short is not None:
        assert short == _read_signed_info(element, inclusive_allowed=False)


@pytest.mark.parametrize("prefix", ["ds", ""])
def test_what_most_write_is_read_the_short_way(prefix: str) -> None:
    """Otherwise the test above proves nothing."""
    text = _written(
        prefix, EXCLUSIVE_C14N, ECDSA_SHA256, [("", [ENVELOPED, EXCLUSIVE_C14N], DIGEST_SHA256, "AAEC", "")]
    )
    read = _usual_signed_info(canonical(etree.fromstring(text)))
    assert read is not None
    assert read.method == ECDSA_SHA256
    assert read.references == (Reference(uri="", transforms=(ENVELOPED, EXCLUSIVE_C14N), digest="AAEC"),)


@pytest.mark.parametrize(
    "changed",
    [
        _USUAL.replace(RSA_SHA256, "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        _USUAL.replace(DIGEST_SHA256, _SHA1),
        _USUAL.replace("</ds:SignedInfo>", "text</ds:SignedInfo>"),
        _USUAL.replace('URI="#b"', 'URI="#b" Type="x"'),
    ],
)
def test_what_is_wrong_is_left_to_the_way_that_says_so(changed: str) -> None:
    """A refusal names what is wrong."""
    element = etree.fromstring(changed)
    assert _usual_signed_info(canonical(element)) is None
    with pytest.raises(RefusedError):
        _read_signed_info(element, inclusive_allowed=False)
