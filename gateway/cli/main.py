"""The command tree of `eherrac-gateway`."""

from __future__ import annotations

from importlib import metadata

from cyclopts import App

app = App(
    name="eherrac-gateway",
    help="Gateway between the e-auction system, banks, the instant payment system, Asan Pay and the ministries.",
    version=lambda: metadata.version("eherrac-gateway"),
)
app.command("gateway.cli.serve:serve", name="serve")
app.command("gateway.cli.demo:demo", name="demo")
app.command("gateway.cli.sandbox:app", name="sandbox")
app.command("gateway.cli.show:lot_app", name="lot")
app.command("gateway.cli.show:payment_app", name="payment")
app.command("gateway.cli.show:outbox_app", name="outbox")
app.command("gateway.cli.verify:verify", name="verify")
app.command("gateway.cli.pki:app", name="pki")
app.command("gateway.cli.config:app", name="config")


def main() -> None:
    """Run the command line."""
    app()
