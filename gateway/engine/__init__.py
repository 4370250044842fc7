"""The one mechanism: inbox, decide, journal and outbox in one transaction; then a dispatcher until acknowledged."""
