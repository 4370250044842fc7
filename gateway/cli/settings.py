"""The configuration as commands take it: `--config FILE`, or EHERRAC_CONFIG, or ./gateway.toml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from gateway.cli.console import fail
from gateway.config import Config, ConfigError, load_config

ConfigPath = Annotated[
    Path | None, Parameter(name="--config", help="Configuration file; otherwise $EHERRAC_CONFIG, or gateway.toml here.")
]


def path_of(given: Path | None) -> Path:
    """Which file is meant."""
    return given or Path(os.environ.get("EHERRAC_CONFIG", "gateway.toml"))


def load(given: Path | None) -> Config:
    """The configuration; ends the program with every fault named if it cannot be used."""
    path = path_of(given)
    if not path.is_file():
        fail(f"no configuration file {path}; give --config FILE")
    try:
        return load_config(path, os.environ)
    except ConfigError as error:
        fail("the configuration cannot be used:\n" + "\n".join(f"  {fault}" for fault in error.faults))
