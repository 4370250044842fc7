"""363 signature-wrapping permutations made by somebody else: all refused, the two honest originals accepted once."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.expectations import Expectations, Expected
from certs.trust import Revocation, TrustPolicy, TrustStore
from certs.wss import verify_envelope
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.xml import parse_xml
from gateway.engine.repetitions import Repetitions
from gateway.store import open_store
from gateway.store.testing import blank_store_url

FOLDER = Path(__file__).parents[3] / "shared/testdata/xsw-soap"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/testdata/xsw-soap is not there")

WRAPPED_COUNT = 363
MOMENT = datetime(2026, 12, 1, tzinfo=UTC)  # within the certificate's validity
THIRTY_YEARS_S = 30 * 365 * 86_400  # the Timestamp of the corpus is old and lives to 2049
EXPECTED = Expected(house=Expectations(max_age_s=THIRTY_YEARS_S))
REFUSALS = {ErrorCode.SIGNATURE_MALFORMED, ErrorCode.SIGNATURE_INCOMPLETE}


@pytest.fixture(scope="module")
def trust() -> TrustStore:
    """The corpus has an anchor of its own, which publishes no lists and gives no participant codes."""
    policy = TrustPolicy(revocation=Revocation.NONE, participant_required=False)
    return TrustStore.from_pem(anchors=(FOLDER / "ca.pem").read_bytes(), policy=policy)


@pytest.mark.parametrize("version", ["soap11", "soap12"])
def test_the_honest_original_is_accepted(trust: TrustStore, version: str) -> None:
    data = (FOLDER / f"{version}_signed/original.xml").read_bytes()
    result = verify_envelope(parse_xml(data), trust, at=MOMENT, expected=EXPECTED)
    assert result.verified.signer.subject == "CN=XSW test bank,O=Throwaway test"
    assert result.body.findtext(".//{*}MsgId") == "20250311114001500ABARSrequest1"


async def test_the_originals_are_accepted_once_each(trust: TrustStore, tmp_path: Path) -> None:
    """The second time they are known for the same, also by another replica and after a restart.

    What they ask is no operation of ours, so it is the memory of signed requests that is shown here, over a real store.
    """
    originals = [(FOLDER / f"{version}_signed/original.xml").read_bytes() for version in ("soap11", "soap12")]
    url = blank_store_url(tmp_path)
    told = []
    for data in (*originals, *originals):
        store = await open_store(url)
        try:
            result = verify_envelope(parse_xml(data), trust, at=MOMENT, expected=EXPECTED)
            assert result.verified.once is not None
            await Repetitions(store, clock=lambda: MOMENT).remember(result.verified.once)
            told.append("accepted")
        except RefusedError as refused:
            told.append(refused.refusal.code)
        await store.close()
    assert told == ["accepted", "accepted", ErrorCode.SIGNATURE_REPEATED, ErrorCode.SIGNATURE_REPEATED]


def test_every_wrapped_envelope_is_refused_for_its_structure(trust: TrustStore) -> None:
    """AOS-S2"""
    files = sorted(FOLDER.glob("soap1*_signed/xsw-*.xml"))
    assert len(files) == WRAPPED_COUNT
    verdicts = {file.name + file.parent.name: verdict(file, trust) for file in files}
    assert {name: code for name, code in verdicts.items() if code not in REFUSALS} == {}


def verdict(file: Path, trust: TrustStore) -> ErrorCode | str:
    try:
        verify_envelope(parse_xml(file.read_bytes()), trust, at=MOMENT, expected=EXPECTED)
    except RefusedError as refused:
        return refused.refusal.code
    return "accepted"


def test_the_original_is_too_old_for_the_strict_expectations(trust: TrustStore) -> None:
    root = parse_xml((FOLDER / "soap11_signed/original.xml").read_bytes())
    with pytest.raises(RefusedError) as caught:
        verify_envelope(root, trust, at=MOMENT)
    assert caught.value.refusal.code is ErrorCode.SIGNATURE_AGE
