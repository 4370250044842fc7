"""Readers that nobody here wrote read what we write: Prowide (Java) MT and ISO messages, pyiso20022 (Python) ISO ones.

`scripts/jars.sh fetch prowide` gets Prowide.
"""

from __future__ import annotations

import importlib
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from contracts.iso20022 import profile, registry, samples
from contracts.iso20022.scalars import write_amount
from contracts.mt import registry as mt
from contracts.mt.samples import LIMIT_ORDER, SAMPLES

PROGRAM = """
import com.prowidesoftware.swift.model.SwiftMessage;
import com.prowidesoftware.swift.model.mt.mt2xx.MT205;
import com.prowidesoftware.swift.model.mx.AbstractMX;
import java.nio.file.*;

public class Readers {
  public static void main(String[] paths) throws Exception {
    for (String path : paths) {
      String text = Files.readString(Path.of(path));
      System.out.println(text.startsWith("{1:") ? mt(text) : mx(text));
    }
  }

  static String mt(String text) throws Exception {
    SwiftMessage message = SwiftMessage.parse(text);
    if (!message.isType(205)) return "MT" + message.getType() + " " + message.getBlock4().getTagValue("20");
    MT205 order = new MT205(message);
    return "MT205 " + order.getField20().getValue() + " " + order.getField32A().getCurrency() + " "
        + order.getField32A().getComponent3() + " " + order.getField52A().getIdentifierCode() + " "
        + order.getField58A().getAccount() + " " + order.getField58A().getIdentifierCode() + " "
        + order.getSender() + " " + order.getReceiver();
  }

  static String mx(String text) {
    AbstractMX message = AbstractMX.parse(text);
    return message.getMxId().id() + " " + message.document().contains("Document");
  }
}
"""


@pytest.fixture(scope="module")
def classpath(jars: Callable[[str], str]) -> str:
    return jars("prowide")


OURS_ALONE = {"pain.998.001.01", "camt.998.001.03"}  # ISO publishes no schema for them
OFFICIAL = sorted(str(name) for name in set(registry.MESSAGES) - OURS_ALONE)


def _written(name: str) -> str:
    return etree.tostring(registry.build(samples.SAMPLES[name]), encoding="unicode")


def test_prowide_reads_every_message_we_write(classpath: str, tmp_path: Path) -> None:
    """AOS-L1 and AOS-C4: the limit order with every field, the others by name and reference."""
    source = tmp_path / "Readers.java"
    source.write_text(PROGRAM)
    files = []
    for number, message in SAMPLES.items():
        files.append(tmp_path / f"mt{number}")
        files[-1].write_bytes(mt.write(message))
    for name in OFFICIAL:
        files.append(tmp_path / name)
        files[-1].write_text(_written(name), encoding="utf-8")
    command = ["java", "-cp", classpath, str(source), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = {f"MT{number}": message.reference for number, message in SAMPLES.items()}
    seen["MT205"] = (
        f"{LIMIT_ORDER.reference} AZN 250000,50 EHRNAZ22 {LIMIT_ORDER.account} NABZAZ2CIPS EHRNAZ22AXXX NABZAZ2CARTS"
    )
    wanted = [f"{name} {fields}" for name, fields in seen.items()]
    assert done.stdout.splitlines() == [*wanted, *(f"{name} true" for name in OFFICIAL)]


def _pyiso(name: str) -> Any:
    """The peer's class of a message's Document, or None where it has none of that version."""
    family, number, variant, version = name.split(".")
    package = f"pyiso20022.{family}.{family}_{number}_{variant}_{version}"
    try:
        return importlib.import_module(package).Document
    except ModuleNotFoundError:
        return None


def test_pyiso20022_reads_what_we_write_and_writes_what_we_read() -> None:
    """Its classes of the same versions: without loss in both directions."""
    serializers = pytest.importorskip("xsdata.formats.dataclass.serializers")
    parsers = pytest.importorskip("xsdata.formats.dataclass.parsers")
    read = []
    for name in OFFICIAL:
        document = _pyiso(name)
        if document is None:
            continue
        kind = registry.named(name)
        theirs = parsers.XmlParser().from_string(_written(name), document)
        again = serializers.XmlSerializer().render(theirs, ns_map={None: kind.urn})
        assert registry.read(etree.fromstring(again.encode()), kind) == samples.SAMPLES[name]
        read.append(name)
    assert "pacs.008.001.08" in read


def test_pyiso20022_sees_the_amount_and_the_accounts_of_a_payment() -> None:
    document = _pyiso("pacs.008.001.08")
    if document is None:
        pytest.skip("no pyiso20022 here")
    parsers = pytest.importorskip("xsdata.formats.dataclass.parsers")
    theirs = parsers.XmlParser().from_string(_written("pacs.008.001.08"), document)
    payment = theirs.fito_ficstmr_cdt_trf.cdt_trf_tx_inf[0]
    assert f"{payment.intr_bk_sttlm_amt.value:.2f}" == write_amount(samples.TRANSFER.amount_minor)
    assert payment.intr_bk_sttlm_amt.ccy == "AZN"
    assert payment.cdtr_acct.id.iban == samples.TRANSFER.creditor.iban


def _foreign(folder: Path) -> dict[str, bytes]:
    """Samples of other countries' systems that are of our types and versions, by file name."""
    found = {}
    for path in sorted(folder.rglob("*.xml")):
        data = path.read_bytes()
        match = re.search(rb"tech:xsd:([a-z]{4}\.\d{3}\.\d{3}\.\d{2})", data)
        if match is not None and match[1].decode() in OFFICIAL:
            found[path.name] = data
    return found


def test_what_other_countries_send_is_refused_with_the_path_of_what_is_not_ours(shared_testdata: Path) -> None:
    """AOS-C4: sound ISO 20022 is not enough; the profile says where it ends."""
    foreign = _foreign(shared_testdata / "iso20022-samples")
    assert len(foreign) > 50
    for name, data in foreign.items():
        found = profile.faults(data)
        assert found != (), name
        assert all(fault.refusal.facts["path"].startswith("/Document/") for fault in found), name
