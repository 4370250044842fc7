"""The kinds of changes that attackers make to a signed HTTP request (RFC 9421), seeded.

Each takes a source of chance, a request, and other honest requests to take parts from; it gives another request. The
attacker sits between the parties and holds no key but everybody's certificates.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import random
import unicodedata
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certs.http_signature import HttpRequestParts, SignatureInput, content_digest, signature_base
from contracts.errors.refusal import RefusedError

Change = Callable[[random.Random, HttpRequestParts, list[HttpRequestParts]], HttpRequestParts]

SIGNING = ("Content-Digest", "Signature-Certificate", "Signature-Input", "Signature")
MEANINGFUL = ("Idempotency-Key", "webhook-id", "webhook-timestamp", "ce-id", "Content-Type")
HOSTS = ("bank.example", "gateway.example", "gateway.example:80", "GATEWAY.example:8080", "gateway.example:8080.", "")


def field(parts: HttpRequestParts, name: str) -> str | None:
    return next((value for own, value in parts.headers if own.lower() == name.lower()), None)


def put(parts: HttpRequestParts, name: str, value: str) -> HttpRequestParts:
    """The request with this field replaced, at its place, or added."""
    if field(parts, name) is None:
        return replace(parts, headers=(*parts.headers, (name, value)))
    return replace(
        parts, headers=tuple((own, value if own.lower() == name.lower() else old) for own, old in parts.headers)
    )


# --- The body ---------------------------------------------------------------------------------------------------------
def change_body(rng: random.Random, parts: HttpRequestParts, _: list[HttpRequestParts]) -> HttpRequestParts:
    body = parts.body
    at = rng.randrange(len(body) + 1)
    doubled = body.replace(b"{", b'{"decision":"refuse",', 1)
    deep = b'{"a":' * 60 + body + b"}" * 60
    made = rng.choice(
        [
            body[:at] + bytes([rng.randrange(256)]) + body[at + 1 :],
            body[:at] + rng.choice([b" ", b"\n", b"\x00", b"0"]) + body[at:],
            body.replace(b"accept", b"refuse"),
            body.replace(b".00", b".01"),
            doubled,
            deep,
            b"1" * 5_000,
            b"",
            gzip.compress(body),
            unicodedata.normalize("NFD", body.decode("utf-8", "replace")).encode(),
            b"\xef\xbb\xbf" + body,
            body + b"\r\n0\r\n\r\nPOST /v1/events HTTP/1.1\r\n\r\n",
        ]
    )
    return replace(parts, body=made)


def redigest(rng: random.Random, parts: HttpRequestParts, _: list[HttpRequestParts]) -> HttpRequestParts:
    """The digest of the body as it is now, in one of the ways to write it."""
    right = content_digest(parts.body)
    wrong = content_digest(b"")
    made = rng.choice(
        [right, f"{wrong}, {right}", f"{right}, {wrong}", f"sha-512=:AA==:, {right}", right.upper(), "md5=:AA==:"]
    )
    return put(parts, "Content-Digest", made)


def encode_body(rng: random.Random, parts: HttpRequestParts, _: list[HttpRequestParts]) -> HttpRequestParts:
    bomb = gzip.compress(b"0" * 5_000_000)
    body = rng.choice([gzip.compress(parts.body), bomb, parts.body])
    return put(replace(parts, body=body), "Content-Encoding", rng.choice(["gzip", "deflate", "br", "identity", "x"]))


# --- The address ------------------------------------------------------------------------------------------------------
def change_path(rng: random.Random, parts: HttpRequestParts, others: list[HttpRequestParts]) -> HttpRequestParts:
    path = parts.path
    made = [
        path + "/",
        path.replace("/v1", "/v1/x/..", 1),
        path.replace("/v1", "//v1", 1),
        path.replace("/v1", "/%76%31", 1),
        path.replace("LOT-B", "LOT-E"),
        path.replace("LOT-B", "LOT%2DB"),
        path + "%00",
        path + ";a=b",
        path + "#x",
        path.upper(),
        f"http://{parts.authority}{path}",
        *(other.path for other in others),
    ]
    return replace(parts, path=rng.choice(made))


def change_query(rng: random.Random, parts: HttpRequestParts, _: list[HttpRequestParts]) -> HttpRequestParts:
    pairs = [pair for pair in parts.query.split("&") if pair]
    made = [
        "&".join(reversed(pairs)),
        parts.query + "&limit=500",
        "limit=1&" + parts.query,
        parts.query.replace("=", "=0"),
    ]
    made += [parts.query + "&", parts.query.replace("&", ";"), parts.query.replace("l", "%6c"), "", "&".join(pairs * 2)]
    return replace(parts, query=rng.choice(made))


def change_method(rng: random.Random, parts: HttpRequestParts, _: list[HttpRequestParts]) -> HttpRequestParts:
    method = rng.choice(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "post"])
    return replace(put(parts, "X-HTTP-Method-Override", rng.choice(["POST", "GET"])), method=method)


def change_host(rng: random.Random, parts: HttpRequestParts, _: list[HttpRequestParts]) -> HttpRequestParts:
    host = rng.choice(HOSTS)
    if rng.random() < 0.3:
        return replace(parts, headers=(*parts.headers, ("Host", host)))
    if rng.random() < 0.3:
        return put(put(parts, "X-Forwarded-Host", host), "Forwarded", f"host={host}")
    return replace(parts, authority=host)


# --- The fields -------------------------------------------------------------------------------------------------------
def drop_field(rng: random.Random, parts: HttpRequestParts, _: list[HttpRequestParts]) -> HttpRequestParts:
    index = rng.randrange(len(parts.headers))
    return replace(parts, headers=parts.headers[:index] + parts.headers[index + 1 :])


def repeat_field(rng: random.Random, parts: HttpRequestParts, others: list[HttpRequestParts]) -> HttpRequestParts:
    """A field twice, the other one before or behind, the same or another's; in another case, or a look-alike name."""
    name, value = rng.choice(parts.headers)
    other = field(rng.choice(others), name) if others else None
    value = rng.choice([value, other or value, "x", content_digest(b""), ""])
    spelled = rng.choice(
        [name, name.lower(), name.upper(), name.replace("-", "_"), f"{name} ", name.replace("k", "\u212a")]
    )
    place = rng.choice([0, len(parts.headers)])
    return replace(parts, headers=(*parts.headers[:place], (spelled, value), *parts.headers[place:]))


def fold_field(rng: random.Random, parts: HttpRequestParts, _: list[HttpRequestParts]) -> HttpRequestParts:
    """Line ends inside a value: folding, or a smuggled field."""
    name, value = rng.choice(parts.headers)
    at = rng.randrange(len(value) + 1)
    inside = rng.choice(["\r\n ", "\n\t", "\r\nIdempotency-Key: k-2\r\nX: ", "\x00", "\t", "  ", "\x0b", "\xa0"])
    return put(parts, name, value[:at] + inside + value[at:])


def change_field(rng: random.Random, parts: HttpRequestParts, others: list[HttpRequestParts]) -> HttpRequestParts:
    """Another's value, or a damaged one."""
    name = rng.choice([*SIGNING, *MEANINGFUL])
    own = field(parts, name) or ""
    other = field(rng.choice(others), name) if others else None
    at = rng.randrange(len(own) + 1)
    damaged = own[:at] + rng.choice(["", "x", ",", ";", '"', ":", "é", "=", "("]) + own[at + 1 :]
    return put(parts, name, rng.choice([other or damaged, damaged, f"{own}, {other or own}", own.upper()]))


def take_signature(rng: random.Random, parts: HttpRequestParts, others: list[HttpRequestParts]) -> HttpRequestParts:
    """All signing fields of another honest request, over this one: by a colleague, or replayed at another door."""
    other = rng.choice(others)
    for name in SIGNING if rng.random() < 0.5 else rng.sample(SIGNING, 3):
        parts = put(parts, name, field(other, name) or "")
    return parts


# --- What the signature says of itself --------------------------------------------------------------------------------
def change_input(rng: random.Random, parts: HttpRequestParts, _: list[HttpRequestParts]) -> HttpRequestParts:
    text = field(parts, "Signature-Input") or ""
    made = [
        text.replace(' "@authority"', ""),
        text.replace(' "content-digest"', ""),
        text.replace(' "@path"', ""),
        text.replace(' "idempotency-key"', ""),
        text.replace('"@method"', '"@method" "@method"'),
        text.replace('"@path"', '"@path";req'),
        text.replace('"content-type"', '"content-type";sf'),
        text.replace('"content-type"', '"content-type";bs'),
        text.replace('"@query"', '"@query-param";name="limit"'),
        text.replace('"content-digest"', '"Content-Digest"'),
        text.replace('"content-digest"', '"content-digest";key="sha-256"'),
        text.replace("created=", "created=1"),
        text.replace("created=", "expires=9999999999;created="),
        text.replace(";expires=", ";expires=9"),
        text.replace('tag="eherrac"', 'tag="other"'),
        text.replace('nonce="', 'nonce="x'),
        text.replace("eherrac=", "sig1="),
        f"{text}, sig2={text.partition('=')[2]}",
        text.replace('alg="ecdsa-p256-sha256"', rng.choice(['alg="none"', 'alg="hmac-sha256"', 'alg="ed25519"', ""])),
        text.replace('alg="ecdsa-p256-sha256"', 'alg="rsa-v1_5-sha256"'),
    ]
    return put(parts, "Signature-Input", rng.choice(made))


def forge_hmac(rng: random.Random, parts: HttpRequestParts, _: list[HttpRequestParts]) -> HttpRequestParts:
    """The old trick: an HMAC keyed with what everybody knows, the public key, over content of the attacker's."""
    text = (field(parts, "Signature-Input") or "").replace('alg="ecdsa-p256-sha256"', 'alg="hmac-sha256"')
    changed = change_body(rng, parts, []) if rng.random() < 0.7 else parts
    changed = put(put(changed, "Signature-Input", text), "Content-Digest", content_digest(changed.body))
    try:
        base = signature_base(SignatureInput.parse(text), changed)
    except RefusedError:
        return changed
    value = hmac.new(rng.choice(_public_forms(parts)), base, hashlib.sha256).digest()
    return put(changed, "Signature", f"eherrac=:{b64encode(value).decode()}:")


def change_value(rng: random.Random, parts: HttpRequestParts, _: list[HttpRequestParts]) -> HttpRequestParts:
    """Signature values that careless code takes: all zeros, r or s zero, empty, the order of the curve."""
    order = bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
    made = [
        b"",
        bytes(64),
        bytes(32) + b"\x01" * 32,
        order * 2,
        b"\x01" * 64,
        b"\x30\x06\x02\x01\x00\x02\x01\x00",
        rng.randbytes(64),
    ]
    return put(parts, "Signature", f"eherrac=:{b64encode(rng.choice(made)).decode()}:")


def _public_forms(parts: HttpRequestParts) -> list[bytes]:
    sent = (field(parts, "Signature-Certificate") or "").split(",")[0].strip().strip(":")
    try:
        certificate = x509.load_der_x509_certificate(b64decode(sent))
    except ValueError:
        return [b""]
    key = certificate.public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return [der, key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), b64decode(sent), b""]


CHANGES: list[Change] = [
    change_body,
    change_body,
    redigest,
    encode_body,
    change_path,
    change_query,
    change_method,
    change_host,
    drop_field,
    repeat_field,
    repeat_field,
    fold_field,
    change_field,
    change_field,
    take_signature,
    change_input,
    change_input,
    forge_hmac,
    change_value,
]


def mutants(
    seed: int, count: int, honest: HttpRequestParts, others: list[HttpRequestParts], changes: list[Change] = CHANGES
) -> Iterator[HttpRequestParts]:
    """`count` mutants of an honest request, one to three changes each."""
    rng = random.Random(seed)
    for _ in range(count):
        parts = honest
        for change in rng.choices(changes, k=rng.choice([1, 1, 2, 3])):
            if parts.headers:
                parts = change(rng, parts, others)
        yield parts
