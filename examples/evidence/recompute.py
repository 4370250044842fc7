"""Check an evidence file without a line of the gateway's code: Python's standard library, `openssl` and `xmlsec1`.

    python3 recompute.py LOT.evidence.asice ROOT.pem

What is recomputed, and by whose tool, stands in docs/evidence.md. Ends with 0, or with 3 at the first thing that does
not hold. Not looked at here: revocation (`revocation.pem`, `ocsp.json`) and what follows from what, which
`eherrac-gateway evidence verify` judges too.
"""

import base64
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from datetime import datetime
from pathlib import Path


class Wrong(Exception):
    """What does not hold, and where."""


def main(container: str, root: str) -> int:
    """0: everything holds; 3: something does not."""
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(container).extractall(folder)
        try:
            for line in findings(Path(folder), Path(root).resolve()):
                print("holds  ", line)
        except Wrong as wrong:
            print("REFUSED", wrong)
            return 3
    return 0


def findings(folder, root):
    """A sentence for each thing that holds. Raises Wrong at the first that does not."""
    yield seal(folder, root)
    index = json.loads((folder / "index.json").read_bytes())
    yield from files(folder, index)
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text("utf-8").splitlines()]
    yield from chains(lines)
    yield from stamps(folder, lines, root)
    yield from messages(folder, index["items"], root)


# (1) The seal: XAdES over every file of the container, ours.


def seal(folder, root):
    trusted = ("--trusted-pem", root, "--untrusted-pem", "certificates.pem", "--id-attr:Id", "SignedProperties")
    tool("the seal", "xmlsec1", "--verify", *trusted, "META-INF/signatures0.xml", cwd=folder)
    signed = set(re.findall(r'URI="([^"#]+)"', (folder / "META-INF/signatures0.xml").read_text("utf-8")))
    there = {path.name for path in folder.iterdir() if path.is_file()} - {"mimetype"}
    expect(signed == there, f"the seal covers {signed ^ there}")
    return f"seal over {len(signed)} files (xmlsec1)"


# (2) The index: every file by its SHA-256.


def files(folder, index):
    for item in (*index["items"], *index["supplements"]):
        digest = hashlib.sha256((folder / item["file"]).read_bytes()).hexdigest()
        expect(digest == item["sha256"], f"{item['file']}: SHA-256 {digest}, the index says {item['sha256']}")
    yield f"{len(index['items'])} messages and documents are those of the index (SHA-256)"


# (3) The journal: of each noun a chain from zeros, hash = SHA-256(previous hash + fields as JSON).


def chains(lines):
    heads = {}
    for line in lines:
        noun = (line["noun"], line["nounId"])
        version, previous = heads.get(noun, (0, "00" * 32))
        here = f"journal line {line['seq']}"
        expect(line["version"] == version + 1, f"{here}: version {line['version']} after {version}")
        expect(line["prevHash"] == previous, f"{here}: is not linked to the line before it")
        expect(line["hash"] == line_hash(line), f"{here}: its hash is {line_hash(line)}")
        heads[noun] = (line["version"], line["hash"])
    for (noun, id), (version, head) in heads.items():
        yield f"chain of {noun} {id}: {version} lines, head {head}"


def line_hash(line):
    at = datetime.fromisoformat(line["at"].replace("Z", "+00:00")).isoformat()  # with +00:00, as it was hashed
    names = (
        "noun",
        "nounId",
        "version",
        "lotId",
        "owner",
        None,
        "event",
        "before",
        "after",
        "causeSource",
        "causeId",
        "data",
    )
    fields = [at if name is None else line[name] for name in names]
    if line.get("bound") is not None:  # lines of before schema v0011 have none, and are hashed without it
        fields.append(line["bound"])
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(bytes.fromhex(line["prevHash"]) + text.encode()).hexdigest()


# (4) Time-stamps: each line's hash is a leaf of a Merkle tree (RFC 6962) whose root the authority stamped (RFC 3161).


def stamps(folder, lines, root):
    hashes = {line["seq"]: line["hash"] for line in lines}
    for stamp in json.loads((folder / "stamps.json").read_bytes())["stamps"]:
        for leaf in stamp["lines"]:
            top = climb(bytes.fromhex(hashes[leaf["seq"]]), leaf["index"], stamp["size"], leaf["proof"])
            expect(top == stamp["root"], f"journal line {leaf['seq']} is not under the stamped root")
        (folder / "token").write_bytes(base64.b64decode(stamp["token"]))
        trusted = ("-CAfile", root, "-untrusted", "certificates.pem")
        tool(
            "a time-stamp",
            "openssl",
            "ts",
            "-verify",
            "-digest",
            stamp["root"],
            "-token_in",
            "-in",
            "token",
            *trusted,
            cwd=folder,
        )
        yield f"time-stamp over {len(stamp['lines'])} of these lines (openssl ts)"


def climb(leaf, index, size, proof):
    node = hashlib.sha256(b"\0" + leaf).digest()
    for left, sibling in zip(sides(index, size), proof, strict=True):
        pair = bytes.fromhex(sibling) + node if left else node + bytes.fromhex(sibling)
        node = hashlib.sha256(b"\1" + pair).digest()
    return node.hex()


def sides(index, size):
    """From the leaf up: is the sibling on the left? A tree is split at the largest power of two below its size."""
    if size == 1:
        return []
    half = 1 << (size - 1).bit_length() - 1
    return [*sides(index - half, size - half), True] if index >= half else [*sides(index, half), False]


# (5) The messages: HTTP by RFC 9421 (openssl), XML by XMLDSig (xmlsec1); each signer's certificate leads to the root.


def messages(folder, items, root):
    by_number = {item["number"]: folder / item["file"] for item in items}
    pems = re.findall(r"-----BEGIN [^-]+-----.+?-----END [^-]+-----\n", (folder / "certificates.pem").read_text(), re.S)
    certificates = {hashlib.sha256(der(pem)).digest(): pem for pem in pems}
    counted = {"HTTP (openssl)": 0, "SOAP (xmlsec1)": 0, "receipts (xmlsec1)": 0}
    for item in items:
        path = folder / item["file"]
        if path.suffix == ".http":
            request = by_number.get(item["answers"])
            kind, pem = "HTTP (openssl)", http(folder, path, request and Http(request), certificates)
        elif path.name.endswith(".soap.xml"):
            kind, pem = "SOAP (xmlsec1)", soap(folder, path)
        elif path.suffix == ".xml":
            kind, pem = "receipts (xmlsec1)", receipt(folder, path)
        else:
            continue  # a sealed protocol, which is an ASiC-E container of its own, or Kafka's word for what it took
        leads_to(folder, pem, root, item)
        counted[kind] += 1
    yield "signatures of messages: " + ", ".join(f"{count} {kind}" for kind, count in counted.items())


class Http:
    """One message as it passed: the first line, the fields in lower case, the body."""

    def __init__(self, path):
        head, self.body = path.read_bytes().split(b"\r\n\r\n", 1)
        self.first, *lines = head.decode("latin-1").split("\r\n")
        self.fields = {}
        for name, value in (line.split(":", 1) for line in lines):
            name = name.strip().lower()
            self.fields[name] = ", ".join(filter(None, (self.fields.get(name), value.strip())))

    def component(self, name):
        words = self.first.split(" ")
        path, _, query = words[1].partition("?")
        derived = {
            "@method": words[0],
            "@authority": self.fields.get("host", "").lower(),
            "@path": path,
            "@query": f"?{query}",
            "@status": words[1],
        }
        return derived[name] if name in derived else self.fields[name]


def http(folder, path, request, certificates):
    message = Http(path)
    said = message.fields["content-digest"]
    digest = base64.b64encode(hashlib.sha256(message.body).digest()).decode()
    expect(f"sha-256=:{digest}:" in said, f"{path.name}: the body is not that of {said}")
    params = message.fields["signature-input"].partition("=")[2]
    base = "".join(
        f'"{name}"{req}: {(request if req else message).component(name)}\n'
        for name, req in re.findall(r'"([^"]+)"(;req)?', params[: params.index(")")])
    )
    (folder / "base").write_bytes(f'{base}"@signature-params": {params}'.encode("latin-1"))
    parameters = dict(re.findall(r';(\w+)="?([^";]*)', params[params.index(")") :]))
    pem = certificates[base64.b64decode(parameters["keyid"])]
    signature = base64.b64decode(message.fields["signature"].split(":")[1])
    pss = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:64") if "pss" in parameters["alg"] else ()
    ecdsa = parameters["alg"].startswith("ecdsa")
    (folder / "signature").write_bytes(asn1(signature) if ecdsa else signature)
    (folder / "key").write_text(tool(path.name, "openssl", "x509", "-pubkey", "-noout", stdin=pem))
    hashed = "-sha512" if pss else "-sha256"
    tool(path.name, "openssl", "dgst", hashed, *pss, "-verify", "key", "-signature", "signature", "base", cwd=folder)
    return pem


def soap(folder, path):
    """The certificate is the BinarySecurityToken; Body and Timestamp are signed with their wsu:Id."""
    token = re.search(r"BinarySecurityToken[^>]*>([^<]+)<", path.read_text("utf-8"))[1]
    pem = tool(path.name, "openssl", "x509", "-inform", "DER", stdin=base64.b64decode(token))
    (folder / "signer.pem").write_text(pem)
    ids = [word for name in ("Body", "Timestamp", "BinarySecurityToken") for word in ("--id-attr:Id", name)]
    tool(path.name, "xmlsec1", "--verify", "--pubkey-cert-pem", "signer.pem", *ids, path.name, cwd=folder)
    return pem


def receipt(folder, path):
    """Signed as a whole; the certificate lies in the signature."""
    text = re.search(r"X509Certificate>([^<]+)<", path.read_text("utf-8"))[1]
    pem = tool(path.name, "openssl", "x509", "-inform", "DER", stdin=base64.b64decode(text))
    (folder / "signer.pem").write_text(pem)
    tool(path.name, "xmlsec1", "--verify", "--pubkey-cert-pem", "signer.pem", path.name, cwd=folder)
    return pem


def leads_to(folder, pem, root, item):
    """The certificate is the signer's that the index names, and was good at the item's moment."""
    (folder / "leaf.pem").write_text(pem)
    name, at = item["file"], item["at"]
    subject = tool(name, "openssl", "x509", "-noout", "-subject", "-nameopt", "multiline,lname", stdin=pem)
    expect(
        re.search(rf"(organizationIdentifier|2\.5\.4\.97) *= {item['signer']}\n", subject),
        f"{name}: signed by {subject}",
    )
    moment = str(int(datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()))
    trusted = ("-attime", moment, "-CAfile", root, "-untrusted", "certificates.pem")
    tool(f"{name}: the signer's certificate", "openssl", "verify", *trusted, "leaf.pem", cwd=folder)


def der(pem):
    return base64.b64decode("".join(pem.splitlines()[1:-1]))


def asn1(signature):
    """ECDSA's r and s of 32 octets each, as the DER that openssl reads."""
    numbers = b""
    for part in (signature[:32], signature[32:]):
        octets = part.lstrip(b"\0") or b"\0"
        octets = b"\0" + octets if octets[0] > 127 else octets
        numbers += bytes((2, len(octets))) + octets
    return bytes((48, len(numbers))) + numbers


def tool(about, *command, cwd=None, stdin=None):
    """What the tool says. Raises Wrong if it ends with anything but 0."""
    octets = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run([str(word) for word in command], cwd=cwd, input=octets, capture_output=True, check=False)
    expect(done.returncode == 0, f"{about}: {command[0]} says {done.stderr.decode(errors='replace').strip()[:300]}")
    return done.stdout.decode(errors="replace")


def expect(holds, otherwise):
    if not holds:
        raise Wrong(otherwise)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
