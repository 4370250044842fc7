"""NIST PKITS through our judgement: nothing invalid is believed; where we are stricter, it is listed with the reason.

The suite judges paths, policies and lists as widely as RFC 5280 allows; ours is the narrow profile of a national
authority (RSA or P-256, no certificate policies, complete lists only), so valid cases beyond it are refused.
"""

import json
import warnings
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from certs.algorithms import load_certificate
from certs.revocation import load_lists
from certs.trust import TrustPolicy, TrustStore
from contracts.errors.refusal import RefusedError

FOLDER = Path(__file__).parents[3] / "shared/testdata/pkits"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/testdata/pkits is not there")

MOMENT = datetime(2020, 1, 1, tzinfo=UTC)
POLICY = TrustPolicy(participant_required=False, intermediates_max=8)
ACCEPTED, REFUSED = "accepted", "refused"

# What we refuse though PKITS calls it valid: reason to case ids.
STRICTER = {
    "DSA is not spoken": "40104 40105",
    "a general time where a UTC time belongs is not DER": "40204",
    "names are compared by their octets, not by case, space or string type": "40303 40304 40305 40310 40311",
    "a CA's basicConstraints must be critical": "40604",
    "a CA's certificate does not sign messages": "40608 40614 40806 41413",
    "self-issued certificates count in the path length": "40615 40617",
    "certificate policy constraints are critical and not processed": (
        "40901 40902 40904 40906 41001 41003 41005 41006 41009 41011 41013 41014 41102 41104 41107 "
        "41202 41203 41207 41209"
    ),
    "name constraints other than DNS and addresses are not processed": (
        "41301 41304 41305 41306 41311 41314 41318 41319 41327 41334 41336"
    ),
    "a list signed by another key of the same authority is not believed": "40419 40501 40503 40504 40506",
    "partitioned and indirect lists are not believed": (
        "41401 41404 41405 41407 41418 41419 41422 41424 41425 41428 41429 41430 41433"
    ),
}
# What we believe though PKITS refuses it: reason to case ids.
LOOSER = {
    "the case asks for a certificate policy of the relying party; we ask for none": (
        "40801 40802 40803 40804 40805 40809 40812 40814"
    ),
}


def ids(table: dict[str, str]) -> set[str]:
    return {case for listed in table.values() for case in listed.split()}


def cases() -> list[dict[str, object]]:
    file = FOLDER / "pkits.json"
    return json.loads(file.read_text()) if file.is_file() else []


def read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def judge(case: dict) -> str:
    names = [f"crls/{name}" for name in ["TrustAnchorRootCRL.crl", *case.get("crls", ())]]
    try:
        trust = TrustStore(
            anchors=[load_certificate(read("certs/TrustAnchorRootCertificate.crt"))],
            intermediates=[load_certificate(read(f"certs/{name}")) for name in case.get("other_certs", ())],
            lists=load_lists(map(read, names)),
            policy=POLICY,
        )
        trust.judge(load_certificate(read(f"certs/{case['cert']}")), (), MOMENT)
    except RefusedError:
        return REFUSED
    return ACCEPTED


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case['id']}-{case['name']}")
def test_pkits(case: dict) -> None:
    expected = REFUSED if "error" in case else ACCEPTED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the suite's own oddities, such as certificates of version 1
        verdict = judge(case)
    if expected == ACCEPTED and case["id"] in ids(STRICTER):
        assert verdict == REFUSED, "not stricter any more: take it off the list"
    elif expected == REFUSED and case["id"] in ids(LOOSER):
        assert verdict == ACCEPTED, "not looser any more: take it off the list"
    else:
        assert verdict == expected


def test_the_deviations_are_cases_of_the_suite() -> None:
    assert ids(STRICTER) | ids(LOOSER) <= {str(case["id"]) for case in cases()}
    assert isinstance(load_certificate(read("certs/TrustAnchorRootCertificate.crt")), x509.Certificate)
