"""`python -m gateway.cli` is `eherrac-gateway`."""

from gateway.cli.main import main

main()
