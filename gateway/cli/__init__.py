"""`eherrac-gateway`: the command line. Each command is a module; heavy imports wait until their command runs."""

from __future__ import annotations

from gateway.cli.main import main

__all__ = ["main"]
