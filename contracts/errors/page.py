"""The page of refusals for those who receive one: `python -m contracts.errors.page > docs/refusals.md` writes it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from contracts.errors.catalogue import Entry, entries
from contracts.errors.causes import Cause, cause_text

_HEAD = """# Refusals

Written by `make refusals` from `contracts/errors/catalogue.toml` and `causes.toml`, where they stand in
Azerbaijani and Russian too. A refusal is a problem document (REST: `application/problem+json`, `type`
`urn:eherrac:error:CODE`; SOAP: the fault's `Problem`). Go by `code`: it is stable. What stands in angle brackets
below is a fact of the case, a member of `facts`. *Again* says whether the very same message may succeed later;
where it says no, mend what is told and send it anew: a refusal uses up no id. How to have a refused message of
yours examined offline: [Connecting a bank](banks.md#when-a-signature-is-refused).

| code | status | again | who acts | what happened | what to do |
|---|---|---|---|---|---|
"""
_CAUSES = """
## Likely causes

Where the fact `cause` is there, what to do is said by it and no longer by the table above.

| cause | why | what to do |
|---|---|---|
"""


def page() -> Iterator[str]:
    """The page, in English."""
    yield _HEAD
    for code, entry in sorted(entries().items()):
        yield _row(code.value, entry)
    yield _CAUSES
    for cause in Cause:
        text = cause_text(cause.value, "en")
        if text is not None:
            yield f"| `{cause.value}` | {_cell(text.why)} | {_cell(text.remedy)} |\n"


def _row(code: str, entry: Entry) -> str:
    text = entry.texts["en"]
    told = re.sub(r"\{(\w+)\}", r"‹\1›", text.detail.replace("[", "").replace("]", ""))
    again = "yes" if entry.retry else "no"
    cells = (f"`{code}`", str(entry.http_status), again, entry.who_acts.value, _cell(told), _cell(text.remedy))
    return f"| {' | '.join(cells)} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write("".join(page()))
