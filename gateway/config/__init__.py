"""The one configuration tree: read once at start, frozen, all its faults reported together.

    config = load_config(Path("gateway.toml"), os.environ)
    rules = build_rulebook(config)

A setting comes from the TOML file, or from the environment as `EHERRAC__SECTION__KEY`, which wins. Nothing here reads
the environment by itself.
"""

from gateway.config.load import ConfigError, Fault, file_faults, load_config
from gateway.config.model import Config
from gateway.config.rules import build_rulebook

__all__ = ["Config", "ConfigError", "Fault", "build_rulebook", "file_faults", "load_config"]
