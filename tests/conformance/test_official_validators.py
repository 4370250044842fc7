"""Sealed protocols before the reference validators: the Commission's DSS for ASiC-E and XAdES, veraPDF for PDF/A.

They are Java programs of about a hundred archives: `scripts/jars.sh fetch validators` gets them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from adapters.notary.adapter import draw_up
from certs import timestamp
from certs.asice import extract, imprint, with_stamp
from certs.authority import Authority
from gateway.domain.dispatches import AuctionResult, ProtocolContent
from gateway.domain.money import Money
from gateway.domain.values import Bidder, DepositForm, ParticipantId, Regime

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
CONTENT = ProtocolContent(
    protocol_id="L-1.protocol",
    number="2026/L-1",
    result=AuctionResult.SOLD,
    drawn_up_at=NOW,
    lot_id="L-1",
    lot_title="Üç otaqlı mənzil, “Gözəl Ev”",
    lot_address="Bakı şəhəri",
    regime=Regime.ENFORCEMENT,
    rule_version="2026-01",
    case_number="İC-1",
    auction_at=NOW,
    starting_price=Money(10_000_000),
    claimant_code="999101",
    bidders=(Bidder(id=ParticipantId("P-1"), name="Əliyev Rəşad", tax_id="5ABC123", deposit_form=DepositForm.EXEMPT),),
    buyer_name="Əliyev Rəşad",
    buyer_tax_id="5ABC123",
    price=Money(12_000_050),
    deposit_form=DepositForm.EXEMPT,
    payment_references=("AP-1",),
    paid_on=date(2026, 11, 20),
    reason=None,
    recipients=("ECONOMY", "JUSTICE", "INTERIOR"),
)

SEALS = """
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import java.io.File;

public class Seals {
  public static void main(String[] paths) throws Exception {
    var trusted = new CommonTrustedCertificateSource();
    trusted.addCertificate(DSSUtils.loadCertificate(new File(paths[0])));
    for (int i = 1; i < paths.length; i++) {
      var verifier = new CommonCertificateVerifier();
      verifier.addTrustedCertSources(trusted);
      var validator = SignedDocumentValidator.fromDocument(new FileDocument(new File(paths[i])));
      validator.setCertificateVerifier(verifier);
      var report = validator.validateDocument();
      var simple = report.getSimpleReport();
      var signature = report.getDiagnosticData().getSignatures().get(0);
      var parts = signature.getDigestMatchers().stream().allMatch(part -> part.isDataFound() && part.isDataIntact());
      System.out.println(simple.getContainerType() + " " + simple.getSignatureFormat(simple.getFirstSignatureId())
          + " intact=" + signature.isSignatureIntact() + " valid=" + signature.isSignatureValid()
          + " schema=" + signature.isStructuralValidationValid() + " parts=" + parts
          + " " + signature.getDigestMatchers().size());
      for (var stamp : report.getDiagnosticData().getTimestampList())
        System.out.println("  stamp " + stamp.getType() + " imprint=" + stamp.isMessageImprintDataIntact()
            + " intact=" + stamp.isSignatureIntact() + " valid=" + stamp.isSignatureValid());
    }
  }
}
"""
PRINTS = """
import java.io.FileInputStream;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.flavours.PDFAFlavour;

public class Prints {
  public static void main(String[] paths) throws Exception {
    VeraGreenfieldFoundryProvider.initialise();
    for (String path : paths)
      try (var in = new FileInputStream(path);
           var parser = Foundries.defaultInstance().createParser(in, PDFAFlavour.PDFA_2_A)) {
        var result = Foundries.defaultInstance().createValidator(PDFAFlavour.PDFA_2_A, false).validate(parser);
        System.out.println(result.getPDFAFlavour() + " compliant=" + result.isCompliant());
      }
  }
}
"""


@pytest.fixture(scope="module")
def classpath(jars: Callable[[str], str]) -> str:
    return jars("validators")


def run(program: str, name: str, classpath: str, folder: Path, *arguments: Path) -> list[str]:
    source = folder / f"{name}.java"
    source.write_text(program)
    command = ["java", "-cp", classpath, str(source), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def test_the_reference_validators_accept_the_seal_and_the_print(classpath: str, tmp_path: Path) -> None:
    authority = Authority.create(NOW)
    anchor = tmp_path / "root.pem"
    anchor.write_bytes(authority.anchors_pem)
    containers, prints = [], []
    for key in ("rsa", "p256"):
        container = draw_up(CONTENT, authority.issue("GATEWAY", "Qapı", key=key, now=NOW), now=NOW, names={})
        containers.append(tmp_path / f"{key}.asice")
        containers[-1].write_bytes(container)
        prints.append(tmp_path / f"{key}.pdf")
        prints[-1].write_bytes(extract(container, "protokol.pdf"))
    good = "ASiC-E XAdES-BASELINE-B intact=true valid=true schema=true parts=true 3"
    assert run(SEALS, "Seals", classpath, tmp_path, anchor, *containers) == [good, good]
    authority_of_time = authority.issue_time_stamper("Vaxt", key="p256", now=NOW)
    for path in tuple(containers):
        asked = timestamp.request(imprint(path.read_bytes()), 7)
        token = timestamp.token_of(timestamp.answer(asked, authority_of_time, now=NOW, serial=1), 7)
        path.write_bytes(with_stamp(path.read_bytes(), token))
    stamped = good.replace("BASELINE-B", "BASELINE-T")
    stamp = "  stamp SIGNATURE_TIMESTAMP imprint=true intact=true valid=true"
    assert run(SEALS, "Seals", classpath, tmp_path, anchor, *containers) == [stamped, stamp, stamped, stamp]
    assert run(PRINTS, "Prints", classpath, tmp_path, *prints) == ["2a compliant=true", "2a compliant=true"]
