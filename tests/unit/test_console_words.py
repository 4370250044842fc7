"""The console's words: the same in three languages, all there, and none of them in code or templates."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import pytest

from certs.expiry import Holder
from certs.freshness import RevocationSource, RevocationState
from contracts.errors import ErrorCode, Refusal
from contracts.errors.catalogue import WhoActs, describe
from gateway import domain as domain_package
from gateway.domain.delivery import DeliveryState
from gateway.domain.dispatches import DISPATCHES, Channel, Notice, NoticeKind
from gateway.domain.nouns import TABLES
from gateway.domain.visit import LINK_ALIAS, SESSION_ALIAS, Role
from gateway.doors import console
from gateway.doors.console.alarms import Standing
from gateway.doors.console.lots import _READ_OUT
from gateway.doors.console.reasons import KINDS, explained
from gateway.doors.console.shown import amount, fact, moment, moment_utc, short_name, span
from gateway.doors.console.situation import Kind, Severity
from gateway.doors.console.waiting import DONE
from gateway.doors.console.words import LANGUAGES, catalogue, text
from gateway.engine.names import SCHEMES, What

ALARM_FACTS = (  # of alarms that no journal has
    *("channel", "recipient", "count", "noun", "id", "state", "reason", "code", "name", "holder", "serial"),
    *("within_days", "port", "due", "page", "note", "delivery", "times", "topic", "principal", "operation"),
    *("grace_left_s", "brokers", "what"),
)
TIMERS = ("answer", "lapse", "receipts", "transfer", "window", "default", "end")
ROOM = Path(console.__file__).parent
TEMPLATES = sorted((ROOM / "templates").glob("*.html"))
MODULES = sorted(ROOM.glob("*.py"))
WHOLE_KEY = re.compile(r"""\bt\(\s*'([\w.]+)'\s*[,)]""")
OPEN: dict[str, type[StrEnum]] = {
    "role.": Role,
    "revocation.": RevocationState,
    "source.": RevocationSource,
    "holder.": Holder,
    "who.": WhoActs,
    "channel.": Channel,
}


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_the_same_things_with_the_same_facts(language: str) -> None:
    here, there = catalogue(language), catalogue("en")
    assert here.keys() == there.keys()
    assert {key: placeholders(text) for key, text in here.items()} == {
        key: placeholders(text) for key, text in there.items()
    }
    assert all(text.strip() for text in here.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_language_was_left_in_english(language: str) -> None:
    if language == "en":
        return
    same = {key for key, text in catalogue(language).items() if text == catalogue("en")[key] and len(text) > 12}
    assert same == set()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_text_a_template_asks_for_is_there(path: Path) -> None:
    asked = set(WHOLE_KEY.findall(path.read_text(encoding="utf-8")))
    assert asked <= catalogue("en").keys()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_words_of_its_own(path: Path) -> None:
    bare = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    bare = re.sub(r"<pre class=\"command\".*?</pre>", "", bare, flags=re.DOTALL)  # a command is no word
    bare = re.sub(r"<[^>]*>", " ", bare)
    assert re.findall(r"[^\W\d_]{2,}", bare.replace("HTTP", "")) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_script_or_style_of_its_own_or_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|https?://|\|\s*safe", text)
    assert re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL) in ([], [""])


def test_every_word_that_is_made_of_two_parts_is_there() -> None:
    keys = {f"{beginning}{member.value}" for beginning, members in OPEN.items() for member in members}
    keys |= {f"trouble.{kind}.{part}" for kind in Kind for part in ("title", "affects", "itself", "todo")}
    keys |= {f"severity.{severity.word}" for severity in Severity}
    keys |= {f"situation.verdict.{word}" for word in ("well", *(severity.word for severity in Severity))}
    keys |= {f"noun.{name}" for name in TABLES} | {f"body.{name}" for name in DISPATCHES}
    keys |= {f"advice.{name}.{state}" for name, table in TABLES.items() for state in table.waiting_for_person}
    keys |= {"advice.payment.unknown", *(f"waiting.done.{done}" for done in DONE)}
    keys |= {f"state.{name}.{state}" for name, table in TABLES.items() for state in table.states}
    keys |= {f"{part}.{state}" for part in ("state.delivery", "delivery.says") for state in DeliveryState}
    keys |= {f"delivery.direction.{direction}" for direction in ("in", "out")}
    keys |= {f"notice.{kind}" for kind in NoticeKind} | {f"field.{field.name}" for field in fields(Notice)}
    keys |= {f"field.{name}" for name in _READ_OUT} | {f"find.what.{what}" for what in What}
    keys |= {f"why.{kind}" for kind, _ in KINDS} | {f"timer.{name}" for name in TIMERS}
    keys |= {f"alarms.standing.{standing}" for standing in Standing} | {f"fact.{name}" for name in ALARM_FACTS}
    assert keys - catalogue("en").keys() == set()


def test_a_lot_is_looked_for_under_every_other_name_there_is() -> None:
    """Every `…_ALIAS` of the domain; those of visits name no lot."""
    domain = Path(domain_package.__file__).parent
    written = {
        node.value.value
        for path in domain.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        if any(isinstance(target, ast.Name) and target.id.endswith("_ALIAS") for target in node.targets)
    }
    assert written - {LINK_ALIAS, SESSION_ALIAS} == set(SCHEMES)


def test_every_message_is_one_that_is_said_somewhere() -> None:
    said = {node.value for path in MODULES for node in _strings(path)}
    messages = {key.split(".")[1] for key in catalogue("en") if key.startswith("message.") and key.count(".") == 2}
    assert messages - said == set()


def _strings(path: Path) -> Iterator[ast.Constant]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


@pytest.mark.parametrize(
    ("minor", "language", "shown"),
    [
        (0, "az", "0,00\u00a0AZN"),
        (5, "en", "0.05\u00a0AZN"),
        (123_456_789, "az", "1\u00a0234\u00a0567,89\u00a0AZN"),
        (123_456_789, "en", "1,234,567.89\u00a0AZN"),
        (123_456_789, "ru", "1\u00a0234\u00a0567,89\u00a0AZN"),
    ],
)
def test_money_is_written_as_the_language_does(minor: int, language: str, shown: str) -> None:
    assert amount(minor, "AZN", language) == shown
    assert fact({"minor": minor, "currency": "AZN"}, language) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0 s"),
        (0.4, "0 s"),
        (59, "59 s"),
        (61, "1 min 1 s"),
        (3_600, "1 h"),
        (90_061, "1 d 1 h"),
    ],
)
def test_a_span_is_told_in_its_two_greatest_units(seconds: float, shown: str) -> None:
    assert span(seconds, "en").replace("\u00a0", " ") == shown


def test_instants_are_shown_in_baku_and_told_in_utc() -> None:
    at = datetime(2026, 11, 22, 22, 30, 5, tzinfo=UTC)
    assert (moment(at), moment_utc(at)) == ("23.11.2026 02:30:05", "2026-11-22 22:30:05 UTC")
    assert fact("2026-11-22T22:30:05.123Z", "en") == "23.11.2026 02:30:05"
    assert fact("2026-11-22 is no instant", "en") == "2026-11-22 is no instant"


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("CN=Issuing CA,O=BSXM,C=AZ", "Issuing CA"),
        ("O=BSXM,CN=A\\, B", "A, B"),
        ("999101", "999101"),
        ("O=CN", "O=CN"),
    ],
)
def test_an_issuer_is_shown_by_its_common_name(subject: str, name: str) -> None:
    assert short_name(subject) == name


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("answer 200 not believed: SCHEMA_INVALID", "not_believed"),
        ("answer 200 not verifiable: SIGNATURE_MISSING", "not_believed"),
        ("BODY_TOO_LARGE: limit_bytes=1048576", "too_large"),
        ("not handed to Kafka: TimeoutError", "kafka_away"),
        ("no acknowledgement from Kafka: TimeoutError", "kafka_unsure"),
        ("ClientConnectorError: Cannot connect to host 127.0.0.1:9 ssl:default [Connect call failed]", "nobody_there"),
        ("ClientConnectorCertificateError: Cannot connect to host b:443 [SSLCertVerificationError: …]", "certificate"),
        ("ClientConnectorDNSError: Cannot connect to host b:443 [Name or service not known]", "no_name"),
        ("TimeoutError: no answer in time", "no_answer"),
        ("ServerDisconnectedError: Server disconnected", "cut_off"),
        ("HTTP 503", "busy"),
        ("HTTP 500", "their_fault"),
        ("HTTP_410: HTTP 410", "gone"),
        ("NOTICE_INVALID: our own contract does not allow it: x", "ours"),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reason_is_explained_to_who_reads_no_code(reason: str, kind: str, language: str) -> None:
    assert explained(reason, language) == text(language, f"why.{kind}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_code_of_the_catalogue_is_said_in_words_and_anything_else_stays_as_it_is(language: str) -> None:
    told = describe(Refusal(code=ErrorCode.SIGNATURE_AGE), language).title
    assert told in explained("SIGNATURE_AGE: signed too long ago", language)
    assert [explained(reason, language) for reason in ("they said no", "NO_SUCH: x", "", None)] == [""] * 4
