"""What cannot be seen is shown by its code; everything that people write stays as it is."""

from __future__ import annotations

import unicodedata

import pytest

from contracts.visible import visible
from gateway.cli.console import say

UNSEEN = {"Cc", "Cf", "Zl", "Zp"}


def test_whatever_unicode_calls_unseen_is_shown_but_lines_and_tabs() -> None:
    every = [chr(point) for point in range(0x3000) if unicodedata.category(chr(point)) in UNSEEN]
    kept = {sign for sign in every if visible(sign) == sign}
    arabic_numbers = {sign for sign in kept if "\u0600" <= sign <= "\u08ff"}  # these are seen
    assert kept - arabic_numbers == {"\n", "\t"}


@pytest.mark.parametrize("text", ["Əşrəf Çıraqlı ₼ 1\u00a0500,00", "Жильё № 5 — «Баку»", "", "a\tb\nc", "👩"])
def test_what_people_write_stays(text: str) -> None:
    assert visible(text) == text


def test_a_text_does_not_speak_to_the_operators_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("\x1b]0;x\x07\x9b2Jlot \u202e1")
    assert capsys.readouterr().out == "[U+001B]]0;x[U+0007][U+009B]2Jlot [U+202E]1\n"
