"""`eherrac-gateway messages`: list, sample, check, as an engineer types them."""

from __future__ import annotations

import pytest

from contracts.iso20022 import registry, samples
from contracts.mt.registry import MESSAGES as MT
from gateway.cli.messages import app


def _run(*words: str) -> int:
    try:
        app(words, result_action="return_value")
    except SystemExit as ended:
        return ended.code
    return 0


def test_the_list_names_every_message_and_its_rules(capsys):
    """AOS-M1 to AOS-M4 and all that AÖS answers."""
    assert _run("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*registry.MESSAGES, *(f"MT{number}" for number in MT)]


@pytest.mark.parametrize("name", [*samples.SAMPLES, "TEXTMESSAGE", "pacs.008", *(f"MT{number}" for number in MT)])
@pytest.mark.parametrize("how", [(), ("--wrapped",)], ids=["bare", "wrapped"])
def test_every_sample_passes_the_check(name, how, tmp_path, capsys):
    assert _run("sample", name, *how) == 0
    file = tmp_path / "message"
    file.write_text(capsys.readouterr().out)
    assert _run("check", str(file)) == 0


@pytest.mark.parametrize(
    ("name", "old", "new", "line"),
    [
        ("pacs.008", "500.00", "-5.00", "/IntrBkSttlmAmt: AOS-C4 AMOUNT_INVALID"),
        ("MT205", "AZN", "USD", ":32A:: AOS-L1 AMOUNT_INVALID"),
    ],
)
def test_a_faulty_message_ends_with_3_and_says_where_by_which_rule_and_what_to_do(
    name, old, new, line, tmp_path, capsys
):
    """AOS-C4, AOS-L1."""
    _run("sample", name)
    file = tmp_path / "message"
    file.write_text(capsys.readouterr().out.replace(old, new))
    assert _run("check", str(file), "--language", "en") == 3
    said = capsys.readouterr().out
    assert line in said
    assert "Write a positive amount in AZN" in said


def test_a_message_nobody_speaks_has_no_sample(capsys):
    assert _run("sample", "pacs.009") == 1
    assert "messages list" in capsys.readouterr().err


def test_another_banks_report_is_told_in_lines(tmp_path, capsys):
    file = tmp_path / "report.xml"
    _run("sample", "pain.002")
    file.write_text(capsys.readouterr().out)
    assert _run("read", str(file)) == 0
    said = capsys.readouterr().out.splitlines()
    status = samples.SAMPLES["pain.002.001.10"]
    assert said[0] == f"pain.002.001.10 {status.message_id}"
    assert said[1] == f"  pain.001.001.09 {status.original_message_id}: {status.state}"
    assert said[2].startswith(f"  {status.original_end_to_end_id}: {status.state}")


def test_what_is_no_report_is_said_so(tmp_path, capsys):
    file = tmp_path / "order.xml"
    _run("sample", "pacs.008")
    file.write_text(capsys.readouterr().out)
    assert _run("read", str(file)) == 3
    assert "pacs.008" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_said_so(tmp_path, capsys):
    assert _run("check", str(tmp_path / "none")) == 2
    assert "No such file" in capsys.readouterr().err
