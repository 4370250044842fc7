"""OpenSSL's OCSP answers through our judgement: what must fail fails; the one deviation is listed with its reason.

The answers are of 2012 and signed with SHA-1, which we never believe: here it is allowed so that each fails for its own
fault. A case judges the end entity, and the issuing authorities that it brings an answer for.
"""

from __future__ import annotations

import json
import warnings
from base64 import b64decode
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509

from certs.freshness import Freshness
from certs.ocsp import STRONG_DIGESTS, OcspAnswers, read_answer
from contracts.errors.refusal import RefusedError

FOLDER = Path(__file__).parents[3] / "shared/testdata/openssl-ocsp"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/testdata/openssl-ocsp is not there")

# What we refuse though OpenSSL accepts it: reason to case names.
STRICTER = {
    "its responder's certificate lacks id-pkix-ocsp-nocheck, and nothing tells whether it is revoked": {
        "delegated_success"
    }
}


def cases() -> list[dict]:
    file = FOLDER / "openssl-ocsp.json"
    return json.loads(file.read_text()) if file.is_file() else []


def certificate(name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((FOLDER / name).read_bytes())


def is_accepted(case: dict, digests: frozenset[str]) -> bool:
    names = [case["cert"], *case.get("other_certs", ()), case["root"]]
    path = [certificate(name) for name in names]
    answers = [read_answer(b64decode((FOLDER / name).read_bytes())) for name in case["ocsps"]]
    known = OcspAnswers(answers, Freshness(), digests)
    try:
        for subject, issuer in list(pairwise(path))[: len(answers)]:
            known.check(subject, issuer, datetime.fromisoformat(case["moment"]))
    except RefusedError:
        return False
    return True


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
def test_openssl_ocsp(case: dict) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # serial numbers and the like of 2012
        verdict = is_accepted(case, STRONG_DIGESTS | {"sha1"})
    stricter = set().union(*STRICTER.values())
    assert verdict == ("error" not in case and case["name"] not in stricter)


def test_all_are_refused_for_their_sha1() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert [case["name"] for case in cases() if is_accepted(case, STRONG_DIGESTS)] == []


def test_the_suite_is_whole() -> None:
    assert (len(cases()), sum("error" in case for case in cases())) == (29, 25)
