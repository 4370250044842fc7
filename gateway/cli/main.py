"""The command tree of `eherrac-gateway`. Commands are imported only when they are called."""

from __future__ import annotations

import os
import sys
from importlib import metadata

from cyclopts import App

from gateway.cli.console import fail

COMMANDS = (
    ("serve", "gateway.cli.serve:serve", "Run the gateway until it is told to stop."),
    ("demo", "gateway.cli.demo:demo", "Play four auctions from the hammer to the ministries."),
    ("sandbox", "gateway.cli.sandbox:app", "Run a counterparty alone: aos, azips, asan-pay, bank, ministry, platform."),
    ("find", "gateway.cli.find:find_id", "What an id may mean that somebody reads out: ours, a bank's, a rail's."),
    ("lot", "gateway.cli.show:lot_app", "Show everything that happened to a lot."),
    ("payment", "gateway.cli.show:payment_app", "Show a payment and what is known of it; approve or decline one."),
    ("ask", "gateway.cli.ask:app", "Ask AÖS for the operating day, a statement, a copy; see what it told."),
    ("liquidity", "gateway.cli.liquidity:liquidity", "Our account in AÖS: what it has, what is foreseen, and why."),
    ("credit", "gateway.cli.person:credit_app", "Return an incoming credit that is asked back, or keep it."),
    ("outbox", "gateway.cli.outbox:app", "List what waits to be sent; send what is parked again, or never."),
    (
        "console",
        "gateway.cli.visits:app",
        "The operators' console: make a sign-in link, see who is there, end a visit.",
    ),
    ("messages", "gateway.cli.messages:app", "List the messages of the rails, print a sample, check one."),
    ("kafka", "gateway.cli.kafka:app", "The topics on the cluster: create them, compare them with the declared ones."),
    ("backup", "gateway.cli.backup:backup", "Copy the whole state into one file while the gateway runs."),
    (
        "restore",
        "gateway.cli.backup:restore",
        "Make the store of a backup, believed only if it is what was written.",
    ),
    ("verify", "gateway.cli.verify:app", "Check a sealed protocol, a signed message or the store itself."),
    ("evidence", "gateway.cli.evidence:app", "Export everything about a lot in one sealed file; verify one offline."),
    ("vault", "gateway.cli.vault:app", "The signing key under dual control: open, close, check, book."),
    ("pki", "gateway.cli.pki:app", "Development certificates: authority, participants, revocation."),
    ("config", "gateway.cli.config:app", "Check the configuration; list every setting."),
)

app = App(
    name="eherrac-gateway",
    help="Gateway between the e-auction system, banks, the instant payment system, Asan Pay and the ministries.",
    version=lambda: metadata.version("eherrac-gateway"),
)
for _name, _target, _help in COMMANDS:
    app.command(_target, name=_name, help=_help)


def main() -> None:
    """Run the command line. Who reads only the beginning of an answer (`| head`) is not an error; a store that this
    program may not open, or that is away, is told in a line, whatever was asked of it.
    """
    try:
        app()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        from gateway.store.errors import StoreError

        if not isinstance(error, StoreError):
            raise
        fail(str(error), 1)
