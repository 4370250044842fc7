"""The README tells the truth: its table of settings, its commands, its links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.config.table import schedule_table, settings_table

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_table_of_settings_is_the_models() -> None:
    assert settings_table() in README, "run `make readme`"


def test_the_published_delivery_schedule_is_the_default_one() -> None:
    assert schedule_table() in (ROOT / "docs" / "delivery.md").read_text(encoding="utf-8"), "run `make readme`"


@pytest.mark.parametrize("stated", ["RPO", "RTO"])
def test_what_a_loss_may_cost_and_how_long_it_may_take_is_stated_with_figures(stated: str) -> None:
    """PSP-8.1.5, PSP-8.1.6."""
    keeping = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").partition("## Keeping")[2]
    (said,) = re.findall(rf"^- \*\*{stated}\*\*((?:.|\n  )*)", keeping, re.MULTILINE)
    assert re.search(r"\d", said)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z][a-z-]*)", README))))
def test_every_make_target_named_exists(target: str) -> None:
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_every_link_leads_somewhere(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("folder", sorted(set(re.findall(r"^\| (`[a-z/]+/`)", README, re.MULTILINE))))
def test_every_folder_described_exists(folder: str) -> None:
    assert (ROOT / folder.strip("`")).is_dir()
