"""`python -m gateway.config` prints the README's table of settings."""

import sys

from gateway.config.table import settings_table

sys.stdout.write(settings_table())
