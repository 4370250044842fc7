"""ISO 20022 messages beside their floor: `python -m bench.messages`.

Out is build + validate + sign, in is parse + verify + validate, of every message that we speak. The floor is the same
elements built by lxml, the compiled schema and libxmlsec; and lxml's parse, libxmlsec's verification and the schema. It
makes no typed message, judges no certificate and checks no signature of its own before that leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lxml import etree

from bench.bare import KINDS, Keys, cpu_us, keys, sign, template, verify
from certs.xmldsig import sign_enveloped
from contracts.iso20022 import envelope, registry, samples
from gateway.bootstrap import utc_now
from gateway.wire.iso_envelope import open_signed

_COUNT = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU of one message of a kind, microseconds."""

    out_us: float
    out_floor_us: float
    in_us: float
    in_floor_us: float


def measure(message: Any, key: Keys, count: int = _COUNT) -> Cost:
    """Both directions, and both floors."""
    schema = registry.type_of(message).schema._schema
    signed = _out(message, key)
    recipe, filled = _recipe(etree.fromstring(template(signed))), etree.fromstring(signed)
    verify(filled, key.verifying)

    def bare_out() -> None:
        root = _built(recipe)
        schema.assertValid(root[0][1])
        sign(root, key.signing)

    def bare_in() -> None:
        root = etree.fromstring(signed)
        verify(root, key.verifying)
        schema.assertValid(root[0][1])

    def ours_in() -> None:
        open_signed(signed, key.trust, at=utc_now(), participant_of=lambda _: "999101").read()

    return Cost(
        out_us=cpu_us(lambda: _out(message, key), count),
        out_floor_us=cpu_us(bare_out, count),
        in_us=cpu_us(ours_in, count),
        in_floor_us=cpu_us(bare_in, count),
    )


def _out(message: Any, key: Keys) -> bytes:
    root = envelope.wrap(message, from_bic=samples.OPERATOR_BIC, to_bic=samples.SYSTEM_BIC)
    sign_enveloped(root, key.credential, into=envelope.signature_parent(root))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


_Recipe = tuple[str, dict[str, str], dict[str | None, str], str | None, list[Any]]


def _recipe(element: etree._Element) -> _Recipe:
    """What lxml is told to build the same elements: no reading and no formatting of values is left to do."""
    attributes = {str(name): str(value) for name, value in element.attrib.items()}
    return str(element.tag), attributes, dict(element.nsmap), element.text, [_recipe(child) for child in element]


def _built(recipe: _Recipe, parent: etree._Element | None = None) -> etree._Element:
    tag, attributes, names, text, children = recipe
    if parent is None:
        element = etree.Element(tag, attributes, nsmap=names)  # type: ignore[arg-type]
    else:
        element = etree.SubElement(parent, tag, attributes, nsmap=names)  # type: ignore[arg-type]
    element.text = text
    for child in children:
        _built(child, element)
    return element


def main(count: int = _COUNT) -> None:
    """Print every message, with both kinds of key."""
    print("\nISO 20022 messages: CPU on one core, µs, bare libraries and ours; messages a second")
    for key in keys():
        columns = f"{'ours':>8}{'ratio':>7}{'/s':>7}"
        print(f"  {KINDS[key.kind]:<18}{'out bare':>10}{columns}{'in bare':>11}{columns}")
        for name, message in samples.SAMPLES.items():
            print(f"  {name:<18}{_line(measure(message, key, count))}", flush=True)


def _line(cost: Cost) -> str:
    return "".join(
        f"{bare:>{width}.0f}{ours:>8.0f}{ours / bare:>7.1f}{1e6 / ours:>7.0f}"
        for width, bare, ours in ((10, cost.out_floor_us, cost.out_us), (11, cost.in_floor_us, cost.in_us))
    )


if __name__ == "__main__":
    main()
