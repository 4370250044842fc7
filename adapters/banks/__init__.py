"""Banks, both ways (EHR-9): signed callbacks to them over REST or SOAP, as each has chosen; a bank as a sandbox."""
