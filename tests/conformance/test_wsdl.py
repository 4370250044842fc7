"""The published WSDL: our schema compiles, zeep builds a client from it, envelopes fit the official SOAP schemas."""

from __future__ import annotations

from pathlib import Path

import pytest
import zeep
from lxml import etree
from zeep.transports import Transport

from contracts.errors import ErrorCode, Refusal
from contracts.soap import model
from contracts.soap.codec import write
from contracts.soap.description import Service, schema, wsdl, xsd
from contracts.soap.envelope import to_bytes, wrap
from contracts.soap.faults import fault
from contracts.soap.names import SoapVersion
from contracts.xml import parse_xml

ADDRESS = "https://gateway.example/soap/v1"
XS = "{http://www.w3.org/2001/XMLSchema}"
WSDL = "{http://schemas.xmlsoap.org/wsdl/}"


class _FromMemory(Transport):  # type: ignore[misc]  # zeep has no types
    """What a client downloads, without a socket."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__()
        self._files = files

    def load(self, url: str) -> bytes:
        return self._files[url]

    def close(self) -> None:
        self.session.close()


def _client(service: Service) -> tuple[zeep.Client, _FromMemory]:
    transport = _FromMemory({f"{ADDRESS}?wsdl": wsdl(service, ADDRESS), f"{ADDRESS}?xsd=1": xsd()})
    return zeep.Client(f"{ADDRESS}?wsdl", transport=transport), transport


@pytest.mark.parametrize(
    ("service", "operations"),
    [
        (Service.GATEWAY, set(model.REQUESTS)),
        (Service.CALLBACK, {"Notify"}),
    ],
)
def test_zeep_finds_every_operation_in_both_versions(service: Service, operations: set[str]) -> None:
    client, transport = _client(service)
    ports = next(iter(client.wsdl.services.values())).ports
    assert len(ports) == len(SoapVersion)
    for port in ports.values():
        assert set(port.binding.all()) == operations
        assert port.binding_options["address"] == ADDRESS
    transport.close()


def test_a_request_that_zeep_writes_is_valid_and_reads_as_ours() -> None:
    client, transport = _client(Service.GATEWAY)
    payer = {"Holder": "Bank", "Iban": "AZ77VTBA00000000001234567890", "Bic": "XZRNAZ22"}
    envelope = client.create_message(
        client.service,
        "DecideOffer",
        MessageId="d-1",
        OfferId="L-1.offer",
        Decision="accept",
        DecidedBy="A",
        Payer=payer,
    )
    element = parse_xml(etree.tostring(envelope))[0][0]
    schema().validate(element)
    assert etree.QName(element).localname == "DecideOffer"
    transport.close()


def test_zeep_reads_an_answer_that_we_write() -> None:
    client, transport = _client(Service.GATEWAY)
    answer = model.ListOffersResponse(in_reply_to="q-1")
    operation = client.service._binding.get("ListOffers")
    envelope = parse_xml(to_bytes(wrap(SoapVersion.V11, write(answer))))
    assert operation.process_reply(envelope)["InReplyTo"] == "q-1"
    transport.close()


@pytest.mark.parametrize("service", list(Service))
def test_names_inside_the_wsdl_resolve(service: Service) -> None:
    """Zeep passes broken WSDLs; so every reference is followed here."""
    root = etree.fromstring(wsdl(service, ADDRESS))
    named = {
        kind: {node.get("name") for node in root.iterfind(f"{WSDL}{kind}")}
        for kind in ("message", "portType", "binding")
    }
    elements = {node.get("name") for node in etree.fromstring(xsd()).iterfind(f"{XS}element")}
    parts = {node.get("element", "").removeprefix("gw:") for node in root.iter(f"{WSDL}part")}
    messages = {
        node.get("message", "tns:").removeprefix("tns:") for node in root.iterfind(f".//{WSDL}portType//*[@message]")
    }
    types = {node.get("type", "").removeprefix("tns:") for node in root.iterfind(f"{WSDL}binding")}
    bindings = {node.get("binding", "").removeprefix("tns:") for node in root.iter(f"{WSDL}port")}
    assert parts <= elements
    assert messages == named["message"]
    assert types == named["portType"]
    assert bindings == named["binding"]


@pytest.mark.parametrize("service", list(Service))
def test_binding_and_port_type_list_the_same_operations(service: Service) -> None:
    root = etree.fromstring(wsdl(service, ADDRESS))
    port_type = [node.get("name") for node in root.iterfind(f"{WSDL}portType/{WSDL}operation")]
    for binding in root.iterfind(f"{WSDL}binding"):
        assert [node.get("name") for node in binding.iterfind(f"{WSDL}operation")] == port_type


@pytest.mark.parametrize(("version", "file"), [(SoapVersion.V11, "soap-1.1.xsd"), (SoapVersion.V12, "soap-1.2.xsd")])
def test_answers_and_faults_fit_the_official_envelope_schema(
    shared_testdata: Path, version: SoapVersion, file: str
) -> None:
    official = _official_schema(shared_testdata / "soap-wss-xsd", file)
    for content in (
        write(model.ListOffers(message_id="q-1")),
        fault(version, Refusal(code=ErrorCode.OFFER_UNKNOWN), "q-1"),
    ):
        official.assertValid(parse_xml(to_bytes(wrap(version, content))))


def _official_schema(folder: Path, file: str) -> etree.XMLSchema:
    """The schema with its `xml:` import pointed to the local copy, whatever location it names."""
    document = etree.parse(str(folder / file))
    for node in document.iter(f"{XS}import"):
        if node.get("namespace") == "http://www.w3.org/XML/1998/namespace":
            node.set("schemaLocation", (folder / "xml.xsd").resolve().as_uri())
    return etree.XMLSchema(document)
