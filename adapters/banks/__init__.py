"""Banks: our signed callbacks to them over REST or SOAP, as each has chosen, and a bank itself as a sandbox."""
