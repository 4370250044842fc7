"""`messages list|sample|check`: the messages of the rails, for an engineer who writes or reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from lxml import etree

from contracts.errors import Refusal
from contracts.errors.catalogue import describe
from contracts.errors.refusal import RefusedError
from contracts.iso20022 import Envelope, envelope, generic, profile, registry, samples
from contracts.mt import registry as mt_registry
from contracts.mt import samples as mt_samples
from gateway.cli.console import fail, say
from gateway.cli.show import Language

app = App(name="messages", help="Messages of AÖS and AZIPS: which there are, a sample of each, and a check of yours.")
_FAULTY = 3
_SYSTEM_SAYS = frozenset({"camt.010", "camt.019", "camt.025", "camt.034", "pain.002", "pacs.002"})


@app.command(name="list")
def list_() -> None:
    """Every message by its name, with what it is for and the rules it serves."""
    for kind in registry.MESSAGES.values():
        say(f"{kind.name:<18} {kind.purpose}")
    for mt in mt_registry.MESSAGES.values():
        say(f"{'MT' + mt.number:<18} {mt.purpose}")


@app.command
def sample(
    name: str,
    *,
    wrapped: Annotated[bool, Parameter(help="With header and wrapper, not signed yet.")] = False,
    wrapper: Annotated[Envelope, Parameter(help="Which wrapper, as `[aos] envelope` says.")] = Envelope.DATA_PDU,
) -> None:
    """Print a valid message: pacs.008 (its version may be left out), TEXTMESSAGE, MT205."""
    if name.upper().startswith("MT") and name[2:] in mt_samples.SAMPLES:
        say(mt_registry.write(mt_samples.SAMPLES[name[2:]]).decode("ascii").replace("\r\n", "\n"))
        return
    message = _sample(name)
    sender, receiver = _direction(message)
    root = registry.build(message)
    if wrapped:
        root = envelope.wrap(message, from_bic=sender, to_bic=receiver, envelope=wrapper)
    etree.indent(root)
    say(etree.tostring(root, encoding="unicode"))


@app.command
def check(file: Path, *, language: Language = "az") -> None:
    """Judge a message by our profile; every fault with its path, rule and remedy. Ends with 3 where there is one."""
    try:
        data = file.read_bytes()
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    found = _mt_faults(data) if data.startswith(b"{1:") else profile.faults(data)
    for fault in found:
        problem = describe(fault.refusal, language)
        say(f"{fault.refusal.facts.get('path', '/')}: {fault.rule} {fault.refusal.code}")
        say(f"  {problem.detail}")
        say(f"  {problem.remedy}")
    if found:
        raise SystemExit(_FAULTY)
    say(f"{file}: ok")


@app.command
def read(file: Path, *, language: Language = "az") -> None:
    """Tell what another bank's report says: pain.002, camt.053 or camt.054 of any version; no signature is judged."""
    try:
        report = generic.read(file.read_bytes())
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    except RefusedError as error:
        fail(f"{error.refusal.facts.get('path', '/')}: {describe(error.refusal, language).detail}", _FAULTY)
    say(f"{report.message_name} {report.message_id}")
    if isinstance(report, generic.StatusReport):
        say(f"  {report.original_message_name} {report.original_message_id}: {report.status or '-'}")
        for row in report.transactions:
            reasons = " ".join(f"{reason.code} {reason.text}".strip() for reason in row.reasons)
            say(f"  {row.original_end_to_end_id or '-'}: {row.status or '-'} {reasons}".rstrip())
        return
    for entry in report.entries:
        sign = "+" if entry.credit else "-"
        reference = entry.original_end_to_end_id or "-"
        say(f"  {entry.account} {sign}{entry.amount} {entry.currency} {entry.status} {reference}")


def _sample(name: str) -> Any:
    if name.upper() == "TEXTMESSAGE":
        return samples.TEXT
    found = [message for full, message in samples.SAMPLES.items() if full == name or full.startswith(f"{name}.")]
    if len(found) != 1:
        fail(f"no message {name}; see `messages list`", 1)
    return found[0]


def _direction(message: Any) -> tuple[str, str]:
    """Who says it to whom: AÖS its answers, a participant everything else."""
    name = registry.type_of(message).name[:8]
    ends = (samples.SYSTEM_BIC, samples.OPERATOR_BIC)
    return ends if name in _SYSTEM_SAYS else ends[::-1]


def _mt_faults(data: bytes) -> tuple[profile.ProfileFault, ...]:
    """MT lines may end with LF in a file; on the rail they end with CRLF."""
    try:
        mt_registry.read(data.rstrip(b"\n").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    except RefusedError as error:
        return (_mt_fault(error.refusal),)
    return ()


def _mt_fault(refusal: Refusal) -> profile.ProfileFault:
    return profile.ProfileFault(rule="AOS-L1", refusal=refusal)
