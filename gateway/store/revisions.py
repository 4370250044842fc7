"""Which programs a schema serves: a revision says so in its name, which is all that stands of it in a database.

    v0012                  serves only programs that know v0012: those of before must have ended when it comes
    v0012_serves_v0011     only adds: a program that knows v0011 goes on over it, and starts over it, as before

So who rolls out, and who has to go back, needs no list of versions: the database says who may serve (ADR 24).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from gateway.store.errors import StoreError

SPACE = "hashtext('eherrac-gateway ' || current_schema())"  # of the advisory locks that say who is connected
KNOWS = f"SELECT pg_advisory_lock_shared({SPACE}, {{number}})"  # kept as long as the connection
STANDS = "SELECT version_num FROM alembic_version"
_NAME = re.compile(r"v(?P<number>\d{4})(_serves_v(?P<least>\d{4}))?")


class SchemaError(StoreError):
    """This program and the database's schema may not work together; only another program or another copy helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One step of the schema. `least`: the newest step that a program must know to be served by it."""

    name: str
    number: int
    least: int

    def serves(self, program: Revision) -> bool:
        """Whether a program, of which this is the newest step it knows, may work over this schema."""
        return program.number >= self.least


def read(name: str) -> Revision:
    """A revision by its name, or by that of the file that makes it.

    Raises:
        SchemaError: no name of ours.
    """
    found = _NAME.match(name)
    if found is None:
        raise SchemaError(f"the database has schema {name}, which no version of this program made")
    number, least = found["number"], found["least"]
    return Revision(name=found[0], number=int(number), least=int(least or number))


@cache
def known() -> tuple[Revision, ...]:
    """Every step this program knows, in their order; each is a file in `migrations/versions`."""
    files = (resources.files("gateway.store.migrations") / "versions").iterdir()
    return tuple(sorted((read(file.name) for file in files if file.name.startswith("v")), key=lambda one: one.number))


def check_served(found: str) -> Revision:
    """What stands in the database, which serves this program.

    Raises:
        SchemaError: it is newer, and does not.
    """
    at, newest = read(found), known()[-1]
    if not at.serves(newest):
        raise SchemaError(
            f"the database has schema {at.name}, which serves programs from v{at.least:04} on; this one knows "
            f"{newest.name}. Run the later version, or restore the backup from before it beside this store: "
            'docs/operations.md, "Going back"'
        )
    return at


def steps_after(found: str | None) -> tuple[Revision, ...]:
    """What is missing in a database with this revision, or with none; nothing where it is as new as the program.

    Raises:
        SchemaError: as `check_served`.
    """
    at = 0 if found is None else check_served(found).number
    return tuple(step for step in known() if step.number > at)
