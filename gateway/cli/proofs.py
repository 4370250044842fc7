"""A store judged against its journal, and what is said of it: for `restore`, `backup --verify` and `verify store`."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Annotated

from cyclopts import Parameter

from certs.timestamp import policy_of, verify
from certs.trust import Revocation
from gateway import timeline
from gateway.cli.console import fail, say
from gateway.config import Config
from gateway.engine.audit import Audit, CheckToken, audit
from gateway.engine.proof import Mismatch, What
from gateway.keys.keyring import key_folder
from gateway.store import open_store
from gateway.store.rows import StampRow

Language = Annotated[timeline.Language, Parameter(help="Language of the answer.")]
REFUSED = 3
_SHOWN = 20  # mismatches named


async def judged(url: str, settings: Config) -> Audit:
    """Everything in the store at `url` against its journal."""
    store = await open_store(url)
    try:
        return await audit(store, check_token=_check_token(settings))
    finally:
        await store.close()


def tell(found: Audit, began: float, language: str) -> None:
    """Say what was found; ends the program with 3 where anything is not as it was written."""
    said = texts(language)
    if found.holds:
        seconds = f"{time.monotonic() - began:.1f}"
        say(said["holds"].format(nouns=found.nouns, lines=found.lines, waiting=found.waiting, seconds=seconds))
    else:
        for one in found.mismatches[:_SHOWN]:
            say(sentence(one, language))
        if found.stray:
            say(said[What.LINE].format(found=found.stray))
    if found.unbound_nouns or found.unbound_waiting:
        say(said["unbound"].format(nouns=found.unbound_nouns, waiting=found.unbound_waiting))
    if found.stamped:
        say(said["stamped"].format(stamped=found.stamped, unstamped=found.unstamped))
    if not found.holds:
        fail(said["no"].format(count=len(found.mismatches) + bool(found.stray)), REFUSED)


def sentence(one: Mismatch, language: str) -> str:
    """One mismatch, in words."""
    return texts(language)[one.what].format(
        noun=one.noun, id=one.noun_id, line=one.line, about=one.about, expected=one.expected, found=one.found
    )


@cache
def texts(language: str) -> Mapping[str, str]:
    """The sentences of a language."""
    source = resources.files("gateway").joinpath("data", "proof.toml").read_text(encoding="utf-8")
    found: dict[str, str] = tomllib.loads(source)[language]
    return found


def _check_token(settings: Config) -> CheckToken | None:
    """By whom the key folder believes; whether the authority's certificate was revoked since is not asked here."""
    if settings.time_stamps.url is None:
        return None
    trust = key_folder(settings).trust()
    judging = trust.with_policy(replace(policy_of(trust.policy), revocation=Revocation.NONE))

    def check(stamp: StampRow) -> None:
        verify(stamp.token, stamp.root, judging)

    return check
