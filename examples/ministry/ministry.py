"""A ministry in one file: reads its topic, checks every sealed protocol, keeps it, answers with a signed receipt.

    python3 ministry.py KAFKA TOPIC CODE KEYS OUT [REFUSALS]

Needs aiokafka and the programs `xmlsec1` and `openssl`; nothing of the gateway's. KEYS has key.pem and chain.pem (ours
and those above it), anchors.pem and intermediates.pem (the centre's); protocols are kept in OUT. On the topic REFUSALS
the gateway says which of our receipts it refused and why. One line is printed for each record. What a ministry adds for
itself: TLS and its login to the brokers, the centre's CRL, and a place where people see what was not believed (a
protocol that does not hold gets no receipt, and the gateway's operator will call) and what was refused.
"""

import asyncio
import hashlib
import io
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

RECEIPTS = "eherrac.receipts"
SIGNATURE = """<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>\
<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>\
<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#{kind}-sha256"/>\
<ds:Reference URI=""><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>\
<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms>\
<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference></ds:SignedInfo>\
<ds:SignatureValue/><ds:KeyInfo><ds:X509Data/></ds:KeyInfo></ds:Signature>"""


class NotBelieved(Exception):
    """Why a container is no protocol of the gateway's."""


async def main(kafka, topic, code, keys, out, *refusals):
    # A group's name begins with the topic's (the brokers' grants say so); what was not committed comes again.
    consumer = AIOKafkaConsumer(
        topic,
        *refusals,
        bootstrap_servers=kafka,
        group_id=f"{topic}.{code}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    await consumer.start()
    await producer.start()
    try:
        async for record in consumer:
            headers = {name: value.decode() for name, value in record.headers}
            try:
                if record.topic in refusals:
                    say(**refused(record.value, Path(keys)))
                else:
                    check(record.value, headers, Path(keys))
                    keep(record.value, headers, Path(out))
                    sent = await acknowledge(producer, headers, code, Path(keys), Path(out))
                    say(protocol=headers["ce_number"], result=headers["ce_result"], receipt=sent)
            except NotBelieved as error:
                say(refused=str(error), offset=record.offset)
            await consumer.commit()
    finally:
        await consumer.stop()
        await producer.stop()


def check(container, headers, keys):
    """The very container, sealed by the gateway, with nothing in it that is not sealed."""
    expect(hashlib.sha256(container).hexdigest() == headers["ce_sha256"], "the container is not that of ce_sha256")
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(io.BytesIO(container)) as archive:
        expect(len(archive.namelist()) == len(set(archive.namelist())), "a name stands twice in the container")
        archive.extractall(folder)
        seal = Path(folder, "META-INF/signatures0.xml").read_text("utf-8")
        expect_gateways(seal, keys, "--id-attr:Id", "SignedProperties", "META-INF/signatures0.xml", cwd=folder)
        content = {name for name in archive.namelist() if name != "mimetype" and not name.startswith("META-INF/")}
        sealed = set(re.findall(r'<ds:Reference [^>]*URI="([^"#]+)"', seal))
        expect(content == sealed, f"not sealed: {content ^ sealed}")


def expect_gateways(signature, keys, *options, cwd=None):
    """The signature holds, leads to the centre's root, and is the gateway's; `options` of xmlsec1 end with the file."""
    pem = tool("openssl", "x509", "-inform", "DER", stdin=certificate_of(signature))
    subject = tool("openssl", "x509", "-noout", "-subject", "-nameopt", "multiline,lname", stdin=pem.encode())
    expect(re.search(r"(organizationIdentifier|2\.5\.4\.97) *= GATEWAY\n", subject), f"sealed by {subject}")
    trusted = ("--trusted-pem", keys / "anchors.pem", "--untrusted-pem", keys / "intermediates.pem")
    tool("xmlsec1", "--verify", *trusted, *options, cwd=cwd)


def refused(document, keys):
    """By contracts/receipt/refusal-1.xsd: what our people need, to mend it and send the receipt again."""
    with tempfile.NamedTemporaryFile(suffix=".xml") as file:
        file.write(document)
        file.flush()
        expect_gateways(document.decode(), keys, file.name)
    said = {child.tag.partition("}")[2]: child for child in ElementTree.fromstring(document)}
    last = said["Explanation"]  # of three languages
    told = {name: said[name].text for name in ("Code", "Record", "SignatureHeld")}
    return {"receipt_refused": told, "remedy": last.findtext("{urn:eherrac:receipt-refusal:1}Remedy")}


def keep(container, headers, out):
    """The container as it came (it is the document), and what people read."""
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{headers['ce_protocolid']}.asice").write_bytes(container)
    with zipfile.ZipFile(io.BytesIO(container)) as archive:
        (out / f"{headers['ce_protocolid']}.pdf").write_bytes(archive.read("protokol.pdf"))


async def acknowledge(producer, headers, code, keys, out):
    """One container, one receipt: when the record comes again the same document goes again, no other under its id."""
    receipt_id = f"{code}-{headers['ce_sha256'][:20]}"
    kept = out / f"{receipt_id}.xml"
    if not kept.exists():
        kept.write_bytes(receipt(receipt_id, headers, code, keys))
    attributes = {
        "content-type": "application/xml",
        "ce_specversion": "1.0",
        "ce_id": f"receipt-{headers['ce_id']}",
        "ce_source": code,
        "ce_type": "az.eherrac.protocol.receipted.v1",
        "ce_subject": headers["ce_subject"],
        "ce_time": now(),
    }
    sent = [(name, value.encode()) for name, value in attributes.items()]
    await producer.send_and_wait(RECEIPTS, kept.read_bytes(), key=headers["ce_subject"].encode(), headers=sent)
    return receipt_id


def receipt(receipt_id, headers, code, keys):
    """By contracts/receipt/receipt-1.xsd; signed as a whole, with the certificate and those above it."""
    said = {
        "ReceiptId": receipt_id,
        "ProtocolNumber": headers["ce_number"],
        "ProtocolId": headers["ce_protocolid"],
        "ContainerSha256": headers["ce_sha256"],
        "Authority": code,
        "ReceivedAt": now(),
        "Decision": "accepted",
    }
    fields = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in said.items())
    rsa = "modulus:" in tool("openssl", "pkey", "-in", keys / "key.pem", "-noout", "-text")
    signature = SIGNATURE.format(kind="rsa" if rsa else "ecdsa")
    template = f'<Receipt xmlns="urn:eherrac:receipt:1" Version="1">{fields}{signature}</Receipt>'
    with tempfile.NamedTemporaryFile(suffix=".xml") as file:
        file.write(template.encode())
        file.flush()
        return tool(
            "xmlsec1", "--sign", "--privkey-pem", f"{keys / 'key.pem'},{keys / 'chain.pem'}", file.name
        ).encode()


def certificate_of(signature):
    return b64decode(re.search(r"X509Certificate>([^<]+)<", signature)[1])


def now():
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tool(*command, cwd=None, stdin=None):
    """What the program says. Raises NotBelieved if it ends with anything but 0."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, input=stdin, capture_output=True, check=False)
    expect(done.returncode == 0, f"{command[0]} says {done.stderr.decode(errors='replace').strip()[:300]}")
    return done.stdout.decode()


def expect(holds, otherwise):
    if not holds:
        raise NotBelieved(otherwise)


def say(**what):
    print(json.dumps(what, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
