"""`eherrac-gateway config`: check a configuration, show the table of settings."""

from __future__ import annotations

from cyclopts import App

from gateway.cli.console import say
from gateway.cli.settings import ConfigPath, load, path_of

app = App(name="config", help="The configuration: check it, list every setting.")


@app.command
def check(*, config: ConfigPath = None) -> None:
    """Read the configuration and report every fault at once; ends with 0 if it can be used."""
    from gateway.config import file_faults

    settings = load(config)
    faults = file_faults(settings)
    for fault in faults:
        say(str(fault))
    if faults:
        raise SystemExit(2)
    say(f"{path_of(config)}: good. {len(settings.banks)} banks, {len(settings.ministries)} authorities, "
        f"{len(settings.regimes)} regime rules.")  # fmt: skip
    named, wanted = len(settings.custody.approvers), settings.custody.approvals
    if named < wanted:
        say(f"custody.approvers names {named} of at least {wanted} persons: "
            f"what is above {settings.custody.limit} AZN waits until they are named.")  # fmt: skip


@app.command
def table() -> None:
    """Every setting with its default, limits and meaning (the README's table)."""
    from gateway.config.table import settings_table

    say(settings_table())
